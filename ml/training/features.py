"""Run pictures through a frozen trunk once and keep what it gives."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.images.plain import read_plain
from ml.images.plane import make_plane
from ml.models.frozen import freeze, input_stage
from ml.training.augment import Degradation, degraded_plane, generator_for
from ml.training.data import Example

Extractor = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
BATCH = 32


def extractor(model: Any, architecture: Any, side: int) -> Extractor:
    """Return the function from uint8 planes `(n, 512, 512)` to what `model` gives for them."""
    prepare = input_stage(architecture, side)
    graph = freeze(lambda planes: model(prepare(planes), training=False))

    def extract(planes: NDArray[np.uint8]) -> NDArray[np.float32]:
        import tensorflow as tf  # noqa: PLC0415

        given = graph(tf.constant(planes))
        array: NDArray[np.float32] = (given[0] if isinstance(given, list | tuple) else given).numpy()
        return array

    return extract


def clean_planes(examples: Sequence[Example]) -> Iterator[NDArray[np.uint8]]:
    """Yield each example's plane as the service would make it."""
    return _in_threads(lambda place: make_plane(_gray(examples[place].path)), len(examples))


def degraded_planes(
    examples: Sequence[Example], how: Degradation, seed: int, number: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield each example's plane in degraded pass `number`; the same seed gives the same planes."""

    def plane(place: int) -> NDArray[np.uint8]:
        rng = generator_for(seed, number, int(examples[place].sha256[:12], 16))
        return degraded_plane(_gray(examples[place].path), how, rng)

    return _in_threads(plane, len(examples))


def extract_all(extract: Extractor, planes: Iterator[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Run planes through in batches; the result has one row per plane."""
    parts: list[NDArray[np.float32]] = []
    waiting: list[NDArray[np.uint8]] = []
    for plane in planes:
        waiting.append(plane)
        if len(waiting) == BATCH:
            parts.append(extract(np.stack(waiting)))
            waiting.clear()
    if waiting:
        parts.append(extract(np.stack(waiting)))
    return np.concatenate(parts)


def _gray(path: Path) -> NDArray[np.uint8]:
    return read_plain(path.read_bytes()).gray


def _in_threads(make: Callable[[int], NDArray[np.uint8]], count: int) -> Iterator[NDArray[np.uint8]]:
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, count, 8 * BATCH):  # bounded, so that planes do not pile up in memory
            yield from pool.map(make, range(start, min(start + 8 * BATCH, count)))
