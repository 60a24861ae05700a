"""Which DICOM pictures are assessed, told by the header alone. An empty value never rules one out."""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydicom import Dataset

from ml.images.header import items, numbers, uid, word, words
from ml.vocabulary import Modality, NotAssessed, Note

RADIOGRAPHS: Final = {"CR", "DX", "DR"}  # DR is no term of the standard, and common
BY_CLASS: Final = {  # where the modality is missing
    "1.2.840.10008.5.1.4.1.1.1": Modality.XRAY,
    "1.2.840.10008.5.1.4.1.1.1.1": Modality.XRAY,
    "1.2.840.10008.5.1.4.1.1.1.1.1": Modality.XRAY,
    "1.2.840.10008.5.1.4.1.1.2": Modality.CT,
    "1.2.840.10008.5.1.4.1.1.2.1": Modality.CT,
    "1.2.840.10008.5.1.4.1.1.2.2": Modality.CT,
}
SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
RAW_DETECTOR: Final = "1.2.840.10008.5.1.4.1.1.1.1.1"
UNTOLD: Final = {"", "OT", "SC"}
LATERAL: Final = {"LL", "RL", "LATERAL", "LAT"}
NOT_FRONTAL: Final = LATERAL | {"LLO", "RLO"}
VIEW_CODES: Final = {  # CID 4010, SNOMED CT
    "399348003": "AP",
    "272479007": "PA",
    "399173006": "LL",
    "399198007": "RL",
    "399067008": "LATERAL",
}
CHEST: Final = re.compile(r"CHEST|THORA|TORAX|LUNG|BRUST|POUMON|PULM|HEART|RIB|BODY|TORSO|TRUNK")
UNKNOWN_PART: Final = {"", "UNKNOWN", "NONE", "OTHER", "N/A", "NA", "UNSPECIFIED", "NOT SPECIFIED"}
LOCALIZERS: Final = re.compile(r"LOCALI[SZ]ER|SCOUT|TOPO|DOSE|SCREEN SAVE|CT_SOM\d+ (TOP|PROT)")
REFORMATS: Final = re.compile(
    r"MPR|REFORMAT|MI[PN]|MINIP|MAXIMUM|MINIMUM|PROJECTION|VRT|VOLREN|CURVED|3D|CPR|PERFUSION"
)
STEEPEST: Final = float(np.cos(np.deg2rad(20)))  # of the slice normal against the long axis of the body
ADULT: Final = 16  # years
YEARS: Final = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}


@dataclass(frozen=True, slots=True)
class Route:
    """What the header says a picture is."""

    modality: Modality  # UNKNOWN: the gate decides, unless `not_assessed` says why not
    view: str
    not_assessed: NotAssessed | None
    notes: tuple[Note, ...]
    gated: bool  # the gate has a say: nothing vouches for what the picture shows
    position: float | None  # mm along the slice normal


def route_of(header: Dataset, *, hold_burned_in: bool) -> Route:
    """Tell modality, view, and whether the picture may be assessed.

    Args:
        header: As it holds for one frame, before de-identification.
        hold_burned_in: Whether the site holds back pictures into which text may be burned.

    Source:
        DICOM PS3.3 C.8.11.1 (DX), C.8.2.1 (CT image type), C.7.6.2.1.1 (patient coordinates).
    """
    captured = (uid(header, "SOPClassUID") or "").startswith(SECONDARY_CAPTURE)
    modality, known = _modality(header)
    notes = [Note.SECONDARY_CAPTURE] if captured or word(header, "Modality") in UNTOLD else []
    notes += _burned_in(header) + ([Note.PAEDIATRIC] if _is_child(header) else [])
    normal = _normal(header) if modality is Modality.CT else None
    reason: NotAssessed | None = None
    if not known:
        reason = NotAssessed.WRONG_MODALITY
    elif modality is Modality.XRAY:
        reason = _radiograph_ruled_out(header)
    elif modality is Modality.CT:
        reason = _slice_ruled_out(header, normal)
    reason = reason or _wrong_part(header)
    if reason is None and hold_burned_in and word(header, "BurnedInAnnotation") != "NO":
        reason = NotAssessed.BURNED_IN_HELD
    view = _view(header, modality, normal)
    gated = captured or modality is not Modality.XRAY
    return Route(modality, view, reason, tuple(notes), gated, _position(header, normal))


def _modality(header: Dataset) -> tuple[Modality, bool]:
    """Give the modality, and whether it is one that any model could be for."""
    said = word(header, "Modality")
    if said in RADIOGRAPHS:
        return Modality.XRAY, True
    if said == "CT":
        return Modality.CT, True
    if said in UNTOLD:
        return BY_CLASS.get(uid(header, "SOPClassUID") or "", Modality.UNKNOWN), True
    return Modality.UNKNOWN, False


def _radiograph_ruled_out(header: Dataset) -> NotAssessed | None:
    raw = word(header, "PresentationIntentType") == "FOR PROCESSING"
    if raw or uid(header, "SOPClassUID") == RAW_DETECTOR:
        return NotAssessed.RAW_DETECTOR
    return NotAssessed.WRONG_VIEW if _said_view(header) in NOT_FRONTAL else None


def _slice_ruled_out(header: Dataset, normal: tuple[float, float, float] | None) -> NotAssessed | None:
    kinds = words(header, "ImageType")
    if any(LOCALIZERS.search(kind) for kind in kinds):
        return NotAssessed.LOCALIZER
    if any(REFORMATS.search(kind) for kind in kinds):
        return NotAssessed.REFORMAT
    if normal is not None and abs(normal[2]) < STEEPEST:
        return NotAssessed.NOT_AXIAL
    return None


def _wrong_part(header: Dataset) -> NotAssessed | None:
    part = word(header, "BodyPartExamined")
    known = part in UNKNOWN_PART or CHEST.search(part)
    return None if known else NotAssessed.WRONG_BODY_PART


def _said_view(header: Dataset) -> str:
    said = word(header, "ViewPosition")
    codes = [VIEW_CODES.get(word(item, "CodeValue"), "") for item in items(header, "ViewCodeSequence")]
    return said or next(iter(codes), "")


def _view(header: Dataset, modality: Modality, normal: tuple[float, float, float] | None) -> str:
    if modality is Modality.CT:
        return "axial" if normal is not None and abs(normal[2]) >= STEEPEST else "unknown"
    said = _said_view(header)
    if said in LATERAL:
        return "L"
    return said if said in {"PA", "AP"} else "unknown"


def _normal(header: Dataset) -> tuple[float, float, float] | None:
    cosines = numbers(header, "ImageOrientationPatient")
    if len(cosines) != 6:
        return None
    cross = np.cross(cosines[:3], cosines[3:])
    length = float(np.linalg.norm(cross))
    if length < 1e-3:
        return None
    x, y, z = (float(part) / length for part in cross)
    return x, y, z


def _position(header: Dataset, normal: tuple[float, float, float] | None) -> float | None:
    corner = numbers(header, "ImagePositionPatient")
    if normal is None or len(corner) != 3:
        return None
    return float(np.dot(corner, normal))


def _burned_in(header: Dataset) -> list[Note]:
    said = word(header, "BurnedInAnnotation")
    if said == "NO":
        return []
    return [Note.BURNED_IN_YES if said == "YES" else Note.BURNED_IN_UNKNOWN]


def _is_child(header: Dataset) -> bool:
    age = re.fullmatch(r"(\d{1,3})([DWMY])", word(header, "PatientAge"))
    if age:
        return int(age[1]) * YEARS[age[2]] < ADULT
    born, seen = word(header, "PatientBirthDate"), word(header, "StudyDate")
    if not (re.fullmatch(r"\d{8}", born) and re.fullmatch(r"\d{8}", seen)):
        return False
    return 0 <= int(seen) - int(born) < ADULT * 10_000  # YYYYMMDD: sixteen years are 160000
