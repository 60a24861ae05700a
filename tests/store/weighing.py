"""A model whose scores follow from every byte of a plane: another plane would have others."""

from collections.abc import Sequence
from typing import Any

from ml.explain.drawing import HeatMap
from ml.inference import PLANE_MISSING, NoopScorer, Outcome
from workers import engine, explain


class Weigher(NoopScorer):
    def score(self, planes: Sequence[bytes | None]) -> list[Outcome]:
        return [
            Outcome("scored", scores=dict.fromkeys(self.labels, _weight(plane)), distance=0.0)
            if plane
            else Outcome("failed", code=PLANE_MISSING)
            for plane in planes
        ]


def _weight(plane: bytes) -> float:
    some = plane[::7]
    return 0.5 + sum(at * value for at, value in enumerate(some)) / (255 * len(some) ** 2)


def weigh() -> None:
    engine.load_scorer = lambda *_: Weigher()  # type: ignore[assignment, return-value]
    engine.EXPLAINERS._load = lambda _: None  # type: ignore[assignment, return-value]
    explain.draw = _drawn


def _drawn(*_: Any, **__: Any) -> HeatMap:
    return HeatMap(b"raw", b"overlay", 0.5, "none", "none")
