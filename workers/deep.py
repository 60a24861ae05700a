"""Deep pictures: made from the kept source while a reader waits, one at a time, so that ingest hardly notices.

There is no row to lease: the file itself says that the work is done. A call that is lost is made again by the page
that waits, and one that comes twice finds the file.
"""

import threading
import time
from typing import Final
from uuid import UUID

import structlog
from django.db import connections

from screening.flows.deep import deep_path
from screening.queue import Call, app
from screening.store.errors import StoreAway
from screening.studies.models import Image, StudyState
from screening.uploads.kept import draft_of, is_kept, place
from workers.decoders import write_deep
from workers.reporting import milliseconds

log = structlog.get_logger(__name__)

_ONE: Final = threading.Lock()


@app.task(name=str(Call.MAKE_DEEP))
def make_deep_picture(image: str) -> None:
    """Make one deep picture. Safe to deliver twice or to die halfway."""
    try:
        make_deep_of(UUID(image))
    finally:
        connections.close_all()


def make_deep_of(image_id: UUID) -> bool:
    """Make the deep picture of a picture unless it is there. Whether it is there now."""
    image = Image.objects.exclude(study__state=StudyState.PURGED).filter(pk=image_id).first()
    if image is None:
        return False
    with _ONE:
        return is_kept(deep_path(image)) or _made(image)


def _made(image: Image) -> bool:
    path, started = deep_path(image), time.perf_counter()
    temporary = draft_of(path)
    try:
        made = write_deep(path.parent / image.source_name, image.frame, temporary)
        if made:
            size = temporary.stat().st_size
            place(temporary, path)
            log.info("deep_made", image=str(image.pk), bytes=size, ms=milliseconds(started))
        else:
            log.warning("deep_not_made", image=str(image.pk), what_to_do="The preview is shown. See the line before.")
    except FileNotFoundError:  # purged meanwhile
        return False
    except StoreAway:  # whoever looks asks again
        log.warning("deep_put_off", image=str(image.pk))
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return made
