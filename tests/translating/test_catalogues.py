import re
from io import BytesIO

import pytest
from babel.messages.mofile import read_mo
from django.conf import settings

from tests.translating.catalogues import DOMAINS, as_po, languages, path_of, read, renew, renewed, translations
from tests.translating.extract import Key

CATALOGUES = [(language, domain) for language in languages() for domain in DOMAINS]
PLACEHOLDER = {"django": re.compile(r"%\(\w+\)[sd]|%[sd]|%%"), "djangojs": re.compile(r"\{\w+\}")}
ADVICE = "run `make messages`, then translate what it names (docs/translating.md)"


@pytest.fixture(scope="module")
def found():
    return {domain: extracted() for domain, extracted in DOMAINS.items()}


def test_every_language_that_is_offered_has_its_catalogues():
    assert languages() == sorted(code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE)
    assert [one for one in CATALOGUES if not path_of(*one).exists()] == []


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_a_catalogue_holds_every_message_that_is_marked_and_no_other(found, language, domain):
    held = translations(read(language, domain))

    assert sorted(set(found[domain]) - set(held)) == [], ADVICE
    assert sorted(set(held) - set(found[domain])) == [], ADVICE


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_every_message_is_translated_and_none_is_a_guess(language, domain):
    catalogue = read(language, domain)

    assert [key.text for key, forms in translations(catalogue).items() if not all(forms)] == []
    assert [message.id for message in catalogue if message.id and message.fuzzy] == []


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_a_translation_has_the_placeholders_of_its_message(language, domain):
    wrong = [
        (key.text, form)
        for key, forms in translations(read(language, domain)).items()
        for place, form in enumerate(forms)
        if placeholders(domain, form) not in allowed(domain, key, is_first=place == 0)
    ]

    assert wrong == []


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_a_translation_begins_and_ends_as_its_message_does(language, domain):
    """Spaces and line ends hold sentences together that are put together of parts."""
    wrong = [
        (key.text, form)
        for key, forms in translations(read(language, domain)).items()
        for form in forms
        if edges(form) != edges(key.text)
    ]

    assert wrong == []


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_the_compiled_catalogue_says_what_the_readable_one_says(language, domain):
    compiled = read_mo(BytesIO(path_of(language, domain, ".mo").read_bytes()))

    assert translations(compiled) == translations(read(language, domain)), ADVICE


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_renewing_a_catalogue_that_is_up_to_date_changes_no_line_of_it(found, language, domain):
    catalogue = read(language, domain)

    again = renewed(language, found[domain], translations(catalogue))

    assert without_header(as_po(again)) == without_header(path_of(language, domain).read_bytes())


def test_renewing_keeps_translations_drops_what_is_gone_and_names_what_is_new(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.translating.catalogues.LOCALE", tmp_path)
    monkeypatch.setattr("tests.translating.catalogues.ROOT", tmp_path)
    kept, gone, new = Key("Keep"), Key("Gone"), Key("{n} new", "{n} new ones")
    stands_in = {kept: ["a.html"], gone: ["a.html"]}
    monkeypatch.setitem(DOMAINS, "django", lambda: stands_in)
    renew("de", "django")
    path = path_of("de", "django")
    path.write_text(path.read_text().replace('msgid "Keep"\nmsgstr ""', 'msgid "Keep"\nmsgstr "Behalten"'))
    del stands_in[gone]
    stands_in[new] = ["b.html"]

    missing = renew("de", "django")

    assert missing == [new]
    assert translations(read("de", "django")) == {kept: ("Behalten",), new: ("", "")}


def placeholders(domain: str, text: str) -> list[str]:
    return sorted(PLACEHOLDER[domain].findall(text))


def allowed(domain: str, key: Key, *, is_first: bool) -> list[list[str]]:
    """The first form, of a single thing, need not tell its number where the message itself does not."""
    one, many = placeholders(domain, key.text), placeholders(domain, key.plural or key.text)
    return [one, many] if is_first else [many]


def edges(text: str) -> tuple[str, str]:
    bare = text.strip()
    return text[: text.index(bare)], text[text.index(bare) + len(bare) :]


def without_header(po: bytes) -> bytes:
    return po.split(b"\n\n", 1)[1]
