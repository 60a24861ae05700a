"""Text that a person sees and that is not marked for translation: in templates and in scripts."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from babel.messages.jslexer import Token, tokenize
from django.template.base import Lexer, TokenType

TAG = "\x01"  # where a template puts something in
SEEN = ("title", "alt", "aria-label", "placeholder")  # attributes that are read or heard
BUTTONS = ("submit", "button", "reset")  # inputs whose value is read
WORD = re.compile(r"[^\W\d_]")
PHRASE = re.compile(r"[^\W\d_]{2,} [^\W\d_]{2,}")
MARKERS = ("t", "tn")


@dataclass(frozen=True)
class Unmarked:
    """A text, and where it stands."""

    file: str
    text: str
    line: int


def in_template(path: Path, name: str) -> list[Unmarked]:
    """Text nodes, and attributes that are read, outside of `translate` and `blocktranslate`."""
    reader = _Reader()
    reader.feed(_without_tags(path.read_text()))
    reader.close()
    return [Unmarked(name, text, line) for text, line in reader.found]


def _without_tags(source: str) -> str:
    """The template with a mark for each tag; what is translated, and names of styles in blocks, are left out."""
    parts: list[str] = []
    until = ""
    for token in Lexer(source).tokenize():
        lines = "\n" * token.contents.count("\n")
        if token.token_type == TokenType.TEXT:
            parts.append(lines if until else token.contents)
            continue
        if token.token_type == TokenType.BLOCK:
            word, *more = token.contents.split()
            if word in {"blocktranslate", "comment"} or (word == "block" and more == ["width"]):
                until = f"end{word}"
            elif word == until:
                until = ""
        parts.append(TAG + lines)
    return "".join(parts)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, int]] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "style"}:
            self.inside.append(tag)
        told = dict(attrs)
        seen = [name for name in told if name in SEEN or (name.startswith("data-") and PHRASE.search(told[name] or ""))]
        if tag == "input" and told.get("type") in BUTTONS:
            seen.append("value")
        for name in seen:
            self._note(told[name] or "")

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self._note(data)

    def _note(self, text: str) -> None:
        for part in text.split(TAG):
            bare = " ".join(part.split()).strip(" ,;:.()·")
            if WORD.search(bare):
                self.found.append((bare, self.getpos()[0]))


def in_script(path: Path, name: str) -> list[Unmarked]:
    """Literals that hold words of prose outside of `t()` and `tn()`. Names of classes and selectors are none."""
    found = []
    calls: list[str] = []
    before = [Token("operator", "", 0)] * 2
    for token in tokenize(path.read_text(), jsx=False, template_string=True):
        if token.type in {"whitespace", "linecomment", "multilinecomment"}:
            continue
        if token.value == "(":
            calls.append(before[-1].value)
        elif token.value == ")" and calls:
            calls.pop()
        of_class = [one.value for one in before[-2:]] == ["class", ":"]
        marked = bool(calls) and calls[-1] in MARKERS
        if token.type in {"string", "template_string"} and not of_class and not marked and _is_prose(token.value[1:-1]):
            found.append(Unmarked(name, token.value[1:-1], token.lineno))
        before.append(token)
    return found


def _is_prose(literal: str) -> bool:
    bare = re.sub(r"\$\{[^}]*\}", TAG, literal)
    if re.search(r"[#\[\]=<>]", bare):
        return False  # a selector
    return bool(PHRASE.search(bare) or re.fullmatch(r"[A-Z][a-z]+[.!?]?", bare))
