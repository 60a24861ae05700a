"""Write the headers of kept objects behind ingest: metadata and search of DICOMweb are answered from them."""

import time
from typing import Final

import structlog
from django.conf import settings

from ml.images.catalogue import tell
from ml.images.records import Unreadable
from screening.dicomweb.catalogue import Header, next_lack, record_headers
from screening.studies.models import Image
from screening.uploads.kept import at_hand
from screening.uploads.storage import blob_folder
from workers.crew import PROGRESS, Crew, Stop
from workers.reporting import milliseconds, report

log = structlog.get_logger(__name__)


def catalogue_some(stop: Stop) -> bool:
    """Read and write the headers of some objects that lack one. Whether there were any."""
    lack = next_lack()
    if lack is None:
        return False
    started = time.perf_counter()
    headers = {}
    for image in lack.images:
        if stop.is_set():
            return False
        PROGRESS.note()
        headers[image.pk] = _header(image)
    size = record_headers(lack, headers)
    log.info("batch_done", lane="catalogue", size=size, catalogue_ms=milliseconds(started))
    return True


def _header(image: Image) -> Header | None:
    try:
        told = tell(at_hand(blob_folder(image.site_id, image.sha256) / image.source_name))
    except (OSError, Unreadable) as problem:
        report("header_unreadable", problem, image=str(image.pk))
        return None
    return Header(
        study_uid=told.study_uid,
        sop_class=told.sop_class,
        transfer_syntax=told.transfer_syntax,
        modality=told.modality,
        study_date=told.study_date,
        metadata=told.metadata,
    )


CREW: Final = Crew("catalogue", catalogue_some, poll=settings.CONFIG.poll_seconds)
