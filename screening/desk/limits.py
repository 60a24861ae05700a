"""The limits as people read them, said before anyone starts."""

from django.conf import settings

from screening.config import MEBIBYTE
from screening.wording import count, figure


def said_limits() -> dict[str, str]:
    """Every limit that a person can run into, with its unit."""
    limits = settings.CONFIG.limits
    return {
        "files": count(limits.files),
        "file": _size(limits.file_bytes),
        "archive": _size(limits.archive_bytes),
        "entries": count(limits.archive_entries),
        "expanded": _size(limits.archive_expanded_bytes),
        "megapixels": count(limits.pixels // 1_000_000),
        "frames": count(limits.frames),
    }


def checked_limits() -> dict[str, int]:
    """The limits that the browser checks before it hashes, as numbers."""
    limits = settings.CONFIG.limits
    return {"files": limits.files, "file_bytes": limits.file_bytes, "archive_bytes": limits.archive_bytes}


def _size(number: int) -> str:
    mebibytes = number / MEBIBYTE
    return f"{figure(mebibytes / 1024, 6)} GB" if mebibytes >= 1024 else f"{figure(mebibytes, 6)} MB"
