"""Nothing not assessed ever looks clear, and nothing that is hidden from a reader leaks: every address, walked.

The walk asks every address that may be read, then lets the studies of a site exchange their outcomes, and asks again.
To whom nothing is shown, every address says the same as before: words, fields, order, classes, everything. It takes its
addresses from the table of routes, so that a route that comes later is walked too.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import reverse

from ml.vocabulary import DISCLAIMER
from screening.api import assembling
from screening.api.views import receipts
from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.classes.models import Case
from screening.flows.explained import files_of
from screening.people.tokens import make_token
from screening.results.models import ModelVersion, ScreeningState
from screening.results.selectors import study_word
from screening.review import blind_sheet, blind_views
from screening.review.models import FurtherRead, Review
from screening.review.services import AnswerIn, record_review
from screening.studies.models import Sample, Study
from screening.uploads.storage import blob_folder
from screening.users.models import Role, Scope, Site, User
from tests.factories import (
    ExplanationFactory,
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)
from tests.route_table import PUBLIC, TABLE
from tests.test_routes import routes

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick(settings):
    """Leave out what has no part in what is told: a look at every static file for each client."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "whitenoise" not in name]
    cache.clear()  # of what throttles counted


@dataclass
class Scene:
    """One site with a study in every outcome, its reviewer and the tokens to ask with."""

    site: Site
    reviewer: User
    version: ModelVersion
    studies: dict[str, Study] = field(default_factory=dict)
    secret: str = ""

    @property
    def upload(self):
        return next(iter(self.studies.values())).upload

    def clients(self) -> tuple[Client, dict[str, str]]:
        """A session, and the header of a token with every scope of a reviewer."""
        client = Client(raise_request_exception=False)
        client.force_login(self.reviewer)
        if not self.secret:
            scopes = [Scope.READ, Scope.REVIEW]
            self.secret = make_token(user=self.reviewer, site=self.site, name="t", scopes=scopes, days=1).secret
        return client, {"Authorization": f"Token {self.secret}"}


OUTCOMES = {
    "flagged": {"scored": True, "flagged": True, "scores": {"covid": 0.9137, "normal": 0.0863}},
    "not flagged": {"scored": True, "scores": {"covid": 0.1219, "normal": 0.8781}},
    "inconclusive": {"state": ScreeningState.INCONCLUSIVE, "code": "not_chest"},
    "failed": {"state": ScreeningState.FAILED, "code": "not_finite"},
    "quarantined": {"state": ScreeningState.QUARANTINED},
    "cancelled": {"state": ScreeningState.CANCELLED},
}


WALKED = ("flagged", "not flagged", "inconclusive")


def scene_of(*, outcomes: Sequence[str] = WALKED, **policy) -> Scene:
    site = SiteFactory(name="Ward", draw_key="k" * 64, **policy)
    version = ModelVersionFactory(slug="xray-walk", threshold=0.5311)
    scene = Scene(site, UserFactory(username="rea", role_at=(site, Role.REVIEWER)), version)
    upload = UploadFactory(site=site, finished=True, models_chosen=[version.name])
    for outcome in outcomes:
        row = OUTCOMES[outcome]
        trait = {"flagged": "flagged_ready", "not flagged": "ready"}.get(outcome, "incomplete")
        scene.studies[outcome] = _study(upload, version, trait, row)
    return scene


def _study(upload, version, trait, row) -> Study:
    study = StudyFactory(upload=upload, **{trait: True})
    not_chest = row.get("code") == "not_chest"
    image = ImageFactory(study=study, not_assessed="not_chest" if not_chest else "")
    points = {"covid": 0.5311} if row.get("scored") else {}
    screening = ScreeningFactory(image=image, model_version=version, **{**row, "thresholds": points})
    ItemFactory(upload=upload, accepted=True, study_id=study.pk, sha256=image.sha256)
    draft = Draft(ChainKind.STUDY, study.pk, study.site_id, "screening:done", {"scores": row.get("scores", {})})
    with transaction.atomic():
        record(Actor.service("inference"), [draft])
    folder = blob_folder(image.site_id, image.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture, but a file")
    if row.get("scored"):
        for file in files_of(ExplanationFactory(screening=screening, drawn=True)):
            file.write_bytes(b"HEAT flagged")
    return study


def addresses(scene: Scene, study: Study, only: str = "") -> list[str]:
    """Every address of the table that may be read, about one study of the scene."""
    image = study.images.get()
    explanation = image.screenings.get().explanations.first()
    case = Case.objects.filter(study=study).first()
    told = {
        "set_id": case.reading_set_id if case else None,
        "case_id": case.pk if case else None,
        "study_id": study.pk,
        "image_id": image.pk,
        "explanation_id": explanation.pk if explanation else None,
        "upload_id": study.upload_id,
        "site_id": scene.site.pk,
        "model_id": scene.version.pk,
    }
    found = []
    for route in routes():
        gets = any(line.method == "GET" for line in TABLE[route.name])
        if (
            route.name in PUBLIC
            or not gets
            or only not in {"", route.name}
            or any(told.get(name) is None for name in route.arguments)
        ):
            continue
        found.append(reverse(route.name, kwargs={name: told[name] for name in route.arguments}))
    if only:
        return found
    trays = [f"?tray={tray}" for tray in ("flagged", "not_flagged", "blinded", "second", "adjudication")]
    page = reverse("review:study", args=[study.pk])
    listed = reverse("api:studies")
    filters = [f"{listed}?{name}" for name in ("flagged=true", "flagged=false", "state=ready", "state=incomplete")]
    return [*found, *(page + tray for tray in trays), *filters, f"{page}?recorded=1"]


SCORES = re.compile(r"0\.9137|0\.0863|91\.37|0\.1219|0\.8781|12\.19|0\.5311|53\.11|HEAT|COMMENT")
# Tokens of forms, and what passes with the time of day.
PASSING = re.compile(
    r'name="csrfmiddlewaretoken" value="[^"]*"|csrf[^ ]*|"X-CSRFToken": ?"[^"]*"'
    r'|"images_per_second": ?[^,}]*|since=[^"]*|\d+ (?:seconds?|minutes?)|since you signed in at \d\d:\d\d',
    re.IGNORECASE,
)
MODELS = ("/models/", "/api/v1/models/")  # cards, which are about no study


def walk(scene: Scene, only: str = "") -> dict[str, str]:
    """What the reviewer is told at every address, or those of one route, with every study where one is asked for."""
    client, token = scene.clients()
    told: dict[str, str] = {}
    for study in scene.studies.values():
        for address in addresses(scene, study, only):
            if address in told or address.startswith(MODELS):
                continue
            answer = client.get(address, headers=token if address.startswith("/api/") else {})
            assert answer.status_code != 500, address  # 503: no worker is there to make a document
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            told[address] = f"{answer.status_code} " + PASSING.sub("", body.decode(errors="replace"))
    return told


def exchange_outcomes(scene: Scene) -> None:
    """Give each study what the models said of the next one. Its pictures, its files and its moments stay."""
    studies = list(Study.objects.filter(pk__in=[study.pk for study in scene.studies.values()]).order_by("pk"))
    images = [study.images.get() for study in studies]
    rows = [image.screenings.get() for image in images]
    for things, names in (
        (studies, ("flagged", "not_assessed", "state")),
        (images, ("not_assessed",)),
        (rows, ("state", "code", "scores", "thresholds", "flagged")),
    ):
        values = [[getattr(thing, name) for name in names] for thing in things]
        for thing, others in zip(things, values[1:] + values[:1], strict=True):
            for name, value in zip(names, others, strict=True):
                setattr(thing, name, value)
            thing.save(update_fields=names)


def leaks(scene: Scene, only: str = "") -> set[str]:
    """Addresses that show something that follows from what models said, or something that was said outright."""
    before = walk(scene, only)
    exchange_outcomes(scene)
    after = walk(scene, only)
    return {one for one, text in before.items() if text != after[one] or SCORES.search(text)}


def drawn(scene: Scene) -> Scene:
    """Every study in the sample, so that being listed says nothing of it either."""
    for study in scene.studies.values():
        Sample.objects.create(site=scene.site, study=study, revision=1, flagged=False, probability=0.5, drawn=True)
    return scene


BLINDED = {"blinded_since": datetime(2020, 1, 1, tzinfo=UTC)}  # before every study
DRAWN_FROM = {"sample_share": 0.5, "mixed_share": 0.5}
POLICIES = {"blinded site": BLINDED, "sampling site": DRAWN_FROM}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
def test_who_is_blinded_finds_nothing_of_a_model_at_any_address(policy):
    assert leaks(drawn(scene_of(**policy))) == set()


def test_who_is_blinded_is_not_told_how_many_could_not_be_assessed():
    scene = scene_of(**BLINDED)
    client, token = scene.clients()

    told = client.get(reverse("api:upload", args=[scene.upload.pk]), headers=token).json()

    assert told["screenings"] == {}


def test_an_answer_opens_all_that_the_walk_looks_for():
    scene = drawn(scene_of(**BLINDED))
    for study in scene.studies.values():
        answer(scene, study, scene.reviewer)
    study = scene.studies["flagged"]

    shown = leaks(scene)

    for name in ("review:study", "api:study", "api:audit"):
        assert reverse(name, args=[study.pk]) in shown
    image = study.images.get()
    assert {reverse("review:heat", args=[image.pk]), reverse("api:heat_maps", args=[image.pk])} <= shown
    assert {reverse(f"api:{name}", args=[study.upload_id]) for name in ("receipt", "receipt_csv")} <= shown


def answer(scene: Scene, study: Study, reader: User, value: str = "present") -> None:
    record_review(
        study_id=study.pk,
        reader=reader,
        answers={"covid": AnswerIn(answer=value)},
        comment="COMMENT",
        actor=Actor.user(reader),
    )


def read_before(stage: str) -> Scene:
    """An open site at which every study waits for a second reader, or for one who decides between two."""
    scene = scene_of(second_share=1.0)
    one, two = (UserFactory(role_at=(scene.site, Role.REVIEWER)) for _ in range(2))
    for study in scene.studies.values():
        answer(scene, study, one)
        if stage == "adjudication":
            answer(scene, study, two, "absent")
    assert FurtherRead.objects.filter(stage=stage, state="waiting").count() == len(scene.studies)
    return scene


@pytest.mark.parametrize("stage", ["second", "adjudication"])
def test_a_second_reader_and_an_adjudicator_find_nothing_of_models_and_no_comment(stage):
    assert leaks(read_before(stage)) == set()


def test_a_second_reader_finds_nothing_of_what_the_first_said():
    scene = read_before("second")
    before = walk(scene)

    Review.objects.update(answer="unsure")

    assert walk(scene) == before


def test_an_adjudicator_sees_both_opinions_without_names_on_the_page_of_the_study_alone():
    scene = read_before("adjudication")
    before = walk(scene)
    page = reverse("review:study", args=[scene.studies["flagged"].pk])
    assert {review.reader.username in before[page] for review in Review.objects.all()} == {False}
    assert "Opinion A" in before[page]

    Review.objects.filter(answer="present").update(answer="unsure")

    changed = {address for address, text in walk(scene).items() if text != before[address]}
    pages = {reverse("review:study", args=[study.pk]) for study in scene.studies.values()}
    assert {address.partition("?")[0] for address in changed} == pages


def test_opinions_stand_in_either_order_and_always_in_the_same_for_one_read():
    scene = read_before("adjudication")
    reads = list(FurtherRead.objects.filter(stage="adjudication"))
    for read in reads:
        assert blind_sheet.opinions_between(read.study, read) == blind_sheet.opinions_between(read.study, read)
    orders = set()
    for n in range(40):
        scene.studies["flagged"].site.draw_key = str(n)
        between = blind_sheet.opinions_between(scene.studies["flagged"], reads[0])
        orders.add(tuple(one.answers for one in between))

    assert len(orders) == 2


# What is planted, the walk has to find.
def test_a_planted_word_on_the_page_is_found(monkeypatch):
    real = blind_views.blind_sheet_of

    def with_a_word(study, reader):
        sheet = real(study, reader)
        return replace(sheet, pictures=tuple(replace(one, notes=(study_word(study),)) for one in sheet.pictures))

    monkeypatch.setattr(blind_views, "blind_sheet_of", with_a_word)

    assert leaks(drawn(scene_of(**BLINDED)), "review:study") != set()


def test_a_planted_field_of_the_api_is_found(monkeypatch):
    monkeypatch.delitem(assembling.HIDDEN, "flagged")

    assert leaks(drawn(scene_of(**BLINDED)), "api:study") != set()


def test_a_planted_order_by_what_a_model_said_is_found(monkeypatch):
    real = blind_views.blind_lists.rows_of

    def by_flag(*of):
        return sorted(real(*of), key=lambda row: (row.study.flagged, row.study.state))

    monkeypatch.setattr(blind_views.blind_lists, "rows_of", by_flag)

    assert reverse("review:blinded") in leaks(drawn(scene_of(**BLINDED)), "review:blinded")


def test_a_receipt_that_forgets_the_veil_is_found(monkeypatch):
    monkeypatch.setattr(receipts, "Veil", lambda _user: SimpleNamespace(hides=lambda _studies: ()))
    scene = drawn(scene_of(**BLINDED))

    assert reverse("api:receipt_csv", args=[scene.upload.pk]) in leaks(scene, "api:receipt_csv")


NOT_ASSESSED = ["inconclusive", "failed", "quarantined", "cancelled"]
CLEAR = re.compile(
    r"\b(negative|clear|healthy|unremarkable|no findings?|not flagged)\b|badge-not-flagged", re.IGNORECASE
)
TRAYS = re.compile(r'<nav aria-label="Trays">.*?</nav>|<head>.*?</head>|<footer.*?</footer>', re.DOTALL)


def looks_clear(scene: Scene, outcome: str) -> set[str]:
    """Addresses that say of a study that was not assessed that it is fine, or not flagged."""
    study = scene.studies[outcome]
    words = {address: TRAYS.sub("", text).replace(DISCLAIMER, "") for address, text in walk(scene).items()}
    about = {address: text for address, text in words.items() if str(study.pk) in text or str(study.pk) in address}
    assert len(about) > 8  # the page, its lists, the receipt and the API
    return {address for address, text in about.items() if CLEAR.search(text)}


@pytest.mark.parametrize("outcome", NOT_ASSESSED)
def test_what_was_not_assessed_looks_clear_nowhere(outcome):
    assert looks_clear(scene_of(outcomes=[outcome]), outcome) == set()


def test_a_planted_verdict_is_found(monkeypatch):
    monkeypatch.setattr("screening.results.opinions.why", lambda _row: "This picture is clear.")
    scene = scene_of(outcomes=["failed"])
    page = reverse("review:study", args=[scene.studies["failed"].pk])

    assert page in looks_clear(scene, "failed")
