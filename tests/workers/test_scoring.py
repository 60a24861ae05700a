from collections.abc import Callable

import pytest

from ml.inference import Identity, NoopScorer, Outcome
from workers.scoring import MODEL_ERROR, OUT_OF_MEMORY, score_carefully

PLANE = bytes(512 * 512)


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's own, which is told by its name."""


class Fragile:
    """A model that cannot take some batches."""

    def __init__(self, fails: Callable[[list[bytes | None]], Exception | None]) -> None:
        self.fails = fails
        self.batches: list[int] = []
        self.batch_size = 32
        self.identity: Identity = NoopScorer().identity

    def score(self, planes: list[bytes | None]) -> list[Outcome]:
        self.batches.append(len(planes))
        if problem := self.fails(planes):
            raise problem
        return NoopScorer().score(planes)


def kinds(outcomes: list[Outcome]) -> list[tuple[str, str | None]]:
    return [(outcome.kind, outcome.code) for outcome in outcomes]


@pytest.mark.parametrize("error", [ResourceExhaustedError, MemoryError])
def test_a_batch_too_large_for_memory_is_halved_until_it_fits(error: type[Exception]) -> None:
    model = Fragile(lambda planes: error("no room") if len(planes) > 8 else None)

    outcomes = score_carefully(model, [PLANE] * 32)

    assert kinds(outcomes) == [("scored", None)] * 32
    assert model.batches == [32, 16, 8, 8, 16, 8, 8]


def test_a_picture_too_large_for_memory_alone_fails_alone() -> None:
    model = Fragile(lambda _: MemoryError())

    assert kinds(score_carefully(model, [PLANE] * 2)) == [("failed", OUT_OF_MEMORY)] * 2


def test_one_picture_that_breaks_the_model_costs_only_itself() -> None:
    poison = bytes([1]) * len(PLANE)
    model = Fragile(lambda planes: RuntimeError("kernel") if poison in planes else None)

    outcomes = score_carefully(model, [PLANE, poison, PLANE])

    assert kinds(outcomes) == [("scored", None), ("failed", MODEL_ERROR), ("scored", None)]
    assert model.batches == [3, 1, 1, 1]


def test_a_missing_plane_is_left_to_the_model() -> None:
    outcomes = score_carefully(Fragile(lambda _: None), [PLANE, None])

    assert kinds(outcomes) == [("scored", None), ("failed", "plane_missing")]
