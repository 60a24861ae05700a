"""Every page of the URL map, asked for by somebody who chose German."""

import re
from html.parser import HTMLParser

import pytest
from django.conf import settings

from tests.route_world import make_world
from tests.test_routes import ask, client_of, is_api, lines
from tests.translating.catalogues import read, translations

pytestmark = pytest.mark.django_db

SEEN = ("title", "alt", "aria-label", "placeholder")
COMMA = re.compile(r"-?\d+,\d+")
# Words of English prose that no German sentence holds.
ENGLISH = re.compile(r"\b(the|of|and|are|is|not|this|with|which|has|been|yet|from)\b", re.IGNORECASE)
MESSAGES = {
    key.text: forms[0]
    for key, forms in translations(read("de", "django")).items()
    if forms[0] != key.text and "%(" not in key.text
}
BOTH = frozenset(MESSAGES.values())  # "Attribute" is a plural here and a singular there
SITE = "The site"  # of the world that the pages are about


class Words(HTMLParser):
    """Texts and attributes of a page, but for what is marked as English, codes and scripts."""

    VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.language = ""
        self.around: list[bool] = []  # of each open element: whether what is in it is read as German

    def handle_starttag(self, tag: str, attrs) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = told.get("lang", "")
        own = tag not in {"script", "style", "code", "kbd"} and told.get("lang", "de") == "de"
        self.attributes += [(name, value) for name, value in told.items() if value]
        self.texts += [value for name, value in told.items() if name in SEEN and value]
        if tag not in self.VOID:
            self.around.append(own and (not self.around or self.around[-1]))

    def handle_startendtag(self, tag: str, attrs) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.around.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID and self.around:
            self.around.pop()

    def handle_data(self, data: str) -> None:
        if (not self.around or self.around[-1]) and data.strip():
            self.texts.append(" ".join(data.split()))


@pytest.fixture
def pages(db, settings):
    """By route and role: the pages and parts of pages that somebody gets who chose German."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "whitenoise" not in name]
    world = make_world()
    found: dict[str, Words] = {}
    for user in world.people.values():
        user.language = "de"
        user.save()
    for cell in lines(lambda route, line: line.method == "GET" and not is_api(route) and route.name != "metrics"):
        for role in ("anonymous", "reviewer", "admin"):
            client = client_of_german(world, role)
            answer = ask(world, client, cell.route, "GET", **{"Accept-Language": "de"})
            if answer.headers.get("Content-Type", "").startswith("text/html") and answer.status != 302:
                words = Words()
                words.feed(answer.body.decode())
                found[f"{cell} for {role}"] = words
    return found


def client_of_german(world, role: str):
    if role in world.people and world.people[role].username not in world.sessions:
        from_login = client_of(world, "anonymous")
        from_login.force_login(world.people[role])
        world.sessions[world.people[role].username] = from_login.cookies[settings.SESSION_COOKIE_NAME].value
    return client_of(world, role)


def test_a_page_in_german_says_so_and_says_nothing_in_english(pages):
    whole = {name: page for name, page in pages.items() if page.language}
    english = {
        (name, text)
        for name, page in pages.items()
        for text in page.texts
        if (text in MESSAGES and text not in BOTH) or ENGLISH.search(text.replace(SITE, ""))
    }

    assert len(whole) > 60
    assert {name for name, page in whole.items() if page.language != "de"} == set()
    assert sorted(english) == []


def test_numbers_that_programs_and_scripts_read_keep_their_point_in_german(pages):
    """Places in drawings, values of inputs and data of scripts: a decimal comma would break each of them."""
    machine = re.compile(
        r"data-(?!plot-label|copied|none|lost|name|preview|deep|continued)|value$|min$|max$|step$|[xy]$|width$|height$"
    )
    wrong = {
        (name, attribute, value)
        for name, page in pages.items()
        for attribute, value in page.attributes
        if machine.match(attribute) and COMMA.fullmatch(value)
    }

    assert any(
        attribute == "data-border" and value == "0.06"
        for page in pages.values()
        for attribute, value in page.attributes
    )
    assert wrong == set()
