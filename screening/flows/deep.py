"""Pictures in all their gray values for the viewer: made by a worker when somebody looks, then kept with the source."""

import hashlib
from enum import StrEnum
from pathlib import Path

from ml.vocabulary import DEEP_FORMAT
from screening.queue import Call, publish
from screening.studies.models import Image
from screening.uploads.kept import is_kept
from screening.uploads.storage import blob_folder


class Deep(StrEnum):
    """What can be said of a deep picture without making it."""

    THERE = "there"
    ASKED = "asked"
    GONE = "gone"  # with its source: it cannot be made


def deep_path(image: Image) -> Path:
    """Where the deep picture lies once it was made. Another format has another name, so none is read as another."""
    return blob_folder(image.site_id, image.sha256) / f"{image.frame}.{DEEP_FORMAT}.deep"


def deep_tag(image: Image) -> str:
    """What names the bytes of a deep picture: the hash of its file, the frame and the format decide them."""
    return hashlib.sha256(f"{image.sha256} {image.frame} {DEEP_FORMAT}".encode()).hexdigest()[:32]


def ask_deep(image: Image) -> Deep:
    """Have the deep picture made if it is not there. Asking twice, or into the void, costs nothing: ask again."""
    path = deep_path(image)
    if is_kept(path):
        return Deep.THERE
    if not is_kept(path.parent / image.source_name):
        return Deep.GONE
    publish(Call.MAKE_DEEP, image=str(image.pk))
    return Deep.ASKED
