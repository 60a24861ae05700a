"""Codes of DICOM documents: those of DICOM where there are some, and a private scheme where there are none.

No code names a disease: a label of a model is a label of a model.
"""

import re
from typing import Final

from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.sr.coding import Code

from screening.results.models import Screening, ScreeningState, SeriesResult
from screening.results.selectors import FLAGGED, NOT_ASSESSED, NOT_FLAGGED, WAITING, cause

SCHEME: Final = "99CHESTSCREEN"
LONGEST_MEANING: Final = 64  # characters of a code meaning

OUTCOME: Final = CodedConcept("OUTCOME", SCHEME, "Outcome of screening by the model")
REASON: Final = CodedConcept("REASON", SCHEME, "Why the model did not assess")
OUTCOMES: Final = {
    FLAGGED: CodedConcept("FLAGGED", SCHEME, "Flagged: a score reaches its operating point"),
    NOT_FLAGGED: CodedConcept("NOT_FLAGGED", SCHEME, "Not flagged"),
    NOT_ASSESSED: CodedConcept("NOT_ASSESSED", SCHEME, "Not assessed"),
    WAITING: CodedConcept("WAITING", SCHEME, "Not screened yet"),
}
NO_UNITS: Final = Code("1", "UCUM", "no units")
COMMENT: Final = CodedConcept("121106", "DCM", "Comment")
CHEST: Final = {
    "ct": Code("169069000", "SCT", "CT of chest"),
    "xray": Code("399208008", "SCT", "Plain chest X-ray"),
}
IMAGING: Final = Code("363679005", "SCT", "Imaging procedure")


def score_code(label: str) -> CodedConcept:
    """The name of the score of a model's label."""
    return CodedConcept(f"SCORE_{_word(label)}", SCHEME, _meaning(f"Score for the label {label}, not a probability"))


def threshold_code(label: str) -> CodedConcept:
    """The name of the operating point of a label."""
    return CodedConcept(f"POINT_{_word(label)}", SCHEME, _meaning(f"Operating point for the label {label}"))


def reason_code(row: Screening) -> CodedConcept:
    """Why a picture has no score."""
    code = row.code or (row.state if row.state != ScreeningState.INCONCLUSIVE else "unknown")
    return CodedConcept(_word(code), SCHEME, _meaning(cause(row)))


def series_reason_code(result: SeriesResult) -> CodedConcept:
    """Why a series has no score."""
    return CodedConcept(_word(result.code or "unknown"), SCHEME, _meaning("too few slices could be scored"))


def scheme_item() -> Dataset:
    """What the private scheme is, for whoever meets it."""
    item = Dataset()
    item.CodingSchemeDesignator = SCHEME
    item.CodingSchemeName = "Codes of the chest screening service"
    item.CodingSchemeResponsibleOrganization = "Chest screening, for education only"
    return item


def _word(text: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", text.upper())


def _meaning(text: str) -> str:
    return text if len(text) <= LONGEST_MEANING else f"{text[: LONGEST_MEANING - 3]}..."
