"""The lists of a site of N studies, asked for page by page through Django's test client: no socket, one process."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from screening.api import cursors
from screening.demo.drawn import BEGAN, BETWEEN_COMMITS, COMMIT
from screening.demo.rows import SECOND
from screening.people.entry import accept_disclaimer
from screening.results.models import ModelVersion
from screening.review.order import Line, Place
from screening.review.reading import Spot
from screening.studies.models import SiteChange
from screening.uploads.models import Upload
from screening.users.models import Membership, Role, Site

ROUNDS = 20  # of every question
WARM = 2  # rounds before, not counted
WORKLIST = ("worklist", "not_assessed", "not_flagged")


@dataclass(frozen=True, slots=True)
class Took:
    """How long the answers to one question took, in milliseconds."""

    name: str
    times: tuple[float, ...]

    def part(self, share: float) -> float:
        ordered = sorted(self.times)
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


def site_and_client(name: str) -> tuple[Site, Client]:
    """Give the demo site and its administrator, signed in."""
    site = Site.objects.get(name=name)
    client = Client()
    admin = Membership.objects.filter(site=site, role=Role.ADMIN).select_related("user")[0].user
    accept_disclaimer(user=admin)
    client.force_login(admin)
    return site, client


def worklist_questions(site: Site, studies: int) -> dict[str, str]:
    """Every tray, and every filter of the first, at its beginning and nine tenths down."""
    moment = BEGAN + int(studies * 0.9) // COMMIT * BETWEEN_COMMITS - timedelta(seconds=1)
    deep = {"after": str(Place(moment, 1.0, UUID(int=0)))}
    last = Upload.objects.filter(site=site).order_by("-created_at")[0]
    models = {version.slug: str(version.pk) for version in ModelVersion.objects.all()}
    asked: dict[str, tuple[str, Mapping[str, str]]] = {}
    for tray in WORKLIST:
        asked |= {tray: (tray, {}), f"{tray} deep": (tray, deep)}
        asked[f"{tray} last upload"] = (tray, {"upload": str(last.pk)})
    for name, query in {
        "answered": {"answered": "answered"},
        "answered deep": {"answered": "answered", **deep},
        "all": {"answered": "all"},
        "all deep": {"answered": "all", **deep},
        "incomplete": {"state": "incomplete"},
        "common model": {"model": models["xray-demo"]},
        "rare model": {"model": models[f"{SECOND}-demo"]},
    }.items():
        asked[f"worklist {name}"] = ("worklist", query)
    asked["not_flagged rare model"] = ("not_flagged", {"model": models[f"{SECOND}-demo"]})
    return {name: f"{reverse(f'review:{tray}')}?{urlencode(query)}" for name, (tray, query) in asked.items()}


def reading_questions(studies: int) -> dict[str, str]:
    """The list "to read" at its beginning and nine tenths down."""
    moment = BEGAN + int(studies * 0.9) // COMMIT * BETWEEN_COMMITS - timedelta(seconds=1)
    ends = Place(moment, 1.0, UUID(int=0))
    address = reverse("review:to_read")
    deep = urlencode({"after": str(Spot(moment, Line.URGENT, ends, ends))})
    return {"to read": address, "to read deep": f"{address}?{deep}"}


def api_questions(site: Site) -> dict[str, str]:
    """The list of studies in every way that it can be asked for, one page of fifty."""
    number = int(SiteChange.objects.get(site=site).number * 0.9)
    last = Upload.objects.filter(site=site).order_by("-created_at")[0]
    asked: dict[str, dict[str, object]] = {
        "first": {},
        "changed_since": {"changed_since": number},
        "cursor": {"cursor": cursors.encode(number, UUID(int=0))},
        "flagged": {"flagged": "true"},
        "flagged deep": {"flagged": "true", "changed_since": number},
        "not flagged": {"flagged": "false"},
        "common state": {"state": "ready"},
        "rare state": {"state": "receiving"},
        "reviewed deep": {"state": "reviewed", "changed_since": number},
        "common model": {"model": "xray-demo"},
        "rare model": {"model": f"{SECOND}-demo"},
        "external_id": {"external_id": "demo-0000501"},
        "last upload": {"upload": last.pk},
    }
    return {name: f"{reverse('api:studies')}?{urlencode({'site': site.pk, **query})}" for name, query in asked.items()}


def receipt_questions(upload: Upload) -> dict[str, str]:
    """The receipt of a full upload: its beginning, the middle, and one outcome."""
    address = reverse("desk:receipt", args=[upload.pk])
    middle = upload.items.order_by("path", "pk")[upload.items.count() // 2].pk
    asked = {"first": {}, "deep": {"after": str(middle)}, "duplicates": {"outcome": "duplicate"}}
    return {name: f"{address}?{urlencode(query)}" for name, query in asked.items()}


def ask(client: Client, questions: Mapping[str, str]) -> list[Took]:
    """Ask every question in turn, round after round, so that a disturbance meets them all."""
    times: dict[str, list[float]] = {name: [] for name in questions}
    for turn in range(WARM + ROUNDS):
        for name, address in questions.items():
            took = milliseconds(lambda address=address: client.get(address))
            if turn >= WARM:
                times[name].append(took)
    return [Took(name, tuple(each)) for name, each in times.items()]


def milliseconds(call: Callable[[], HttpResponse]) -> float:
    started = time.perf_counter()
    response = call()
    took = (time.perf_counter() - started) * 1000
    assert response.status_code == 200, response.content[:200]
    return took


def figures(name: str, taken: Sequence[Took], **about: object) -> dict[str, object]:
    """Give one line: the slowest question's 95th percentile, and the median and 95th percentile of each."""
    slowest = max(taken, key=lambda took: took.part(0.95))
    return {
        "figure": name,
        "value": slowest.part(0.95),
        "unit": "ms",
        **about,
        "slowest": slowest.name,
        "first_page": taken[0].part(0.95),
        "questions": {took.name: [took.part(0.5), took.part(0.95)] for took in taken},
    }
