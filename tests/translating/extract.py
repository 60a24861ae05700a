"""Every message that is marked for translation, found without gettext's tools: in Python, in templates, in scripts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.extract import extract
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ml", "screening", "workers")
OF_PYTHON: dict[str, Any] = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop", "lazily", "marked")),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    "npgettext": ((1, "c"), 2, 3),
}
OF_SCRIPTS: dict[str, Any] = {"t": None, "tn": (1, 2)}


@dataclass(frozen=True, order=True)
class Key:
    """What a message is looked up by. `plural` is empty where it is about no number."""

    text: str
    plural: str = ""
    context: str = ""


Found = dict[Key, list[str]]  # with the files that it stands in


def messages_of_pages() -> Found:
    """Of domain `django`: Python and templates."""
    found: Found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            _note(found, path, _extracted("python", path.read_text(), OF_PYTHON))
    for path in sorted((ROOT / "templates").rglob("*.html")):
        _note(found, path, _extracted("python", _as_python(path), OF_PYTHON))
    return found


def messages_of_scripts() -> Found:
    """Of domain `djangojs`."""
    found: Found = {}
    for path in sorted((ROOT / "static" / "js").rglob("*.js")):
        _note(found, path, _extracted("javascript", path.read_text(), OF_SCRIPTS))
    return found


def _as_python(path: Path) -> str:
    """A template as Django's own extractor reads it. Lines lose their indentation, which would mean something."""
    return "\n".join(line.lstrip() for line in templatize(path.read_text(), origin=str(path)).split("\n"))


def _extracted(method: str, source: str, keywords: dict[str, Any]) -> Iterator[Key]:
    for _line, text, _comments, context in extract(method, BytesIO(source.encode()), keywords=keywords):
        one, many = (text, "") if isinstance(text, str) else (text[0], text[1])
        yield Key(one, many, context or "")


def _note(found: Found, path: Path, keys: Iterable[Key]) -> None:
    place = path.relative_to(ROOT).as_posix()
    for key in keys:
        places = found.setdefault(key, [])
        if place not in places:
            places.append(place)
