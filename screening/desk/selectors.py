"""Questions of the people who send pictures. What a user may not see does not exist for them."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Q, QuerySet
from django.http import Http404
from django.utils.dateparse import parse_datetime
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from ml.vocabulary import REFUSALS
from screening.flows.progress import Progress, progress
from screening.flows.replacing import failures_of
from screening.results.models import NOT_ASSESSED, PENDING, Screening, ScreeningState
from screening.results.selectors import cause
from screening.uploads.models import Archive, ItemState, Upload, UploadState
from screening.users.models import Site, User
from screening.users.roles import UPLOADERS, sites_where

Visitor = User | AnonymousUser
PAGE: Final = 25


def upload_sites(user: Visitor) -> QuerySet[Site]:
    """Sites at which the user may upload."""
    return sites_where(user, UPLOADERS).order_by("name")


def uploads_of(user: Visitor) -> QuerySet[Upload]:
    """Uploads of the sites at which the user may upload. A purged one is gone."""
    mine = Upload.objects.filter(site__in=sites_where(user, UPLOADERS), purged_at__isnull=True)
    return mine.select_related("site", "created_by")


def upload_for(user: Visitor, upload_id: UUID) -> Upload:
    """The upload, if the user's site sent it.

    Raises:
        Http404: there is none, or it is not for this user.
    """
    upload = uploads_of(user).filter(pk=upload_id).first()
    if upload is None:
        raise Http404
    return upload


def open_uploads(user: User) -> list[Upload]:
    """The user's own uploads that still take files, the latest first."""
    mine = uploads_of(user).filter(created_by=user, state=UploadState.OPEN, quick=False)
    return list(mine.annotate(offered=Count("items")).order_by("-last_seen_at")[:10])


def continued_upload(user: Visitor, key: str) -> Upload | None:
    """The upload with this key, if the user may see it and it still takes files."""
    try:
        open_ones = uploads_of(user).filter(pk=UUID(key), state=UploadState.OPEN, quick=False)
    except ValueError:
        return None
    return open_ones.first()


def corrected_upload(user: Visitor, key: str) -> Upload | None:
    """The upload with this key, if the user may see it and some of its files failed."""
    try:
        found = uploads_of(user).filter(pk=UUID(key)).first()
    except ValueError:
        return None
    return found if found and failures_of(found.pk).exists() else None


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of uploads, and where the next one begins."""

    uploads: tuple[Upload, ...]
    following: str


def list_uploads(user: Visitor, after: str) -> Listed:
    """Uploads from the latest to the first; a page begins behind the moment and key of `after`."""
    rows = uploads_of(user).filter(quick=False).order_by("-created_at", "pk")
    moment, key = _parse(after)
    if moment:
        rows = rows.filter(Q(created_at__lt=moment) | Q(created_at=moment, pk__gt=key))
    found = list(rows[: PAGE + 1])
    shown = found[:PAGE]
    following = f"{shown[-1].created_at.isoformat()}~{shown[-1].pk}" if len(found) > PAGE else ""
    return Listed(tuple(_with_counts(shown)), following)


def _parse(after: str) -> tuple[datetime | None, UUID | None]:
    moment, _tilde, key = after.partition("~")
    try:
        return parse_datetime(moment), UUID(key)
    except ValueError:
        return None, None


def _with_counts(uploads: list[Upload]) -> list[Upload]:
    """Give each upload of a page its number of files and of flagged studies: two queries, however many."""
    keys = [upload.pk for upload in uploads]
    counted = Upload.objects.filter(pk__in=keys)
    files = dict(counted.values_list("pk").annotate(Count("items")))
    flagged = dict(counted.values_list("pk").annotate(number=Count("studies", filter=Q(studies__flagged=True))))
    for upload in uploads:
        upload.files = files.get(upload.pk, 0)  # type: ignore[attr-defined]
        upload.flagged = flagged.get(upload.pk, 0)  # type: ignore[attr-defined]
    return uploads


@dataclass(frozen=True, slots=True)
class Reason:
    """How many files or pictures ended for one reason, and what can be done about it."""

    number: int
    outcome: str
    code: str
    message: str
    what_to_do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything that the upload page shows of a run."""

    upload: Upload
    progress: Progress
    settled_files: int
    screened: int
    to_screen: int
    flagged: int
    not_assessed: int
    reasons: tuple[Reason, ...]
    archives: tuple[Archive, ...]

    @property
    def running(self) -> bool:
        """Whether anything may still change without somebody acting."""
        pending = self.settled_files < self.progress.offered or self.screened < self.to_screen
        if self.upload.state == UploadState.CANCELLED:
            return pending
        return self.upload.state != UploadState.FINISHED

    @property
    def percent(self) -> int:
        """How much of the known work is done. A zip that is not open yet is not known."""
        total = self.progress.offered + self.to_screen
        return int(100 * (self.settled_files + self.screened) / total) if total else 0

    @property
    def can_retry(self) -> bool:
        """Whether something failed that may work the next time."""
        failed = self.progress.items.get(ItemState.FAILED, 0)
        broken = sum(
            self.progress.screenings.get(state, 0) for state in (ScreeningState.FAILED, ScreeningState.QUARANTINED)
        )
        return bool(failed + broken) and self.upload.state != UploadState.CANCELLED

    @property
    def etag(self) -> str:
        """Changes whenever the page would."""
        return hashlib.sha256(self._fingerprint.encode()).hexdigest()[:32]

    @property
    def _fingerprint(self) -> str:
        archives = ",".join(f"{one.state}{one.offset}" for one in self.archives)
        eta = self.progress.estimated_end
        moving = f"{self.progress.images_per_second}|{eta and eta.replace(second=0, microsecond=0)}"
        return (
            f"{self.upload.state}|{self.progress.items}|{self.progress.screenings}|{self.flagged}|{archives}|{moving}"
            f"|{get_language()}"
        )


def status_of(upload: Upload) -> Status:
    """Count an upload's rows."""
    run = progress(upload)
    pending_files = run.items[ItemState.EXPECTED] + run.items[ItemState.RECEIVED]
    to_screen = sum(run.screenings.values())
    waiting = sum(run.screenings.get(state, 0) for state in PENDING)
    return Status(
        upload=upload,
        progress=run,
        settled_files=run.offered - pending_files,
        screened=to_screen - waiting,
        to_screen=to_screen,
        flagged=upload.studies.filter(flagged=True).count(),
        not_assessed=sum(run.screenings.get(state, 0) for state in NOT_ASSESSED),
        reasons=tuple(_reasons(upload)),
        archives=tuple(upload.archives.all()),
    )


def _reasons(upload: Upload) -> list[Reason]:
    refused = upload.items.exclude(code="").order_by().values_list("state", "code").annotate(Count("pk"))
    files = [Reason(number, state, code, *_words(code)) for state, code, number in refused]
    archives = [Reason(1, "archive", one.code, *_words(one.code)) for one in upload.archives.all() if one.code]
    rows = Screening.objects.filter(upload=upload, state__in=NOT_ASSESSED)
    unscored = rows.order_by().values_list("state", "code").annotate(Count("pk"))
    pictures = [
        Reason(number, "not assessed", code or state, _capital(cause(Screening(state=state, code=code))), "")
        for state, code, number in unscored
    ]
    return sorted([*archives, *files, *pictures], key=lambda reason: -reason.number)


def _capital(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _words(code: str) -> tuple[str, str]:
    refusal = REFUSALS.get(code)
    return (_(refusal.message), _(refusal.what_to_do)) if refusal else (code, "")
