"""One picture with parts taken away: what its score is then, the model does not owe to those parts."""

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.alterations import ALTERATIONS, BORDER_ONLY, NO_LUNGS, ORIGINAL
from ml.vocabulary import PLANE_SIDE

SHOWN: Final = (ORIGINAL, NO_LUNGS, BORDER_ONLY)


class ScoresPlanes(Protocol):
    """What is asked of a model: `ml.inference.Scorer` is such."""

    def scores_of(self, planes: NDArray[np.uint8], label: str) -> list[float]: ...


def scores_without_parts(scorer: ScoresPlanes, plane: bytes, *, label: str) -> dict[str, float]:
    """Score one label on a plane as it is, without the central field, and on its border alone.

    The model was never trained on such pictures: for one picture this is an illustration. What a model can do without
    the lungs is measured on many, with a head of its own (`ml.evaluation.shortcuts`).

    Args:
        scorer: A loaded model.
        plane: 512 * 512 bytes.
        label: One of the model's.

    Returns:
        By name of the alteration, a score in [0, 1].
    """
    whole = np.frombuffer(plane, np.uint8).reshape(PLANE_SIDE, PLANE_SIDE)
    altered = np.stack([ALTERATIONS[name](whole, 0) for name in SHOWN])
    return dict(zip(SHOWN, scorer.scores_of(altered, label), strict=True))
