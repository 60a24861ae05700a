"""Leases on rows that workers take: what keeps work from being lost or doubled.

A row is waiting, or leased under a token until a moment of the *database's* clock. Whoever
commits results does so only for rows that still carry the token. A lease that ran out is
reclaimed; one that ran out while the worker was computing counts against the row, so that
a poison row ends in quarantine and its innocent neighbours do not.
"""

import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

import structlog
from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import F, Func, Q
from django.db.models.functions import Now

from screening.retrying import again_on_conflict

log = structlog.get_logger(__name__)

BEHIND_SECONDS: Final = 30.0  # of virtual time
LONGEST_SECONDS: Final = 600  # that a lease may still have to run, or four times as long as one is given for
EXCUSES: Final = 5  # for one row and process: after so many, a lease that ran out tells of a death whatever was away
DEATHS_ALONE: Final = 2  # so many worker deaths while a row ran alone send it to quarantine


class Leased(models.Model):
    """The columns of a row that workers lease."""

    rank = models.FloatField(default=0.0, help_text="Virtual time; the lowest is served first.")
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    computing = models.BooleanField(
        default=False, help_text="Whether the worker had begun to compute under this lease."
    )
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often computing began.")
    alone = models.BooleanField(default=False, help_text="A worker died with this row in its batch: run it alone.")
    deaths = models.PositiveSmallIntegerField(default=0, help_text="Worker deaths while this row ran alone.")

    class Meta:
        abstract = True


_excuses: Counter[Any] = Counter()  # by key of a row; a few in the life of a process
_refused: float | None = None  # the moment of this process at which the database last did not do what was asked
FREE: Final[dict[str, Any]] = {"lease_token": None, "lease_until": None, "computing": False}
Row = TypeVar("Row", bound=Leased)


@dataclass(frozen=True, slots=True)
class Lease:
    """A token over some rows of one table."""

    token: UUID
    seconds: int


class RightNow(Now):
    """This moment by the database's clock; on SQLite, which has none, by the one that all its processes share.

    A question of its own is asked once in a statement. A function of ours would be called for every row.
    """

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="(SELECT SHARED_NOW())", **extra)


def until(seconds: int) -> Any:
    """The moment `seconds` from now by the database's clock, computed once in a statement."""
    moment = RightNow() + timedelta(seconds=seconds)
    return Func(moment, template="(SELECT %(expressions)s)", output_field=models.DateTimeField())


def rows_of(model: type[Row]) -> models.QuerySet[Row]:
    """Every row of a model, those included that its usual manager leaves out."""
    return model._base_manager.all()  # noqa: SLF001 - the public name of a model's manager in generic code


@again_on_conflict
def claim(waiting: models.QuerySet[Row], *, limit: int, seconds: int, **changes: Any) -> tuple[Lease, list[Row]]:
    """Lease up to `limit` of the waiting rows, lowest rank first, skipping those others are taking.

    A row marked "run alone" is claimed as a batch of one. `changes` are written with the lease.
    """
    lease = Lease(uuid4(), seconds)
    with transaction.atomic():
        rows = list(waiting.select_for_update(skip_locked=True, of=("self",)).order_by("rank", "pk")[:limit])
        rows = _one_if_suspect(rows)
        if rows:
            rows_of(type(rows[0])).filter(pk__in=[row.pk for row in rows]).update(
                lease_token=lease.token, lease_until=until(seconds), computing=False, **changes
            )
    for row in rows:
        row.lease_token = lease.token
    return lease, rows


def _one_if_suspect(rows: list[Row]) -> list[Row]:
    if rows and rows[0].alone:
        return rows[:1]
    return [row for row in rows if not row.alone]


def held(model: type[Row], lease: Lease) -> models.QuerySet[Row]:
    """Rows that still carry the token."""
    return rows_of(model).filter(lease_token=lease.token)


def _locked(model: type[Row], lease: Lease) -> models.QuerySet[Row]:
    """Lock the rows still held, in the order of their keys as everywhere else: an update locks as it finds them."""
    if not connection.features.has_select_for_update:  # one writer at a time: nothing to lock
        return held(model, lease)
    rows = held(model, lease).select_for_update().order_by("pk")
    return rows_of(model).filter(pk__in=list(rows.values_list("pk", flat=True)))


@again_on_conflict
def begin(model: type[Row], lease: Lease) -> int:
    """Count an attempt on every row still held, before computing starts. How many there are."""
    with transaction.atomic():
        return _locked(model, lease).update(
            computing=True, attempts=F("attempts") + 1, lease_until=until(lease.seconds)
        )


@again_on_conflict
def renew(model: type[Row], lease: Lease) -> int:
    """Prolong the lease of every row still held. How many there are."""
    with transaction.atomic():
        return _locked(model, lease).update(lease_until=until(lease.seconds))


@again_on_conflict
def give_back(model: type[Row], lease: Lease, **changes: Any) -> int:
    """Free the rows still held, as if they had never been taken: an attempt that had begun is not counted."""
    with transaction.atomic():
        rows = _locked(model, lease)
        given = rows.filter(computing=True).update(attempts=F("attempts") - 1, **FREE, **changes)
        return given + rows.filter(lease_token=lease.token).update(**FREE, **changes)


def note_refusal() -> None:
    """Remember that the database is away or full at this moment: nobody renews a lease on it, either."""
    global _refused  # noqa: PLW0603 - what this process saw, of the one database that it has
    _refused = time.monotonic()


def back_since() -> datetime | None:
    """Since when leases can be renewed, as far as is known here; None if nothing was ever in their way.

    A server began then, or refused this process for the last time. By the database's clock, as the leases are.
    """
    known = [moment for moment in (_server_began(), _last_refused()) if moment]
    return max(known, default=None)


def _server_began() -> datetime | None:
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_postmaster_start_time()")
        began: datetime = cursor.fetchone()[0]
        return began


def _last_refused() -> datetime | None:
    if _refused is None:
        return None
    return right_now() - timedelta(seconds=time.monotonic() - _refused)


def right_now() -> datetime:
    """Ask what leases go by for the time."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT SHARED_NOW()")
            return datetime.fromisoformat(cursor.fetchone()[0]).replace(tzinfo=UTC)
        cursor.execute("SELECT STATEMENT_TIMESTAMP()")
        now: datetime = cursor.fetchone()[0]
        return now


def database_was_away(row: Leased, back: datetime | None) -> bool:
    """Whether a lease may have run out because nobody could renew it: the database came `back` after its last renewal.

    It then says nothing of the worker, which may live, nor of the row.
    """
    if back is None or row.lease_until is None:
        return False
    return row.lease_until - timedelta(seconds=settings.CONFIG.lease_seconds) < back


def died(row: Leased, back: datetime | None) -> bool:
    """Whether a lease that ran out tells of a death while the row was computed."""
    return row.computing and not excused(row, back)


def excused(row: Leased, back: datetime | None) -> bool:
    """Whether it counts nothing that a lease ran out, because the database was away: neither a death nor an attempt.

    Not for ever: a row that takes the database down with its worker would never be found out.
    """
    if not database_was_away(row, back) or _excuses[row.pk] >= EXCUSES:
        return False
    _excuses[row.pk] += 1
    if row.computing:
        row.attempts = max(0, row.attempts - 1)
    log.warning("lease_excused", rows=type(row).__name__, row=str(row.pk), times=_excuses[row.pk])
    return True


def reclaim(rows: list[Row]) -> list[Row]:
    """Free rows whose lease ran out, in memory. Those that ended a worker too often are returned.

    A death before computing began counts nothing. One in a batch makes its rows run alone;
    one alone counts against the row, and sends it behind the others so that they go on. A lease that ended while the
    database was away tells of no death.
    """
    poison = []
    back = back_since() if rows else None
    for row in rows:
        dead = died(row, back)
        if dead and row.alone:
            row.deaths += 1
            row.rank += BEHIND_SECONDS
            if row.deaths >= DEATHS_ALONE:
                poison.append(row)
        elif dead:
            row.alone = True
        row.lease_token, row.lease_until, row.computing = None, None, False
    return poison


def expired(model: type[Row]) -> models.QuerySet[Row]:
    """Rows whose lease ran out, or ends later than any that is given: it is of a time when the clock was wrong."""
    never = until(max(LONGEST_SECONDS, 4 * settings.CONFIG.lease_seconds))
    ended = Q(lease_until__lt=RightNow()) | Q(lease_until__gt=never)
    return rows_of(model).filter(ended, lease_token__isnull=False)
