import json
import re
from datetime import UTC, datetime

import pytest
from django.template import engines
from django.utils.translation import override

from ml.vocabulary import NOT_ASSESSED_TEXT, NOTE_TEXT, REFUSALS
from screening.results.models import ScreeningState
from screening.review.models import Answer
from screening.studies.models import StudyState
from screening.uploads.models import UploadState
from screening.wording import STORED, count, decimal, figure, note, percent
from tests.translating.catalogues import read, translations
from tests.translating.extract import messages_of_scripts

MOMENT = datetime(2026, 3, 5, 14, 7, 9, tzinfo=UTC)


def drawn(template: str, **context) -> str:
    return engines["django"].from_string(template).render(context)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", ["0.830", "1234.5", "0.05123", "1e-05", "12,345", "58%"]),
        ("de", ["0,830", "1234,5", "0,05123", "1e-05", "12.345", "58 %"]),
    ],
)
def test_numbers_are_written_as_the_language_writes_them(language, told):
    with override(language):
        numbers = [decimal(0.83, 3), decimal(1234.5, 1), figure(0.05123), figure(0.00001), count(12345), percent(0.58)]

    assert numbers == told


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "5 Mar 2026 | 5 Mar 2026, 14:07 | 2026-03-05 | 2026-03-05 14:07 | 5 Mar | 0.500"),
        ("de", "5. März 2026 | 5. März 2026, 14:07 | 05.03.2026 | 05.03.2026 14:07 | 5. März | 0,500"),
    ],
)
def test_dates_and_shares_of_a_page_are_written_as_the_language_writes_them(language, told):
    names = ("DATE_FORMAT", "DATETIME_FORMAT", "SHORT_DATE_FORMAT", "SHORT_DATETIME_FORMAT", "MONTH_DAY_FORMAT")
    template = " | ".join(f'{{{{ at|date:"{name}" }}}}' for name in names) + " | {{ value|floatformat:3 }}"

    with override(language):
        assert drawn(template, at=MOMENT, value=0.5) == told


def test_a_note_with_a_number_keeps_it_in_every_language():
    with override("de"):
        told = note("text_masked:3")

    assert told == "Bereiche, die eingebrannten Text zu enthalten schienen, wurden schwarz gefüllt: 3."
    assert note("text_masked:3") == "Regions that seemed to hold burned-in text were filled with black: 3."
    assert note("of another release") is None


def test_every_word_that_is_looked_up_by_what_is_stored_has_its_translation():
    known = {key.text for key in translations(read("de", "django"))}
    words = {
        *STORED,
        *NOT_ASSESSED_TEXT.values(),
        *NOTE_TEXT.values(),
        *(text for refusal in REFUSALS.values() for text in (refusal.message, refusal.what_to_do)),
    }
    states = {*UploadState.values, *StudyState.values, *ScreeningState.values, *Answer.values}

    assert words - known == set()
    assert states - set(STORED) == set()


def test_scripts_are_told_their_words_in_german_and_none_in_english():
    with override("en"):
        in_english = drawn("{% words_of_scripts %}")
    with override("de"):
        in_german = drawn("{% words_of_scripts %}")

    words = json.loads(re.fullmatch(r'<script id="words" type="application/json">(.*)</script>', in_german)[1])
    assert in_english == ""
    assert set(words) == {key.text for key in messages_of_scripts()}
    assert words["The zip is empty."] == "Das Zip ist leer."
    assert words["{n} file"] == ["{n} Datei", "{n} Dateien"]


def test_a_word_that_was_drawn_in_one_language_is_drawn_anew_in_another():
    told = []
    for language in ("en", "de", "en"):
        with override(language):
            told.append(drawn('{% badge "flagged" %}'))

    assert [re.sub("<[^>]*>", "", each).strip() for each in told] == ["flagged", "markiert", "flagged"]
    assert told[0] == told[2] == drawn('{% include "_badge.html" with word="flagged" %}')
