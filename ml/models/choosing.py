"""By what a model is computed here: whatever is fastest of all that gives the answers of its card."""

import importlib.util
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ml.models.bundle import Bundle
from ml.models.card import BundleError, Card
from ml.models.precision import BF16, FP32, gpu_has_bf16, processor_has_bf16
from ml.models.reference import reference_planes
from ml.models.runtime import EXACT, Runtime, Way, open_runtime

AUTO: Final = "auto"
RUNTIMES: Final = ("tensorflow", "openvino")
PRECISIONS: Final = (FP32, BF16)
SIZES: Final = (8, 16, 32, 64)  # of batches that are measured
PASSES: Final = 3  # of which the fastest counts
SECONDS: Final = 10.0  # of measuring one way, after which no larger batch is tried
ALL: Final = slice(None)
ENOUGH: Final = 1.05  # a larger batch, or another way, has to be so many times faster to be taken


@dataclass(frozen=True, slots=True)
class Tried:
    """One way of computing a model, and what became of it."""

    way: Way
    difference: float | None = None  # from the worst reference score; None if it could not be computed
    refused: str = ""  # why it is not used; empty if it could be
    batch_size: int = 0
    planes_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """The way that is used, and all that were tried."""

    way: Way
    batch_size: int
    tried: tuple[Tried, ...] = ()


def ways(runtime: str = AUTO, precision: str = AUTO) -> list[Way]:
    """List what can be tried on this machine, the exact one first.

    Args:
        runtime: One of `RUNTIMES`, or "auto" for all that are installed.
        precision: One of `PRECISIONS`, or "auto" for all that the hardware computes.

    Returns:
        Nothing if what is asked for is not here.
    """
    runtimes = [name for name in RUNTIMES if runtime in {AUTO, name} and _installed(name)]
    return [
        Way(name, each)
        for each in PRECISIONS
        if precision in {AUTO, each}
        for name in runtimes
        if each == FP32 or _has_bf16(name)
    ]


def choose(
    bundle: Bundle, candidates: Sequence[Way], batch_size: int = 0, *, told: Callable[[Choice], object] = lambda _: None
) -> Choice:
    """Hold each way against the reference scores, measure those that reproduce them, and take the fastest.

    Args:
        bundle: Opened by `load_bundle`.
        candidates: As `ways` gives them.
        batch_size: Planes in one call; 0 to find it by measuring.
        told: Gets the choice so far after each way, once there is one: whoever has no time for all may take that.

    Raises:
        BundleError: no way reproduces the reference scores.
    """
    tried: tuple[Tried, ...] = ()
    best: Choice | None = None
    for way in candidates:
        tried += (_try(bundle, way, (batch_size,) if batch_size else SIZES),)
        best = _best(tried)
        if best is not None:
            told(best)
    if best is None:
        raise BundleError(
            "reference_differs",
            f"{bundle.card.name} reproduces its reference scores in no way of computing: "
            + "; ".join(f"{one.way}: {one.refused}" for one in tried),
            "Restore the bundle, or report processor and versions.",
        )
    return best


def _best(tried: tuple[Tried, ...]) -> Choice | None:
    """Take the fastest of those that can be used, the first of those that are hardly faster."""
    able = [one for one in tried if not one.refused]
    if not able:
        return None
    best = able[0]
    for one in able[1:]:
        if one.planes_per_second > best.planes_per_second * ENOUGH:
            best = one
    return Choice(best.way, best.batch_size, tried)


def _try(bundle: Bundle, way: Way, sizes: Iterable[int]) -> Tried:
    try:
        runtime = open_runtime(bundle, way)
        planes = reference_planes(bundle.card.reference.seeds, bundle.card.modality)
        scores = runtime.run(planes).scores
    except Exception as problem:  # noqa: BLE001 - a runtime raises what it likes; another way may do
        return Tried(way, refused=f"cannot compute it ({type(problem).__name__})")
    difference, refused = held_against(bundle.card, scores, way)
    if refused:
        return Tried(way, difference, refused)
    size, rate = _fastest(runtime, planes, sizes)
    return Tried(way, difference, "" if size else "cannot compute a batch", size, rate)


def held_against(card: Card, scores: NDArray[np.float32], way: Way, asked: slice = ALL) -> tuple[float | None, str]:
    """Compare with the card: scores within the tolerance of the precision, and the same flags.

    Args:
        card: Whose reference is the measure.
        scores: Of the reference planes that were asked.
        way: By what they were computed.
        asked: Which of the planes.

    Returns:
        The largest difference, if there is one to tell, and what is wrong; empty if nothing is.
    """
    expected = np.array(card.reference.scores[asked])
    allowed = card.reference.tolerance.get(way.precision)
    if expected.shape != scores.shape or allowed is None:
        return None, "the card holds no reference scores for it"
    difference = float(np.abs(scores - expected).max())
    if not difference <= allowed:  # NaN is not
        return difference, f"a reference score is off by {difference:.4f}; {allowed} is allowed"
    if way != EXACT and not np.array_equal(_flags(card, scores), _flags(card, expected)):
        return difference, "it flags other reference planes"
    return difference, ""


def _flags(card: Card, scores: NDArray[np.floating]) -> NDArray[np.bool_]:
    points = {label: point.value for label, point in card.operating_points.items()}
    columns = [card.labels.index(label) for label in card.flag_labels]  # none, if nothing raises a flag
    return np.asarray(scores[:, columns] >= [points[label] for label in card.flag_labels])


def _fastest(runtime: Runtime, planes: NDArray[np.uint8], sizes: Iterable[int]) -> tuple[int, float]:
    """Measure full batches; the smallest size that no larger one beats clearly, and its planes a second.

    Larger ones are not tried once a way has had its time, or has no memory for them; 0 if none could be computed.
    """
    best, rate = 0, 0.0
    deadline = time.perf_counter() + SECONDS
    for size in sizes:
        if best and time.perf_counter() > deadline:
            break
        try:
            measured = size / _seconds(runtime, np.resize(planes, (size, *planes.shape[1:])))
        except Exception:  # noqa: BLE001 - a runtime raises what it likes, most of all for want of memory
            break
        if measured > rate * ENOUGH:
            best, rate = size, measured
    return best, round(rate, 1)


def _seconds(runtime: Runtime, batch: NDArray[np.uint8]) -> float:
    """Time one batch: the best of some passes, after one in which kernels are prepared for its shape."""
    passes = []
    for _ in range(PASSES + 1):
        started = time.perf_counter()
        runtime.compute(batch)
        passes.append(time.perf_counter() - started)
    return min(passes[1:])


def _installed(runtime: str) -> bool:
    return importlib.util.find_spec(runtime) is not None


def _has_bf16(runtime: str) -> bool:
    return processor_has_bf16() or (runtime == "tensorflow" and gpu_has_bf16())
