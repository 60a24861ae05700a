"""WADO-RS: kept, de-identified objects by their pseudonymous identifiers, as they are stored."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog
from django.db.models import QuerySet
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import NotAcceptable, NotFound
from rest_framework.request import Request

from screening.api.access import caller, sites
from screening.dicomweb.answers import JSON, DicomwebView, accepted, require_json
from screening.dicomweb.catalogue import unpacked
from screening.dicomweb.identity import UID
from screening.dicomweb.models import DicomHeader
from screening.errors import MetadataPending
from screening.studies.models import Image, StudyState
from screening.uploads.kept import at_hand, is_kept
from screening.uploads.storage import PART, blob_folder

log = structlog.get_logger("screening.access")

DICOM: Final = "application/dicom"
RELATED: Final = "multipart/related"
NOT_CACHED: Final = {"Cache-Control": "private, no-store"}
ANY: Final = "*"


class Retrieve(DicomwebView):
    """The objects of a study, a series, or one object."""

    def get(self, request: Request, study_uid: str, series_uid: str = "", instance_uid: str = "") -> HttpResponseBase:
        images = kept(request, study_uid, series_uid, instance_uid)
        alone, syntaxes = _wanted(request, one=bool(instance_uid))
        stored = _syntaxes(images)
        if ANY not in syntaxes and not set(stored.values()) <= syntaxes:
            raise NotAcceptable("Objects are given in the transfer syntax that they came in: accept transfer-syntax=*.")
        _note(request, images)
        if alone:
            return FileResponse(at_hand(_source(images[0])).open("rb"), content_type=DICOM, headers=NOT_CACHED)
        boundary = secrets.token_hex(16)
        kind = f'{RELATED}; type="{DICOM}"; boundary={boundary}'
        return StreamingHttpResponse(_parts(images, stored, boundary), content_type=kind, headers=NOT_CACHED)


class Metadata(DicomwebView):
    """What is told of the objects of a study, a series, or of one object: all but their pixels."""

    def get(self, request: Request, study_uid: str, series_uid: str = "", instance_uid: str = "") -> HttpResponse:
        require_json(request)
        images = kept(request, study_uid, series_uid, instance_uid)
        rows = DicomHeader.objects.filter(image__in=[image.pk for image in images]).values_list("image_id", "metadata")
        told = {key: unpacked(stored) for key, stored in rows if stored}
        if len(told) < len(images):
            raise MetadataPending("The metadata of these objects are not written yet.")
        _note(request, images)
        body = b"[" + b",".join(told[image.pk] for image in images) + b"]"
        return HttpResponse(body, content_type=JSON, headers=NOT_CACHED)


def kept(request: Request, study_uid: str, series_uid: str, instance_uid: str) -> list[Image]:
    """Give the objects under an address, one for each file, in the order of their series and positions.

    Raises:
        NotFound: there is none that the caller may see. Plain pictures are no objects and have no address.
    """
    named = (study_uid, *(uid for uid in (series_uid, instance_uid) if uid))
    if not all(UID.fullmatch(uid) for uid in named):  # PostgreSQL takes no NUL in a text that it compares
        raise NotFound
    found = _objects(request).filter(study__grouping=f"uid:{study_uid}")
    if series_uid:
        found = found.filter(series_uid=series_uid)
    if instance_uid:
        found = found.filter(instance_uid=instance_uid)
    images = list(found.order_by("series_uid", "position", "sha256"))
    if not images or not is_kept(_source(images[0])):
        raise NotFound
    return images


def _objects(request: Request) -> QuerySet[Image]:
    own = list(sites(request).values_list("pk", flat=True))
    live = Image.objects.filter(site__in=own, study__site__in=own, kind="dicom", frame=0)
    return live.exclude(study__state=StudyState.PURGED).exclude(instance_uid=None)


def _wanted(request: Request, *, one: bool) -> tuple[bool, set[str]]:
    """Read what a client takes: whether an object without parts around it, and in which transfer syntaxes.

    Raises:
        NotAcceptable: nothing that there is.
    """
    takes = accepted(request)
    for name, parameters in takes:
        if name == RELATED and parameters.get("type", DICOM).lower() in {DICOM, "*/*"}:
            break
        if name in {"*/*", "multipart/*"} or (one and name == DICOM):
            break
    else:
        raise NotAcceptable(f'Accept {RELATED}; type="{DICOM}"; transfer-syntax=*.')
    fitting = [told for kind, told in takes if kind == name]
    return name == DICOM, {told.get("transfer-syntax", ANY) for told in fitting}


def _syntaxes(images: Sequence[Image]) -> dict[UUID, str]:
    keys = [image.pk for image in images]
    return dict(DicomHeader.objects.filter(image__in=keys).values_list("image_id", "transfer_syntax"))


def _parts(images: Sequence[Image], syntaxes: Mapping[UUID, str], boundary: str) -> Iterator[bytes]:
    """Give the body in pieces. A file that is gone ends it before its last boundary: no client takes it for whole."""
    for image in images:
        syntax = f"; transfer-syntax={syntaxes[image.pk]}" if syntaxes.get(image.pk) else ""
        yield f"--{boundary}\r\nContent-Type: {DICOM}{syntax}\r\n\r\n".encode()
        yield from _pieces(image)
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _pieces(image: Image) -> Iterator[bytes]:
    try:
        with at_hand(_source(image)).open("rb") as file:
            while piece := file.read(PART):
                yield piece
    except FileNotFoundError:
        log.warning("source_missing", image=str(image.pk))
        raise ConnectionAbortedError("an object was deleted while it was being sent") from None


def _source(image: Image) -> Path:
    return blob_folder(image.site_id, image.sha256) / image.source_name


def _note(request: Request, images: Sequence[Image]) -> None:
    first = images[0]
    user, site, study = caller(request).pk, str(first.site_id), str(first.study_id)
    log.info("viewed", user=user, site=site, study=study, objects=len(images))
