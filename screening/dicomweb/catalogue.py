"""Headers of kept objects, so that search and metadata open no file. Made behind ingest, never in its way.

Which objects lack one is found by the change numbers of sites, as a poller of the API finds what is new: they become
visible in the order in which they were taken, so that nothing is missed, and an idle site costs one comparison.
Two workers may do the same: the second rows are left out.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from screening.dicomweb.models import Catalogued, DicomHeader
from screening.retrying import again_on_conflict
from screening.studies.models import Image, SiteChange

AT_ONCE: Final = 64
DICOM: Final = "dicom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a worker read of one object."""

    study_uid: str
    sop_class: str
    transfer_syntax: str
    modality: str
    study_date: date | None
    metadata: Mapping[str, Any]  # DICOM JSON model, without pixels


@dataclass(frozen=True, slots=True)
class Lack:
    """Some objects of a site that have no header yet, in the order of changes."""

    site_id: UUID
    images: Sequence[Image]
    upto: int  # the change up to which none is lacking once these have theirs


def next_lack() -> Lack | None:
    """Give some objects that have no header, or None. Sites where all have one are remembered."""
    behind = Q(site__catalogued__isnull=True) | Q(number__gt=F("site__catalogued__number"))
    for site_id, number in SiteChange.objects.filter(behind).order_by("pk").values_list("site_id", "number"):
        mark = Catalogued.objects.filter(pk=site_id).values_list("number", flat=True).first() or 0
        lacking = Image.objects.filter(
            site_id=site_id, kind=DICOM, frame=0, dicom_header__isnull=True, study__change_number__gt=mark
        ).exclude(instance_uid=None)
        images = list(lacking.select_related("study").order_by("study__change_number", "pk")[:AT_ONCE])
        if images:
            return Lack(site_id, images, images[0].study.change_number - 1)
        _remember(site_id, number)
    return None


def record_headers(lack: Lack, headers: Mapping[UUID, Header | None]) -> int:
    """Write headers by image, an empty row for one that could not be read: it is not tried for ever. How many."""
    rows = [_row(image, headers[image.pk]) for image in lack.images if image.pk in headers]
    written = _write(rows)
    _remember(lack.site_id, lack.upto)
    return written


@again_on_conflict
@transaction.atomic
def _write(rows: Sequence[DicomHeader]) -> int:
    """Write rows of images that are still there: one may have been purged since."""
    keys = [row.image_id for row in rows]
    locked = Image.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk")
    there = set(locked.values_list("pk", flat=True))
    kept = [row for row in rows if row.image_id in there]
    DicomHeader.objects.bulk_create(kept, ignore_conflicts=True)
    return len(kept)


@transaction.atomic
def _remember(site_id: UUID, number: int) -> None:
    Catalogued.objects.bulk_create([Catalogued(site_id=site_id)], ignore_conflicts=True)
    Catalogued.objects.filter(pk=site_id, number__lt=number).update(number=number)


def _row(image: Image, header: Header | None) -> DicomHeader:
    told = header or Header(study_uid="", sop_class="", transfer_syntax="", modality="", study_date=None, metadata={})
    return DicomHeader(
        image=image,
        site_id=image.site_id,
        study_id=image.study_id,
        study_uid=told.study_uid,
        series_uid=image.series_uid if header else "",
        instance_uid=(image.instance_uid or "") if header else "",
        sop_class=told.sop_class,
        transfer_syntax=told.transfer_syntax,
        modality=told.modality,
        study_date=told.study_date,
        metadata=packed(told.metadata) if header else b"",
    )


def packed(metadata: Mapping[str, Any]) -> bytes:
    """Give metadata as they are stored."""
    return zlib.compress(json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode())


def unpacked(stored: bytes | memoryview) -> bytes:
    """Give stored metadata as JSON text."""
    return zlib.decompress(bytes(stored)) if stored else b"{}"
