"""What is to be said about a picture before models see it: modality, notes, and why not, if not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.images.dicom_routing import Route
from ml.images.gate import route
from ml.images.quality import quality_of
from ml.vocabulary import Modality, NotAssessed, Note

# A plain picture: no header says anything, so the gate looks at it.
PLAIN = Route(modality=Modality.UNKNOWN, view="unknown", not_assessed=None, notes=(), gated=True, position=None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The modality of a picture, what to note, and why it is not assessed if it is not."""

    modality: Modality
    not_assessed: NotAssessed | None
    notes: tuple[Note, ...]


def assess(plane: NDArray[np.uint8], size: tuple[int, int], told: Route, wanted: Modality | None) -> Verdict:
    """Join what the header, the uploader, the gray values and the gate say.

    Args:
        plane: uint8, shape `(PLANE_SIDE, PLANE_SIDE)`.
        size: Rows and columns of the picture itself.
        told: What the header says, or `PLAIN`.
        wanted: What the uploader said; None or UNKNOWN: nothing.

    Returns:
        The header wins over the uploader, and the gate, where it has a say, over both.
    """
    wanted = None if wanted is Modality.UNKNOWN else wanted
    blank, notes = quality_of(plane, *size)
    reason = told.not_assessed or blank
    if told.not_assessed is NotAssessed.WRONG_MODALITY:
        return Verdict(Modality.UNKNOWN, reason, notes)
    modality = told.modality
    if told.gated and blank is None:
        modality, gate_reason, guessed = _gated(plane, told.modality, wanted)
        reason, notes = reason or gate_reason, notes + guessed
    if modality is Modality.UNKNOWN:
        modality = wanted or Modality.UNKNOWN
    elif wanted not in {None, modality}:
        notes += (Note.MODALITY_CORRECTED,)
    return Verdict(modality, reason, notes)


def _gated(
    plane: NDArray[np.uint8], told: Modality, wanted: Modality | None
) -> tuple[Modality, NotAssessed | None, tuple[Note, ...]]:
    routed = route(plane)
    seen = routed.modality
    if seen is Modality.UNKNOWN:
        return told, routed.reason, ()
    if told is Modality.UNKNOWN:
        return seen, None, () if wanted is seen else (Note.MODALITY_GUESSED,)
    if told is Modality.CT:  # a header says what made the slice, not what part of the body it shows
        return told, None if seen is told else NotAssessed.NOT_CHEST, ()
    return seen, None if seen is told else NotAssessed.WRONG_MODALITY, ()
