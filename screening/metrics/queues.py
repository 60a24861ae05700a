"""What waits for workers, and what they hold. Each question is answered by an index of the rows it is about."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Count, Min, Q

from screening.leasing import Leased, RightNow, rows_of
from screening.metrics.catalogue import ARCHIVES, HEAT_MAPS, INGEST, LETTERS, SCREENING, WEBHOOKS, Sample
from screening.outbox.models import Delivery, Endpoint, Letter, Sending, SendState
from screening.results.models import Explanation, ExplanationState, Screening, ScreeningState
from screening.review.models import Stage
from screening.review.stranded import stranded_reads
from screening.uploads.models import Archive, ArchiveState, Item, ItemState, Upload, UploadState

LEASED: Final[tuple[tuple[str, type[Leased]], ...]] = (
    (ARCHIVES, Archive),
    (INGEST, Item),
    (SCREENING, Screening),
    (HEAT_MAPS, Explanation),
    (WEBHOOKS, Delivery),
    (LETTERS, Letter),
)
UNFINISHED: Final = (UploadState.OPEN, UploadState.SEALED)


def waiting(names: Mapping[UUID, str], active: set[UUID], now: datetime) -> Iterator[Sample]:
    """How many rows wait in each lane, and since when. A lane of a model that may be chosen is told when empty."""
    archives = Archive.objects.filter(state=ArchiveState.RECEIVED).aggregate(Count("pk"), Min("created_at"))
    yield from _lane(ARCHIVES, "", archives["pk__count"], archives["created_at__min"], now)
    items = Item.objects.filter(state=ItemState.RECEIVED).aggregate(Count("pk"), Min("received_at"))
    yield from _lane(INGEST, "", items["pk__count"], items["received_at__min"], now)
    screenings = Screening.objects.filter(state=ScreeningState.WAITING, model_version__in=names)
    explanations = Explanation.objects.filter(state=ExplanationState.WAITING, model_version__in=names)
    for lane, rows in ((SCREENING, screenings), (HEAT_MAPS, explanations)):
        grouped = rows.order_by().values_list("model_version_id").annotate(Count("pk"), Min("created_at"))
        found = {version: (count, oldest) for version, count, oldest in grouped}
        for version in sorted(active | set(found), key=names.__getitem__):
            yield from _lane(lane, names[version], *found.get(version, (0, None)), now)


def _lane(lane: str, model: str, count: int, oldest: datetime | None, now: datetime) -> Iterator[Sample]:
    age = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    yield Sample("screening_queue_rows", (lane, model), count)
    yield Sample("screening_queue_oldest_seconds", (lane, model), age)


SENDINGS: Final[tuple[tuple[str, type[Sending]], ...]] = ((WEBHOOKS, Delivery), (LETTERS, Letter))


def sendings(now: datetime) -> Iterator[Sample]:
    """What is to be told outside: how much waits, since when, what was given up, and whom nobody tells any more."""
    for lane, model in SENDINGS:
        waiting = rows_of(model).filter(state=SendState.WAITING).order_by()
        told = waiting.aggregate(Count("pk"), Min("created_at"))
        yield from _lane(lane, "", told["pk__count"], told["created_at__min"], now)
        dead = rows_of(model).filter(state=SendState.DEAD, done_at__isnull=False)
        yield Sample("screening_given_up_rows", (lane,), dead.count())
    disabled = Endpoint.objects.kept().filter(disabled_at__isnull=False)
    yield Sample("screening_disabled_endpoint_rows", (), disabled.count())


def reads() -> Iterator[Sample]:
    """How many further reads wait for a reader who does not exist."""
    counted = stranded_reads().order_by().values_list("stage").annotate(Count("pk"))
    found: dict[str, int] = dict(counted)
    for stage in Stage:
        yield Sample("screening_reads_without_reader_rows", (stage.value,), found.get(stage.value, 0))


def leases() -> Iterator[Sample]:
    """How many rows are in hands, and how many of those leases ran out, by the database's clock."""
    for lane, model in LEASED:
        held = rows_of(model).filter(lease_token__isnull=False).order_by()
        told = held.aggregate(held=Count("pk"), late=Count("pk", filter=Q(lease_until__lt=RightNow())))
        yield Sample("screening_leased_rows", (lane,), told["held"])
        yield Sample("screening_expired_lease_rows", (lane,), told["late"])


def uploads() -> Iterator[Sample]:
    """How many uploads are under way. The reconciler asks the same of this table every few seconds."""
    counted = Upload.objects.filter(state__in=UNFINISHED).order_by().values_list("state").annotate(Count("pk"))
    found: dict[str, int] = dict(counted)
    for state in UNFINISHED:
        yield Sample("screening_unfinished_uploads", (state.value,), found.get(state.value, 0))
