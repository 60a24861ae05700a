"""The trays that readers work through: which studies lie in them, and how many wait.

Each tray stands by due time: what is flagged or could not be assessed is due earlier than the rest, by the limits of
its site; the highest score of a flag-raising label only breaks ties. `screening/review/shelves.py` says how a page is
read, `screening/review/reading.py` in which order all trays are read together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import product
from typing import Final
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from screening.results.models import Screening, SeriesResult
from screening.review.blinding import Veil
from screening.review.order import Line, Place
from screening.review.shelves import PAGE, InTray, Limits, Page, Shelf, dues_of, page, places_of
from screening.review.tallies import TallyQuestion, tally_question
from screening.studies.models import Study, StudyState
from screening.users.models import Site, User
from screening.wording import count

__all__ = ["PAGE", "Filters", "InTray", "Page", "Place", "Tray", "in_tray", "page", "place_of", "waiting"]

COUNTED: Final = 1000  # studies of a tray; of more it is said that there are more
FEW: Final = 3000  # screenings of a model, up to which all its studies are read for a page
COMPLETE: Final = (StudyState.READY, StudyState.INCOMPLETE, StudyState.REVIEWED)


class Tray(StrEnum):
    FLAGGED = "flagged"
    NOT_ASSESSED = "not_assessed"
    NOT_FLAGGED = "not_flagged"


class Answered(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a reader asked to see of a tray."""

    tray: Tray = Tray.FLAGGED
    answered: Answered = Answered.OPEN
    state: str = ""
    upload: UUID | None = None
    model: UUID | None = None
    site: UUID | None = None
    modality: str = ""
    finding: str = ""
    score_from: float | None = None  # of the score of the finding and the model that are named, else the highest
    score_to: float | None = None
    reviewer: int | None = None  # whose answer stands
    age: int | None = None  # hours since it was complete, at least
    newest: bool = False  # first

    def as_query(self) -> dict[str, str]:
        """The filters as they stand in an address; those at rest are left out."""
        asked = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "tray"}
        told = {name: "on" if value is True else value for name, value in asked.items()}
        return {
            name: str(value)
            for name, value in told.items()
            if value not in {None, "", False} and value != Answered.OPEN
        }

    @property
    def narrow(self) -> bool:
        """Whether something is asked that no index answers: studies are looked at one by one, and not for ever."""
        return bool(self.modality or self.finding or self.reviewer) or self.has_scores

    @property
    def has_scores(self) -> bool:
        return self.score_from is not None or self.score_to is not None


def in_tray(user: User | AnonymousUser, filters: Filters) -> InTray:
    """Studies of the tray that the user may read and that pass the filters, but for those that are hidden from them."""
    veil = Veil(user)
    return tray_at(open_sites(veil), filters, but=hidden_by(veil))


def open_sites(veil: Veil) -> list[Site]:
    """The sites at which the veil's user reads, without those at which everything is hidden from them."""
    blinded = set(veil.blinded_sites)
    return [site for site in veil.reading if site.pk not in blinded]


def hidden_by(veil: Veil) -> Q | None:
    """What no tray may hold for the veil's user, if there is anything."""
    return None if veil.is_thin else veil.over


def limits_of(sites: Iterable[Site], line: Line) -> dict[UUID, timedelta]:
    """By site: how long after it was complete a study of this line is due."""
    hours = "flagged_hours" if line == Line.URGENT else "rest_hours"
    return {site.pk: timedelta(hours=getattr(site, hours)) for site in sites}


def tray_at(sites: Sequence[Site], filters: Filters, *, but: Q | None = None) -> InTray:
    """Studies of these sites that lie in the tray and pass the filters, without those that `but` names."""
    if filters.site:
        sites = [site for site in sites if site.pk == filters.site]
    return _tray(limits_of(sites, Line.REST if filters.tray == Tray.NOT_FLAGGED else Line.URGENT), filters, but)


def _tray(limits: Limits, filters: Filters, but: Q | None) -> InTray:
    """The same at the sites that have limits."""
    states = [state for state in states_of(filters.answered) if filters.state in {"", state}]
    studies = Study.objects.filter(_membership(filters.tray), completed_at__isnull=False)
    if but is not None:
        studies = studies.exclude(but)
    if filters.age:
        studies = studies.filter(completed_at__lte=timezone.now() - timedelta(hours=filters.age))
    if filters.upload:
        studies = studies.filter(upload_id=filters.upload)
    found = studies.filter(site__in=list(limits), state__in=states)
    if filters.model:
        seen = _seen(filters.model, flagged=filters.tray == Tray.FLAGGED)
        rows = Screening.objects.filter(model_version_id=filters.model, site__in=list(limits)).order_by()
        if rows[: FEW + 1].count() <= FEW:  # all that the model saw is read sooner than a page of it is found
            found = found.filter(pk__in=seen.filter(site__in=list(limits)).values("study_id"))
            return InTray(found, limits, few=dues_of(found, limits))
        looked = Exists(seen.filter(study=OuterRef("pk")))
        found, studies = found.filter(looked), studies.filter(looked)
    shelves = (
        Shelf(studies.filter(site_id=site, state=state), limits[site]) for site, state in product(limits, states)
    )
    return InTray(found, limits, tuple(shelves))


def states_of(answered: Answered) -> tuple[StudyState, ...]:
    """The states in which a study stands that is answered, or is not."""
    return {
        Answered.OPEN: (StudyState.READY, StudyState.INCOMPLETE),
        Answered.ANSWERED: (StudyState.REVIEWED,),
        Answered.ALL: COMPLETE,
    }[answered]


def _seen(model: UUID, *, flagged: bool) -> QuerySet[Screening]:
    """What a model looked at, or flagged: a picture, or a series, of which it saw the pictures."""
    rows = Screening.objects.filter(model_version_id=model)
    if not flagged:
        return rows
    series = SeriesResult.objects.filter(study=OuterRef("study"), model_version_id=model, flagged=True)
    return rows.filter(Q(flagged=True) | Exists(series))


def _membership(tray: Tray) -> Q:
    # A study can be flagged by one picture and not assessed in another: it lies in both trays.
    return {
        Tray.FLAGGED: Q(flagged=True),
        Tray.NOT_ASSESSED: Q(not_assessed=True),
        Tray.NOT_FLAGGED: Q(flagged=False, not_assessed=False),
    }[tray]


def place_of(study: Study) -> Place | None:
    """Where a study stands, or None while it is not complete."""
    limits = limits_of([study.site], Line.URGENT if study.flagged or study.not_assessed else Line.REST)
    return next(iter(places_of(dues_of(Study.objects.filter(pk=study.pk), limits))), None)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is left to answer: in each tray how many studies, and how long those of one of them have waited."""

    counts: dict[str, str]  # as it is said: nobody counts beyond a thousand
    since: datetime | None  # the longest
    mean: timedelta | None
    first_only: int = 0  # where more wait than anybody counts: of how many the mean is

    @property
    def mean_since(self) -> datetime | None:
        """Since when a study of the mean wait has waited."""
        return timezone.now() - self.mean if self.mean is not None else None


def waiting(sites: Sequence[Site], tray: Tray, *, but: Q | None = None) -> Waiting:
    """Tell what of these sites is unanswered, without what `but` names."""
    keys = tuple(site.pk for site in sites)
    found = (_written_question(keys, tray, COUNTED) if but is None else _question(keys, tray, but, COUNTED)).ask()
    numbers = dict(zip(Tray, found.counts, strict=True))
    return Waiting(
        counts={
            each.value: str(number) if number <= COUNTED else f"{count(COUNTED)}+" for each, number in numbers.items()
        },
        since=found.since,
        mean=timezone.now() - found.mean if found.mean else None,
        first_only=COUNTED if numbers[tray] > COUNTED else 0,
    )


def _question(sites: Iterable[UUID], tray: Tray, but: Q | None, most: int) -> TallyQuestion:
    limits = dict.fromkeys(sites, timedelta())  # when a study is due is not asked
    trays = {each: _tray(limits, Filters(tray=each), but) for each in Tray}
    return tally_question([each.studies for each in trays.values()], trays[tray].shelves, most=most)


@lru_cache(maxsize=256)
def _written_question(sites: tuple[UUID, ...], tray: Tray, most: int) -> TallyQuestion:
    """The same where nothing is hidden: it holds nothing but these values, so it is written once. No answer is kept."""
    return _question(sites, tray, None, most)


def waiting_since(complete: Sequence[datetime], counts: dict[str, str]) -> Waiting:
    """Tell how long studies have waited that came at these moments, the earliest first; one more than is counted."""
    counted, now = complete[:COUNTED], timezone.now()
    return Waiting(
        counts=counts,
        since=counted[0] if counted else None,
        mean=sum((now - moment for moment in counted), timedelta()) / len(counted) if counted else None,
        first_only=COUNTED if len(complete) > COUNTED else 0,
    )
