"""How numbers are written for people, and which words stand for what is stored.

Everything follows the language that is active: of a page the reader's, of the API, of files for programs and in
workers English. What is stored is never translated.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache, lru_cache, wraps
from typing import Concatenate, Final, ParamSpec

from django import template
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils.formats import date_format, get_format
from django.utils.html import json_script
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext, override
from django.utils.translation.trans_real import DjangoTranslation
from django.views.i18n import JavaScriptCatalog

from ml.vocabulary import marked, note_text

P = ParamSpec("P")
register = template.Library()  # of every template, without being loaded

# States and words that templates and sentences look up by what is stored.
STORED: Final = (
    marked("open"),
    marked("sealed"),
    marked("finished"),
    marked("cancelled"),
    marked("receiving"),
    marked("screening"),
    marked("ready"),
    marked("incomplete"),
    marked("reviewed"),
    marked("purged"),
    marked("waiting"),
    marked("leased"),
    marked("scored"),
    marked("inconclusive"),
    marked("failed"),
    marked("quarantined"),
    marked("rejected"),
    marked("not_sent"),
    marked("archive"),
    marked("approved"),
    marked("declined"),
    marked("withdrawn"),
    marked("switched"),
    marked("closed"),
    marked("flagged"),
    marked("not flagged"),
    marked("not assessed"),
    marked("present"),
    marked("absent"),
    marked("unsure"),
    marked("not_assessable"),
)


def note(code: str) -> str | None:
    """The words of a stored note about a picture; None for one that this release does not know."""
    name, _, number = code.partition(":")
    text = note_text(name)
    if text is None:
        return None
    told = gettext(text)
    return f"{told[:-1]}: {number}." if number else told


def decimal(value: float, places: int) -> str:
    """A number with so many decimals, rounded, and the decimal sign of the language."""
    return _with_sign(f"{value:.{places}f}")


@register.filter
def figure(value: float, digits: int = 4) -> str:
    """A number with so many digits that count, as short as it can be."""
    return _with_sign(f"{value:.{digits}g}")


def percent(share: float) -> str:
    """A share from 0 to 1 in whole percent."""
    return gettext("%(number)s%%") % {"number": f"{share * 100:.0f}"}


@register.filter
def count(number: int) -> str:
    """A whole number, thousands apart."""
    return f"{number:,}".replace(",", get_format("THOUSAND_SEPARATOR"))


@register.filter
def moment(when: datetime) -> str:
    """Day and time, as short as the language writes them."""
    return _moment(when, get_language() or settings.LANGUAGE_CODE)


@lru_cache(maxsize=4096)  # studies became complete together, and the same uploads are offered on every page
def _moment(when: datetime, _language: str) -> str:
    return date_format(when, "SHORT_DATETIME_FORMAT")


@register.simple_tag
def badge(word: str) -> str:
    """One of the four words about a study or a result, drawn by `_badge.html`: once for each language."""
    return _badge(word, get_language() or settings.LANGUAGE_CODE)


@cache
def _badge(word: str, _language: str) -> SafeString:
    return render_to_string("_badge.html", {"word": word})


@register.simple_tag
@cache
def icon_sheet() -> str:
    """The address of the file that holds every icon."""
    return static("img/icons.svg")


@register.simple_tag
def words_of_scripts() -> str:
    """The words of the page's scripts as a JSON element, which js/words.js reads; nothing for English."""
    words = _words_of_scripts(get_language() or settings.LANGUAGE_CODE)
    return json_script(words, "words") if words else ""


@cache
def _words_of_scripts(language: str) -> dict[str, str | list[str]]:
    catalogue = JavaScriptCatalog(domain="djangojs")
    catalogue.translation = DjangoTranslation(language, domain="djangojs", localedirs=[])
    found: dict[str, str | list[str]] = catalogue.get_catalog()
    return found


def _with_sign(text: str) -> str:
    return text.replace(".", get_format("DECIMAL_SEPARATOR"))


def in_english(view: Callable[Concatenate[HttpRequest, P], HttpResponse]) -> Callable[..., HttpResponse]:
    """For a view that answers with a file for programs: its words and numbers stay as they are, whoever asks."""

    @wraps(view)
    def answer(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        with override(settings.LANGUAGE_CODE):
            return view(request, *args, **kwargs)

    return answer
