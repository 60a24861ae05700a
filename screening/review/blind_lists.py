"""The lists of reviewers who are blinded, and of second readers and adjudicators: what waits, in a keyed random order.

The oldest day comes first, so that nothing waits for ever; within a day the order is an HMAC of reader and study with
the site's key. It says nothing about what models found, and no two readers walk in step.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from screening.review import trays
from screening.review.blinding import Veil
from screening.review.claims import held_by_others
from screening.review.models import FurtherRead, ReadState, Review, Stage
from screening.studies.draws import chance
from screening.studies.models import Image, Sample, Study, StudyState
from screening.users.models import Reads

PAGE: Final = 25
COUNTED: Final = 1000
PURPOSE: Final = "order"
COMPLETE: Final = (StudyState.READY, StudyState.INCOMPLETE, StudyState.REVIEWED)


class BlindList(StrEnum):
    BLINDED = "blinded"
    SECOND = "second"
    ADJUDICATION = "adjudication"


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """Where a study stands in such a list."""

    day: date
    mix: float
    study: UUID

    def __str__(self) -> str:
        return f"{self.day.isoformat()}~{self.mix!r}~{self.study}"

    @classmethod
    def parse(cls, text: str) -> "Spot | None":
        """Read a spot from an address. Anything malformed is the beginning of the list."""
        try:
            day, mix, study = text.split("~")
            return cls(date.fromisoformat(day), float(mix), UUID(study))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in one list: rows of a table, the study of each, and the moment by which its day is told."""

    rows: QuerySet[Any]
    study: str
    moment: str


def waiting_in(veil: Veil, which: BlindList) -> Waiting:
    """What waits for the veil's user in one list."""
    if which == BlindList.BLINDED:
        return Waiting(_unanswered(veil), "pk", "completed_at")
    sites = [site.pk for site in veil.sites]
    mine = Review.objects.filter(study=OuterRef("study"), reader_id=veil.user.pk)
    rows = FurtherRead.objects.filter(
        ~Exists(mine),
        stage=Stage.SECOND if which == BlindList.SECOND else Stage.ADJUDICATION,
        state=ReadState.WAITING,
        site__in=sites,
        revision=F("study__revision"),
        study__state__in=COMPLETE,
    )
    rows = rows.exclude(first=veil.user.pk).exclude(second=veil.user.pk)
    if veil.class_sites:
        rows = rows.exclude(study__in=Study.objects.filter(veil.in_class))
    return Waiting(rows, "study_id", "created_at")


def _unanswered(veil: Veil) -> QuerySet[Study]:
    drawn = Exists(Sample.objects.filter(study=OuterRef("pk"), revision=OuterRef("revision"), drawn=True))
    all_read = [site.pk for site in veil.sites if site.blinded_since and site.reads == Reads.ALL]
    due = Q(flagged=True) | Q(not_assessed=True) | Q(drawn) | Q(site__in=all_read)
    listed = Study.objects.exclude(veil.in_class) if veil.class_sites else Study.objects.all()
    return listed.filter(
        Q(due, site__in=veil.blinded_sites) | Q(veil.over, drawn),
        state__in=(StudyState.READY, StudyState.INCOMPLETE),
        completed_at__isnull=False,
    )


def page(veil: Veil, which: BlindList, *, after: Spot | None, size: int = PAGE) -> tuple[list[Spot], Spot | None]:
    """The spots behind `after`, and the last of them if more follow. Whole days are read: two queries."""
    waiting = waiting_in(veil, which)
    moments = waiting.rows.order_by(waiting.moment).values_list(waiting.moment, flat=True)
    later = moments.filter(**{f"{waiting.moment}__gte": _midnight(after.day) + timedelta(days=1)}) if after else moments
    last = list(later[: size + 1])[-1:]
    rows = waiting.rows.filter(**{f"{waiting.moment}__gte": _midnight(after.day)}) if after else waiting.rows
    if last:
        rows = rows.filter(**{f"{waiting.moment}__lt": _midnight(last[0].astimezone(UTC).date()) + timedelta(days=1)})
    told = rows.order_by().values_list(waiting.study, "site_id", waiting.moment)
    spots = sorted(_spot(veil, *row) for row in told)
    ahead = [spot for spot in spots if after is None or spot > after]
    return ahead[:size], ahead[size - 1] if len(ahead) > size else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _spot(veil: Veil, study: UUID, site: UUID, moment: datetime) -> Spot:
    keys = {one.pk: one.draw_key for one in veil.sites}
    return Spot(moment.astimezone(UTC).date(), chance(keys[site], PURPOSE, veil.user.pk, study), study)


def following(veil: Veil, which: BlindList, study: Study) -> UUID | None:
    """The next study of a list that nobody else reads; behind the last the list begins again."""
    moment = study.completed_at
    if which != BlindList.BLINDED:
        stage = Stage.SECOND if which == BlindList.SECOND else Stage.ADJUDICATION
        reads = FurtherRead.objects.filter(study=study, revision=study.revision, stage=stage)
        moment = reads.values_list("created_at", flat=True).first()
    known = study.site_id in {site.pk for site in veil.sites}
    here = _spot(veil, study.pk, study.site_id, moment) if moment and known else None
    passed_by = {study.pk, *held_by_others(veil.user, veil.sites)}
    return _first_but(veil, which, passed_by, after=here) or _first_but(veil, which, passed_by)


def _first_but(veil: Veil, which: BlindList, passed_by: Collection[UUID], *, after: Spot | None = None) -> UUID | None:
    spots, _ = page(veil, which, after=after, size=len(passed_by) + 1)
    return next((spot.study for spot in spots if spot.study not in passed_by), None)


def first_free(veil: Veil, which: BlindList, held: Collection[UUID]) -> UUID | None:
    """The first study of a list that is none of those that others read."""
    return _first_but(veil, which, held)


def list_with_work(veil: Veil) -> BlindList | None:
    """The first list in which a study waits that nobody else reads."""
    if not veil.sites or veil.is_thin:
        return None
    passed_by = set(held_by_others(veil.user, veil.sites))
    for which in BlindList:
        if _first_but(veil, which, passed_by) is not None:
            return which
    return None


def waits(veil: Veil, which: BlindList) -> trays.Waiting:
    """How long the studies of a list have waited. One question."""
    waiting = waiting_in(veil, which)
    moments = waiting.rows.order_by(waiting.moment).values_list(waiting.moment, flat=True)
    return trays.waiting_since(list(moments[: COUNTED + 1]), counts={})


def counts(veil: Veil) -> dict[str, str]:
    """How many studies wait in each list, as it is said: nobody counts beyond a thousand."""
    if not veil.sites:
        return {}
    if veil.is_thin:  # nothing is blinded, nothing was drawn and no read is due
        return dict.fromkeys(BlindList, "0")
    return {which.value: _count(waiting_in(veil, which)) for which in BlindList}


def _count(waiting: Waiting) -> str:
    number = waiting.rows.order_by()[: COUNTED + 1].count()
    return str(number) if number <= COUNTED else f"{COUNTED:,}+"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindRow:
    """One study of such a list: nothing that a model or another reader said, nor a trace of it."""

    study: Study
    pictures: int
    cover: UUID | None
    due: datetime
    is_held: bool  # somebody else has it open; who that is is not said

    @property
    def short(self) -> str:
        return str(self.study.pk)[:8]

    @property
    def is_overdue(self) -> bool:
        return self.due <= timezone.now()


def rows_of(veil: Veil, which: BlindList, spots: Iterable[Spot], held: Collection[UUID] = ()) -> list[BlindRow]:
    """The studies of a page, in their order. The middle picture stands for a study, whatever was found in which.

    All are due by the limit of what is not flagged: the shorter one of the flagged would tell which they are.
    """
    keys = [spot.study for spot in spots]
    waiting = waiting_in(veil, which)
    moments = dict(waiting.rows.filter(**{f"{waiting.study}__in": keys}).values_list(waiting.study, waiting.moment))
    studies = Study.objects.select_related("site").in_bulk(keys)
    images: dict[UUID, list[UUID]] = {key: [] for key in keys}
    for study_id, image_id in Image.objects.filter(study__in=keys, superseded=False).values_list("study_id", "pk"):
        images[study_id].append(image_id)
    return [
        BlindRow(
            study=studies[key],
            pictures=len(images[key]),
            cover=_middle(images[key]),
            due=moments[key] + timedelta(hours=studies[key].site.rest_hours),
            is_held=key in held,
        )
        for key in keys
        if key in studies and key in moments
    ]


def _middle(images: list[UUID]) -> UUID | None:
    return images[len(images) // 2] if images else None
