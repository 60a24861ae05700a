"""What an upload will bring, told from names, sizes and hashes before anything is sent."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from screening.flows.progress import usual_rate
from screening.uploads.models import ChosenModality, GroupBy, ItemState, Upload

LARGE_STUDY: Final = 30  # radiographs in one study that ask for a yes
KINDS: Final = {
    ".dcm": "dicom",
    ".dicom": "dicom",
    ".ima": "dicom",
    "": "dicom",  # DICOM media name their files without a suffix
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".zip": "zip",
}
PLAIN: Final = frozenset({"png", "jpeg"})
PICTURES: Final = PLAIN | {"dicom"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something that the uploader should know, or say yes to, before the files are sent."""

    code: str
    message: str
    ask: bool = False  # whether a person should say yes


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """A summary of everything that was offered to an upload so far."""

    files: int
    bytes: int
    by_kind: dict[str, int]  # told from the suffix; what a file truly is, ingest finds out
    studies: int  # at least so many are formed; the studies of DICOM files are known after reading them
    studies_certain: bool
    largest: int  # pictures in the largest study that is formed by folder, else 1
    largest_file: int  # bytes
    missing: int
    missing_bytes: int
    duplicates: int
    refused: int
    minutes: int  # until the last result, at the usual rate
    warnings: list[Warned] = field(default_factory=list)


@dataclass(slots=True)
class _Count:
    files: int = 0
    bytes: int = 0
    missing: int = 0
    missing_bytes: int = 0
    largest_file: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    folders: Counter[str] = field(default_factory=Counter)  # plain pictures by folder
    dicom_folders: set[str] = field(default_factory=set)


def preflight(upload_id: UUID) -> Preflight:
    """Sum up what was offered. Reads only names, sizes and states."""
    upload = Upload.objects.get(pk=upload_id)
    count = _count(upload)
    by_folder = upload.group_by == GroupBy.FOLDER or (
        upload.group_by == GroupBy.AUTO and upload.modality == ChosenModality.CT
    )
    plain = sum(count.folders.values())
    in_root = count.folders.get(".", 0)  # without a folder every picture is a study
    formed = (len(count.folders) - bool(in_root) + in_root) if by_folder else plain
    nested = [number for folder, number in count.folders.items() if folder != "."]
    largest = max(nested, default=1) if by_folder else 1
    return Preflight(
        files=count.files,
        bytes=count.bytes,
        by_kind=dict(sorted(count.kinds.items())),
        studies=formed + len(count.dicom_folders),
        studies_certain=not count.dicom_folders,
        largest=largest if plain else 0,
        largest_file=count.largest_file,
        missing=count.missing,
        missing_bytes=count.missing_bytes,
        duplicates=count.states[ItemState.DUPLICATE],
        refused=count.states[ItemState.REJECTED],
        minutes=math.ceil(count.missing * max(1, len(upload.models_chosen)) / usual_rate() / 60),
        warnings=_warnings(count, upload, largest),
    )


def _count(upload: Upload) -> _Count:
    count = _Count()
    rows = upload.items.order_by().values_list("path", "size", "state").iterator(chunk_size=2000)
    for path, size, state in rows:
        count.files += 1
        count.bytes += size
        count.states[state] += 1
        count.largest_file = max(count.largest_file, size)
        if state == ItemState.EXPECTED:
            count.missing += 1
            count.missing_bytes += size
        _count_path(count, path, state)
    return count


def _count_path(count: _Count, path: str, state: str) -> None:
    folder, _, name = path.rpartition("/")
    dot = name.rfind(".")
    kind = KINDS.get(name[dot:].lower() if dot > 0 else "", "other")
    count.kinds[kind] += 1
    if state == ItemState.REJECTED:
        return
    if kind in PLAIN:
        count.folders[folder or "."] += 1
    elif kind == "dicom":
        count.dicom_folders.add(folder)


def _warnings(count: _Count, upload: Upload, largest: int) -> list[Warned]:
    found = []
    if largest > LARGE_STUDY and upload.modality != ChosenModality.CT:
        message = _("One study would hold %(n)s pictures. Group by file if each picture is another patient's.") % {
            "n": largest
        }
        found.append(Warned(code="large_study", message=message, ask=True))
    others = count.kinds["other"]
    if others:
        message = _("By name not DICOM, PNG or JPEG, and probably refused: %(n)s.") % {"n": others}
        found.append(Warned(code="other_kinds", message=message))
    if count.kinds["zip"]:
        message = _("Zip files among the files: %(n)s. Send them as archives.") % {"n": count.kinds["zip"]}
        found.append(Warned(code="zip_among_files", message=message))
    if count.states[ItemState.REJECTED]:
        message = _("Refused already: %(n)s. The receipt names each reason.") % {"n": count.states[ItemState.REJECTED]}
        found.append(Warned(code="refused", message=message))
    return found
