"""Paths that people's files came under. They are data: shown to the uploader, never used to store anything."""

import hashlib
import re
import unicodedata
from typing import Final

LONGEST: Final = 1024  # characters
DRIVE: Final = re.compile(r"[A-Za-z]:")
# Signs that only steer the direction of text: they can make "gpj.exe" read as "exe.jpg".
STEERING: Final = dict.fromkeys(
    map(ord, "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
)
FORBIDDEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control, lone surrogate, line and paragraph separator


class PathRefused(ValueError):
    """A path that cannot be taken; `code` is a key of `ml.vocabulary.REFUSALS`."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def clean_path(raw: str) -> str:
    """Give the one spelling under which a relative path is known: NFC, `/` between names, no `.`.

    Cleaning a clean path changes nothing.

    Raises:
        PathRefused: `path_unsafe` (absolute, climbing, empty, a folder, forbidden signs) or `path_too_long`.
    """
    text = unicodedata.normalize("NFC", raw.translate(STEERING)).replace("\\", "/")
    if not text or text.startswith("/") or text.endswith("/") or DRIVE.match(text):
        raise PathRefused("path_unsafe")
    if any(unicodedata.category(sign) in FORBIDDEN for sign in text):
        raise PathRefused("path_unsafe")
    names = [name for name in text.split("/") if name not in {"", "."}]
    if not names or ".." in names or text.endswith("/."):
        raise PathRefused("path_unsafe")
    path = "/".join(names)
    if DRIVE.match(path):  # "./C:x" is "C:x" once its dot is gone
        raise PathRefused("path_unsafe")
    if len(path) > LONGEST:
        raise PathRefused("path_too_long")
    return path


def digest(path: str) -> str:
    """Give the key of a path within its upload: SHA-256 of its text, refused or not."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()


def shown(raw: str) -> str:
    """Give what can be stored and shown of a path that was refused."""
    text = "".join("\ufffd" if unicodedata.category(sign) in FORBIDDEN else sign for sign in raw.translate(STEERING))
    return (text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…") or "(no name)"
