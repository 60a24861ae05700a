"""Values of DICOM headers as plain numbers and words, whatever a sender wrote there.

None of these functions raises on a value: what cannot be read counts as absent.
"""

import math
from typing import Any

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID

from ml.images.records import Unreadable

ENHANCED_CT = frozenset({"1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"})
# Where functional groups keep what a single-frame object keeps at the top.
GROUPS = (
    "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "CTImageFrameTypeSequence",
    "PixelMeasuresSequence",
)
NEEDED = ("PixelValueTransformationSequence", "PlanePositionSequence", "PlaneOrientationSequence")


def words(header: Dataset, keyword: str) -> tuple[str, ...]:
    """Give all values of an attribute in capitals, empty ones left out."""
    value = _value(header, keyword)
    parts = value if isinstance(value, MultiValue | list | tuple) else (value,)
    return tuple(word for part in parts if part is not None and (word := str(part).strip(" \0").upper()))


def word(header: Dataset, keyword: str) -> str:
    """Give the first value of an attribute in capitals, or an empty string."""
    return next(iter(words(header, keyword)), "")


def numbers(header: Dataset, keyword: str) -> tuple[float, ...]:
    """Give all values of an attribute as finite floats, or none if one of them is no number."""
    value = _value(header, keyword)
    parts = value if isinstance(value, MultiValue | list | tuple) else (value,)
    try:
        found = tuple(float(part) for part in parts if part is not None and part != "")
    except (TypeError, ValueError):
        return ()
    return found if all(map(math.isfinite, found)) else ()


def number(header: Dataset, keyword: str) -> float | None:
    """Give the first value of an attribute as a finite float, or None."""
    return next(iter(numbers(header, keyword)), None)


def items(header: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Give the items of a sequence; none if it is absent, empty or no sequence."""
    value = _value(header, keyword)
    if value is None or isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return ()
    return tuple(item for item in value if isinstance(item, Dataset))


def uid(header: Dataset, keyword: str) -> str | None:
    """Give a UID as it stands, or None if there is none."""
    value = str(_value(header, keyword) or "").strip(" \0")
    return value or None


def is_enhanced(header: Dataset) -> bool:
    """Whether the object keeps what belongs to a frame in functional groups."""
    return UID(uid(header, "SOPClassUID") or "") in ENHANCED_CT


def frame_header(header: Dataset, frame: int, frames: int) -> Dataset:
    """Give the header as it holds for one frame, functional groups spread out.

    Args:
        header: The whole object; returned itself where it has no functional groups.
        frame: From 0.
        frames: How many frames there are.

    Raises:
        Unreadable: `enhanced_unsupported` if an enhanced CT lacks the groups to read its frames.
    """
    own = items(header, "PerFrameFunctionalGroupsSequence")
    shared = items(header, "SharedFunctionalGroupsSequence")
    if is_enhanced(header) and len(own) != frames:
        raise Unreadable("enhanced_unsupported")
    if not own and not shared:
        return header
    spread = Dataset()
    spread.update(header)
    for group in GROUPS:
        found = items(own[frame], group) if frame < len(own) else ()
        found = found or (items(shared[0], group) if shared else ())
        if found:
            spread.update(found[0])
        elif group in NEEDED and is_enhanced(header):
            raise Unreadable("enhanced_unsupported")
    if kind := words(spread, "FrameType"):
        spread.ImageType = list(kind)
    return spread


def _value(header: Dataset, keyword: str) -> Any:
    try:
        return header.get(keyword)
    except Exception:  # noqa: BLE001 - pydicom converts on access and raises whatever the bytes provoke
        return None
