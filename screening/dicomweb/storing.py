"""STOW-RS: objects come in, go to disk while they arrive, and are queued as those of any upload."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from ml.vocabulary import pseudonymous_uid
from screening.addresses import whole_address
from screening.api.access import actor, caller, one_site
from screening.audit.actor import Actor
from screening.dicomweb.answers import JSON, DicomwebView, require_json
from screening.dicomweb.identity import Identity, identify
from screening.dicomweb.related import Part, boundary_of, media_type, parts_of
from screening.dicomweb.reports import NOT_UNDERSTOOD, TOO_LARGE, WRONG_STUDY, Report
from screening.errors import LimitExceeded
from screening.flows.intake import take_in
from screening.flows.receiving import Arrived
from screening.studies.models import Image, StudyState
from screening.uploads.storage import Incoming, Stored, drop_incoming
from screening.users.keys import site_key
from screening.users.models import Site, User
from screening.users.roles import API_UPLOADERS

log = structlog.get_logger(__name__)

DICOM: Final = "application/dicom"
MOST_PARTS: Final = 2000  # in one request
UID: Final = "uid:"  # how the grouping of a study begins that DICOM objects name
AT_ONCE: Final = 50  # objects in one call of the service; so many lie uncommitted at most


def item_path(identity: Identity, sha256: str) -> str:
    """Give the path under which the receipt names an object: as its sender knows it. Paths are the staff's alone."""
    return f"{identity.study}/{identity.instance}/{sha256[:12]}.dcm"


@dataclass(slots=True)
class _Intake:
    """Objects of one request on their way into the service."""

    site: Site
    user: User
    actor: Actor
    study: str  # that all have to belong to; empty: any
    report: Report = field(default_factory=Report)
    uploads: list[UUID] = field(default_factory=list)
    hashes: dict[Identity, str] = field(default_factory=dict)  # of what is stored
    _waiting: list[tuple[Identity, Stored]] = field(default_factory=list)

    def take(self, part: Part) -> None:
        """Store one part, or note why not."""
        kind = media_type(part.headers.get("content-type", DICOM))[0]
        if kind != DICOM:
            self.report.failed.append((None, NOT_UNDERSTOOD))
            return
        with _incoming() as incoming:
            whole = _written(incoming, part)
            identity = incoming.look(identify)
            if (why := self._refusal(identity, whole=whole)) or identity is None:
                self.report.failed.append((identity, why))
                incoming.discard()
                return
            stored = incoming.finish()
        self._waiting.append((identity, stored))
        if len(self._waiting) >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Hand over what was stored. From here on it outlasts this request."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        files = [Arrived(path=item_path(one, stored.sha256), stored=stored) for one, stored in waiting]
        upload = take_in(site=self.site, user=self.user, source="stow", name="STOW-RS", files=files, actor=self.actor)
        if upload not in self.uploads:
            self.uploads.append(upload)
        self.report.stored += [one for one, _ in waiting]
        self.hashes |= {one: stored.sha256 for one, stored in waiting}

    def abandon(self) -> None:
        """Delete what was stored and not handed over."""
        drop_incoming(stored.name for _, stored in self._waiting)

    def _refusal(self, identity: Identity | None, *, whole: bool) -> int:
        """Give the failure reason of an object that is not taken, or 0."""
        if not whole:
            return TOO_LARGE
        if identity is None:
            return NOT_UNDERSTOOD
        return WRONG_STUDY if self.study and identity.study != self.study else 0


@contextmanager
def _incoming() -> Iterator[Incoming]:
    """Give a file under incoming/ that is gone if anything is raised."""
    incoming = Incoming()
    try:
        yield incoming
    except BaseException:
        incoming.discard()
        raise


def _written(incoming: Incoming, part: Part) -> bool:
    """Write a part. False if it is larger than a file may be; what is over the limit is read and not kept."""
    most = settings.CONFIG.limits.file_bytes
    for piece in part.pieces:
        if incoming.size + len(piece) > most:
            return False
        incoming.write(piece)
    return True


class Studies(DicomwebView):
    """All studies of a site."""

    def post(self, request: Request) -> Response:
        """Store objects of any studies."""
        return store(request, study="")


class OneStudy(DicomwebView):
    """One study."""

    def post(self, request: Request, study_uid: str) -> Response:
        """Store objects of one study, which is named as its sender knows it."""
        return store(request, study=study_uid)


def store(request: Request, *, study: str) -> Response:
    """Take in every part of a request and say of each what became of it."""
    require_json(request)
    boundary = boundary_of(request.headers.get("Content-Type", ""), of=DICOM)
    site = one_site(request, None, API_UPLOADERS)
    intake = _Intake(site=site, user=caller(request), actor=actor(request), study=study)
    try:
        for number, part in enumerate(parts_of(_body_of(request._request), boundary)):  # noqa: SLF001 - the raw body
            if number == MOST_PARTS:
                raise LimitExceeded(f"A request takes at most {MOST_PARTS} objects.")
            intake.take(part)
        intake.flush()
    finally:
        intake.abandon()
    report = intake.report
    if not (report.stored or report.failed):
        raise ParseError("The body holds no part.")
    log.info("stow", site=str(site.pk), stored=len(report.stored), failed=len(report.failed))
    links = (f'<{_receipt(request, upload)}>; rel="related"' for upload in intake.uploads)
    headers = {"Link": ", ".join(links)} if intake.uploads else {}
    body = report.as_json(_addresses(request, site, intake.hashes))
    return Response(body, status=report.status, headers=headers, content_type=JSON)


def _receipt(request: Request, upload: UUID) -> str:
    return whole_address(request, reverse("api:receipt", args=[upload]))


def _addresses(request: Request, site: Site, hashes: Mapping[Identity, str]) -> Callable[[Identity], tuple[str, str]]:
    """Where objects can be had: what the site held before under the names it is kept by, all else under its pseudonyms.

    Both are the same unless the site's key was rotated since: what is kept keeps its names.
    """
    key = site_key(site.pk)
    root = whole_address(request, reverse("dicomweb:studies"))
    held = _held(site, hashes)

    def address(one: Identity) -> tuple[str, str]:
        fresh = (uid and pseudonymous_uid(key, uid) for uid in (one.study, one.series, one.instance))
        study_uid, series, instance = held.get(hashes[one]) or fresh
        study = f"{root}/{study_uid}"
        return study, f"{study}/series/{series}/instances/{instance}" if series else study

    return address


def _held(site: Site, hashes: Mapping[Identity, str]) -> dict[str, tuple[str, str, str]]:
    """By hash, for objects that ingest has kept: the identifiers of study, series and object."""
    images = Image.objects.filter(site=site, kind="dicom", frame=0, sha256__in=set(hashes.values()))
    live = images.filter(study__grouping__startswith=UID).exclude(study__state=StudyState.PURGED)
    rows = live.exclude(instance_uid=None).values_list("sha256", "study__grouping", "series_uid", "instance_uid")
    return {sha256: (grouping.removeprefix(UID), series, instance or "") for sha256, grouping, series, instance in rows}


def _body_of(request: HttpRequest) -> Callable[[int], bytes]:
    """Give a reader of the body that never reads past its end or past the limit.

    A body of unknown length is read from the server, where that ends it by itself as gunicorn does: Django would
    take it for empty.
    """
    most = settings.CONFIG.limits.archive_bytes
    chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    stream = request.META["wsgi.input"] if chunked and request.META.get("wsgi.input_terminated") else request
    done = 0

    def read(count: int) -> bytes:
        nonlocal done
        piece: bytes = stream.read(count)
        done += len(piece)
        if done > most:
            raise LimitExceeded(f"A request may have at most {most} bytes.")
        return piece

    return read
