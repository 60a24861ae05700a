"""Delete what is older than its site keeps: in small steps, each of which asks again under the lock of its rows.

Off unless a site decides otherwise. A study goes so many days after it was last complete, with its pictures, results
and paths; a tombstone, the audit and the readers' answers stay. One that somebody has open stays, and so does one that
waits for a reader, unless the site says that it does not matter.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, product
from typing import Final
from uuid import UUID

import structlog
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from screening.audit.actor import Actor
from screening.flows.purge import Grounds, forget_upload, is_empty, purge_studies
from screening.review.open_tasks import is_being_read, waits_for_a_reader
from screening.studies.models import Image, Study, StudyState
from screening.uploads.models import Upload
from screening.users.models import Site

log = structlog.get_logger(__name__)

ACTOR: Final = Actor.service("retention")
STEP: Final = 20  # studies in one transaction, and uploads in one round
PICTURES: Final = 200  # in one transaction, unless a single study has more
COUNTED: Final = 10_000
COMPLETE: Final = (StudyState.READY, StudyState.INCOMPLETE, StudyState.REVIEWED)
# Each has an index of its own, which holds no tombstones in these states.
SHELVES: Final = (
    Q(flagged=True),
    Q(flagged=False, not_assessed=True),
    Q(flagged=False, not_assessed=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a site decided, or may decide."""

    site: Site
    days: int
    keep_unread: bool

    @classmethod
    def of(cls, site: Site) -> "Policy | None":
        """The site's policy as it stands, if it deletes anything."""
        if site.study_days is None:
            return None
        return cls(site=site, days=site.study_days, keep_unread=site.keep_unread)

    @property
    def before(self) -> datetime:
        return timezone.now() - timedelta(days=self.days)

    @property
    def kept(self) -> Q:
        """Studies that stay, however old they are."""
        return is_being_read() | waits_for_a_reader(self.site) if self.keep_unread else is_being_read()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a policy would delete now, and what it would keep though it is old. Nobody counts beyond COUNTED."""

    going: int
    kept: int
    uploads: int
    oldest: datetime | None

    @property
    def most(self) -> int:
        return COUNTED


def preview(policy: Policy) -> Preview:
    """Count what a policy would delete, without deleting anything."""
    oldest = (shelf.order_by("completed_at").values_list("completed_at", flat=True).first() for shelf in _going(policy))
    return Preview(
        going=_count(_going(policy)),
        kept=_count(shelf.filter(policy.kept) for shelf in _old(policy)),
        uploads=_uploads(policy)[:COUNTED].count(),
        oldest=min((moment for moment in oldest if moment is not None), default=None),
    )


def _count(shelves: Iterator[QuerySet[Study]]) -> int:
    total = 0
    for shelf in shelves:
        total += shelf.order_by()[: COUNTED - total].count() if total < COUNTED else 0
    return total


def _old(policy: Policy) -> Iterator[QuerySet[Study]]:
    for shelf, state in product(SHELVES, COMPLETE):
        yield Study.objects.filter(shelf, site=policy.site, state=state, completed_at__lt=policy.before)


def _going(policy: Policy) -> Iterator[QuerySet[Study]]:
    return (shelf.exclude(policy.kept) for shelf in _old(policy))


def _uploads(policy: Policy) -> QuerySet[Upload]:
    """Uploads as old, that are over, and of which no study is left: what they still hold is names and paths."""
    of_site = Upload.objects.filter(site=policy.site, created_at__lt=policy.before, last_seen_at__lt=policy.before)
    return of_site.filter(is_empty())


def purge_next() -> int:
    """Do one step at each site: some studies, and the names of some uploads. How many went. The reconciler's part."""
    return sum(_step(site) for site in Site.objects.filter(study_days__isnull=False).order_by("pk"))


def _step(site: Site) -> int:
    policy = Policy.of(site)
    if policy is None:
        return 0
    found = (
        key for shelf in _going(policy) for key in shelf.order_by("completed_at").values_list("pk", flat=True)[:STEP]
    )
    keys = _few(list(islice(found, STEP)))
    told = {"why": "retention", "days": policy.days}
    studies = purge_studies(study_ids=keys, actor=ACTOR, grounds=Grounds(_still_due, told)) if keys else 0
    uploads = list(_uploads(policy).order_by("created_at").values_list("pk", flat=True)[:STEP])
    forgotten = sum(forget_upload(upload_id=key, actor=ACTOR) for key in uploads)
    if studies or forgotten:
        log.info("retention_purged", studies=studies, uploads=forgotten)
    return studies + forgotten


def _few(keys: Sequence[UUID]) -> list[UUID]:
    """As many of the first studies as hold PICTURES together, and one at least: a CT study has hundreds."""
    images = Image.objects.filter(study__in=keys).order_by()
    number = dict(images.values_list("study_id").annotate(Count("pk")))
    taken: list[UUID] = []
    room = PICTURES
    for key in keys:
        room -= number.get(key, 0)
        if taken and room < 0:
            break
        taken.append(key)
    return taken


def _still_due(study_ids: Sequence[UUID]) -> Collection[UUID]:
    """Of locked studies: those that their sites' policies delete, as both stand now."""
    due: set[UUID] = set()
    for site in Site.objects.filter(studies__in=study_ids).distinct():
        if policy := Policy.of(site):
            for shelf in _going(policy):
                due.update(shelf.filter(pk__in=study_ids).values_list("pk", flat=True))
    return due
