"""Documents for other systems, made when somebody asks. The libraries that write them are loaded with the first."""

import queue
from importlib import import_module
from typing import Final, NamedTuple
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError

from screening.errors import NothingToTell
from screening.flows.documents import Kind, Wanted, wanted
from screening.queue import Call, app
from screening.store.errors import StoreAway
from screening.studies.models import Study
from screening.uploads.kept import drop, drop_named, is_kept
from workers.crew import Crew, Stop
from workers.replacing import replace_file
from workers.reporting import report

log = structlog.get_logger(__name__)

WRITER: Final = "workers.documents.writing"
MOST_WAITING: Final = 1000  # calls; whoever asked for one that is dropped asks again
TRIES: Final = 5  # at a study that changes while it is read


class _Asked(NamedTuple):
    study: UUID
    kind: Kind
    heat_map: UUID | None


_ASKED: Final["queue.Queue[_Asked]"] = queue.Queue(MOST_WAITING)


@app.task(name=str(Call.MAKE_DOCUMENT))
def make_document(study: str, kind: str, heat_map: str = "") -> None:
    """Make a document unless it is there. Safe to deliver twice or to die halfway."""
    try:
        _ASKED.put_nowait(_Asked(UUID(study), Kind(kind), UUID(heat_map) if heat_map else None))
    except queue.Full:
        log.warning("document_not_queued", waiting=MOST_WAITING)
    CREW.call()


def make_next(stop: Stop) -> bool:
    """Make one document that was asked for. Whether there was one."""
    if stop.is_set():
        return False
    try:
        asked = _ASKED.get_nowait()
    except queue.Empty:
        return False
    _make(asked)
    return True


def _make(asked: _Asked) -> None:
    for _ in range(TRIES):
        study = Study.objects.filter(pk=asked.study).select_related("site", "patient").first()
        if study is None:
            return
        try:
            document = wanted(study, asked.kind, asked.heat_map)
        except NothingToTell:  # it changed since somebody asked: asking again tells them
            return
        if is_kept(document.path) or _written(document):
            return


def _written(document: Wanted) -> bool:
    """Write a document. False if the study changed while it was read, so that the name would be wrong."""
    try:
        data = _bytes_of(document)
        if _outrun(document):
            return False
        replace_file(document.path, data)
        if _outrun(document):  # a purge that went past in between did not find the file
            drop(document.path)
            return False
    except (DatabaseError, StoreAway):  # passing, and nothing of the study: whoever asked asks again
        raise
    except Exception as problem:  # noqa: BLE001 - of one study: it is recorded, and whoever asked is told
        report("document_not_made", problem, study=str(document.study.pk), kind=document.kind.value)
        _refuse(document)
        return True
    _drop_earlier(document)
    log.info("document_made", kind=document.kind.value, study=str(document.study.pk), size=len(data))
    return True


def _outrun(document: Wanted) -> bool:
    """Whether the study has changed since it was read."""
    number = Study.objects.filter(pk=document.study.pk).values_list("change_number", flat=True).first()
    return number != document.study.change_number


def _bytes_of(document: Wanted) -> bytes:
    # numpy, pydicom and what writes FHIR come with it: a worker whom nobody asks for a document does without.
    data: bytes = import_module(WRITER).bytes_of(document)
    return data


def _refuse(document: Wanted) -> None:
    try:
        replace_file(document.refusal, b"")
    except OSError:  # the folder is gone or full: whoever asks again has it tried again
        log.warning("document_not_refused", study=str(document.study.pk))


def _drop_earlier(document: Wanted) -> None:
    """Delete documents of the same kind that tell an earlier state; one that is being read stays readable."""
    drop_named(document.path.parent, document.prefix, but=document.path.name)


CREW: Final = Crew("documents", make_next, poll=settings.CONFIG.poll_seconds)
