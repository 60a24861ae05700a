"""What is told of a kept, de-identified DICOM object: its header in the DICOM JSON model (PS3.18, annex F)."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydicom import dcmread

from ml.images.boundary import decoding


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The header of one object."""

    study_uid: str
    sop_class: str
    transfer_syntax: str
    modality: str
    study_date: date | None
    metadata: dict[str, Any]  # every attribute but pixels; tables are inline


def tell(source: Path) -> Told:
    """Read the header of a kept object.

    Args:
        source: A file that ingest wrote. It was parsed and cut down to an allow-list then.

    Raises:
        Unreadable: it is damaged.
        OSError: it is gone.
    """
    with source.open("rb") as file, decoding():
        dataset = dcmread(file, stop_before_pixels=True)
        return Told(
            study_uid=str(dataset.get("StudyInstanceUID", "")),
            sop_class=str(dataset.get("SOPClassUID", "")),
            transfer_syntax=str(dataset.file_meta.TransferSyntaxUID),
            modality=str(dataset.get("Modality", "") or ""),
            study_date=_date(str(dataset.get("StudyDate", "") or "")),
            metadata=dataset.to_json_dict(),
        )


def _date(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None
    except ValueError:
        return None
