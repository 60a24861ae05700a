"""Corrected pictures: made from the kept source where a reader asked. The row that asks is what is to be done."""

import secrets
import shutil
import threading
from typing import Final
from uuid import UUID

import structlog
from django.db import connections

from screening.audit.actor import Actor
from screening.flows.correcting import record_corrected, record_correction_failed
from screening.queue import Call, app
from screening.store.errors import StoreAway
from screening.studies.models import Image
from screening.uploads.kept import names_in
from screening.uploads.storage import blob_folder, keep_blob, preparing_folder
from workers.decoders import PutOff, write_corrected

log = structlog.get_logger(__name__)

CORRECTOR: Final = Actor.service("correct")
NOT_MADE: Final = "not_made"
_ONE: Final = threading.Lock()


@app.task(name=str(Call.CORRECT_PICTURE))
def correct_picture(image: str) -> None:
    """Make one corrected picture. Safe to deliver twice or to die halfway."""
    try:
        correct(UUID(image))
    finally:
        connections.close_all()


def correct(image_id: UUID) -> bool:
    """Make the corrected picture that was asked for, if one was. Whether it stands now.

    What cannot be done at this moment stays asked for: the reconciler calls again.
    """
    with _ONE:
        image = Image.objects.select_related("site").filter(pk=image_id).exclude(asked_correction="").first()
        return image is not None and _corrected(image)


def _corrected(image: Image) -> bool:
    folder = preparing_folder() / secrets.token_hex(16)
    folder.mkdir(parents=True, mode=0o700)
    try:
        made = write_corrected(image, folder)
        if made is None:
            record_correction_failed(image_id=image.pk, code=NOT_MADE, actor=CORRECTOR)
            return False
        sha256, file = made
        if not names_in(blob_folder(image.site_id, sha256)):  # else it was made before, or sent by somebody
            keep_blob(folder, image.site_id, sha256)
        return record_corrected(
            image_id=image.pk, correction=image.asked_correction, sha256=sha256, file=file, actor=CORRECTOR
        )
    except (PutOff, StoreAway) as put_off:
        log.warning("correction_put_off", image=str(image.pk), reason=str(put_off))
        return False
    finally:
        shutil.rmtree(folder, ignore_errors=True)
