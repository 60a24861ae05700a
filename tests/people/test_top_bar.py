"""Where one is: the top bar marks the page, or the section that a page is of."""

import re

import pytest
from django.urls import reverse

from tests.factories import ImageFactory, ModelVersionFactory, ScreeningFactory, StudyFactory
from tests.people.conftest import signed_in

pytestmark = pytest.mark.django_db
MARKED = re.compile(r'<a href="([^"]+)" aria-current="(page|true)">')


def marked(user, address) -> list[tuple[str, str]]:
    """What the top bar marks on a page, by its main ways and by those of the account."""
    answer = signed_in(user).get(address, follow=True)
    assert answer.status_code == 200
    return MARKED.findall(answer.text.partition("</header>")[0])


@pytest.mark.parametrize(
    ("route", "way", "how"),
    [
        ("review:to_read", "review:to_read", "page"),
        ("review:worklist", "review:to_read", "true"),
        ("review:not_assessed", "review:to_read", "true"),
        ("review:summary", "review:to_read", "true"),
        ("review:models", "review:models", "page"),
        ("numbers:home", "numbers:home", "true"),  # it leads on to a page of one site
        ("sites", "sites", "true"),
        ("desk:uploads", "desk:uploads", "page"),
        ("desk:quick", "desk:quick", "page"),
        ("tokens", "tokens", "page"),
        ("password", "password", "page"),
    ],
)
def test_a_page_marks_itself_or_its_section(people, route, way, how):
    ModelVersionFactory()

    assert marked(people.admin, reverse(route)) == [(reverse(way), how)]


@pytest.mark.parametrize(
    ("route", "way"),
    [
        ("admin_site", "sites"),
        ("site_audit", "sites"),
        ("housekeeping:retention", "sites"),
        ("hooks:endpoints", "sites"),
        ("numbers:thresholds", "numbers:home"),
        ("classroom:sets", "classroom:home"),
    ],
)
def test_a_page_of_a_site_marks_the_section_that_it_is_of(people, route, way):
    ModelVersionFactory()

    assert marked(people.admin, reverse(route, args=[people.site.pk])) == [(reverse(way), "true")]


def test_a_study_is_of_the_worklist_and_a_card_is_of_the_models(people):
    study = StudyFactory(upload__site=people.site, upload__sealed=True, flagged_ready=True)
    version = ScreeningFactory(image=ImageFactory(study=study), scored_flagged=True).model_version
    card = reverse("review:model", args=[version.slug, version.version])

    assert marked(people.admin, reverse("review:study", args=[study.pk])) == [(reverse("review:to_read"), "true")]
    assert marked(people.admin, card) == [(reverse("review:models"), "true")]


def test_where_a_section_is_not_offered_nothing_is_marked(people):
    study = StudyFactory(upload__site=people.site, upload__sealed=True, flagged_ready=True)

    assert marked(people.colleague, reverse("review:study", args=[study.pk])) == []


def test_a_page_that_is_not_there_marks_nothing(people):
    answer = signed_in(people.admin).get("/no-such-page/")

    assert (answer.status_code, MARKED.findall(answer.text)) == (404, [])
