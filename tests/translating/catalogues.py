"""The catalogues of the languages: read, brought up to date, compiled."""

from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from tests.translating.extract import ROOT, Found, Key, messages_of_pages, messages_of_scripts

LOCALE = ROOT / "locale"
DOMAINS: dict[str, Callable[[], Found]] = {"django": messages_of_pages, "djangojs": messages_of_scripts}
DAY = datetime(2026, 1, 1, tzinfo=UTC)  # of every header: a date that changes by itself would change the file

Translations = dict[Key, tuple[str, ...]]


def languages() -> list[str]:
    """Languages that have a catalogue: folders of `locale`."""
    return sorted(path.parent.name for path in LOCALE.glob("*/LC_MESSAGES"))


def path_of(language: str, domain: str, suffix: str = ".po") -> Path:
    return LOCALE / language / "LC_MESSAGES" / f"{domain}{suffix}"


def read(language: str, domain: str) -> Catalog:
    with path_of(language, domain).open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def translations(catalogue: Catalog) -> Translations:
    """What a catalogue holds, without its header: of each message its forms, empty where one is missing."""
    return {
        _key(message.id, message.context): (message.string,) if isinstance(message.string, str) else (*message.string,)
        for message in catalogue
        if message.id
    }


def _key(text: str | tuple[str, ...] | list[str], context: str | bytes | None) -> Key:
    one, many = (text, "") if isinstance(text, str) else (text[0], text[1])
    return Key(
        one, many, context.decode() if isinstance(context, bytes) else context or ""
    )  # bytes: as read_mo gives it


def renewed(language: str, found: Found, known: Translations) -> Catalog:
    """A catalogue of exactly these messages, with the translations that are known."""
    made = Catalog(
        locale=language,
        domain=None,
        project="chest-screening",
        version="1",
        last_translator="the authors; no speaker of the field has reviewed it",
        language_team="none",
        msgid_bugs_address="none",
        header_comment="# Texts of the pages and letters. docs/translating.md says how they come here.",
        creation_date=DAY,
        revision_date=DAY,
        fuzzy=False,
    )
    for key in sorted(found):
        forms = known.get(key, ())
        text = (key.text, key.plural) if key.plural else key.text
        empty = tuple("" for _ in range(made.num_plurals))
        string = (forms or empty) if key.plural else (forms[0] if forms else "")
        made.add(text, string, locations=[(place, None) for place in found[key]], context=key.context or None)
    return made


def as_po(catalogue: Catalog) -> bytes:
    file = BytesIO()
    write_po(file, catalogue, width=110, include_lineno=False)
    return file.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    file = BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def renew(language: str, domain: str) -> list[Key]:
    """Bring both files of a catalogue up to date. Answers what is not translated."""
    known = translations(read(language, domain)) if path_of(language, domain).exists() else {}
    catalogue = renewed(language, DOMAINS[domain](), known)
    path_of(language, domain).parent.mkdir(parents=True, exist_ok=True)
    path_of(language, domain).write_bytes(as_po(catalogue))
    path_of(language, domain, ".mo").write_bytes(as_mo(catalogue))
    return [key for key, forms in translations(catalogue).items() if not all(forms)]
