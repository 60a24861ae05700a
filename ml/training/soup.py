"""One model out of several tunings: the mean of their weights.

Tunings that begin at the same weights and take small steps, each seeing the pictures in another order, end
near enough to each other that the mean of their weights is a model too, and mostly a better one than any of
them (Wortsman et al., "Model soups", ICML 2022). It costs as much at work as one: what is averaged are the weights,
not the scores.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.models.weights import Weights
from ml.training.finetune import AfterEpoch, Lesson, Steps, Trail, fine_tune
from ml.training.head import Head


def tune(
    lesson: Lesson, steps: Steps, seed: int, after_epoch: AfterEpoch, trail: Trail | None = None
) -> tuple[Weights, Head]:
    """Tune as often as `steps.soup` says, with the seeds from `seed` on, and return the mean of the weights.

    Args:
        lesson: What is tuned.
        steps: Rates, epochs, and how many tunings.
        seed: Of the first tuning.
        after_epoch: Called after each epoch of the first tuning alone.
        trail: Where state and curves are left; every further tuning has its own, numbered from 2.
    """
    trail = trail or Trail()
    members = [fine_tune(lesson, steps, seed, after_epoch, trail)]
    for number in range(2, steps.soup + 1):
        state = state_of(trail.state, number) if trail.state else None
        own = replace(trail, name=f"{trail.name}.{number}", state=state)
        members.append(fine_tune(lesson, steps, seed + number - 1, lambda *_: None, own))
    return members[0] if len(members) == 1 else mean_of(members)


def state_of(first: Path, number: int) -> Path:
    """Name the state of a further tuning after that of the first."""
    return first.with_name(f"{number}.{first.name}")


def mean_of(members: Sequence[tuple[Weights, Head]]) -> tuple[Weights, Head]:
    """Average trunks and heads, the trunks rounded as a bundle stores them."""
    trunk = {name: _mean([one[name] for one, _ in members]) for name in members[0][0]}
    kernel = np.mean([head.kernel for _, head in members], axis=0)
    return trunk, Head(kernel, np.mean([head.bias for _, head in members], axis=0))


def _mean(arrays: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    if all(one is arrays[0] for one in arrays):  # was not tuned
        return arrays[0]
    mean: NDArray[np.float64] = np.stack(arrays).astype(np.float64).mean(axis=0)
    return mean.astype(np.float16).astype(np.float32)
