"""Reading one file in a disposable child: the only way in which bytes of strangers are decoded."""

import base64
import sys
from pathlib import Path
from typing import Any, Final

import structlog
from django.conf import settings

from ml.images.records import Processed
from screening.config import Config
from screening.studies.values import ItemOutcome
from screening.uploads.models import ChosenModality, Item
from screening.uploads.storage import incoming_path
from screening.users.keys import site_key
from workers.adapters import ingested_file
from workers.decoding.pool import ChildCrashed, ChildOverLimit, DecoderPool, DecoderUnavailable

log = structlog.get_logger(__name__)

CONFIG: Final[Config] = settings.CONFIG
POOL: Final = DecoderPool(mebibytes=CONFIG.decode_mebibytes)
OWN_FAULTS: Final = frozenset({"storage_full", "interrupted"})  # not the file's: `failed`, to be tried again


def decode(item: Item, out: Path) -> ItemOutcome:
    """Read an item's raw bytes into `out`, and say what became of it. Never raises for a bad file."""
    try:
        answer = POOL.ask(_request(item, out), seconds=CONFIG.decode_seconds)
    except ChildCrashed:
        return ItemOutcome(item_id=item.pk, crashed=True)
    except ChildOverLimit:
        return ItemOutcome(item_id=item.pk, code="decoder_limit")
    except DecoderUnavailable:
        return ItemOutcome(item_id=item.pk, code="interrupted", retryable=True)
    if "processed" in answer:
        return ItemOutcome(item_id=item.pk, file=ingested_file(Processed.from_json(answer["processed"])))
    code = answer.get("refused") or answer["failed"]
    if code in OWN_FAULTS:
        log.error("file_not_read", item=str(item.pk), code=code, cause=answer["cause"])
    return ItemOutcome(item_id=item.pk, code=code, retryable=code in OWN_FAULTS)


def rebuild(source: Path, frame: int) -> bytes | None:
    """Make a plane again from the kept source; None if that is gone or damaged."""
    # The kept source is our own, and may be longer than what was sent: its pixels bound it.
    limits = {**_limits(), "max_file_bytes": sys.maxsize}
    request = {"do": "rebuild", "source": str(source), "frame": frame, "limits": limits}
    try:
        answer = POOL.ask(request, seconds=CONFIG.decode_seconds)
    except (ChildCrashed, ChildOverLimit, DecoderUnavailable):
        return None
    return base64.b64decode(answer["plane"]) if "plane" in answer else None


def _request(item: Item, out: Path) -> dict[str, Any]:
    upload = item.upload
    return {
        "do": "process",
        "source": str(incoming_path(item.incoming)),
        "out": str(out),
        "key": base64.b64encode(site_key(upload.site_id)).decode(),
        "modality": "" if upload.modality == ChosenModality.AUTO else upload.modality,
        "hold_burned_in": upload.site.hold_burned_in,
        "mask_text": upload.site.mask_text,
        "limits": _limits(),
    }


def _limits() -> dict[str, int]:
    limits = CONFIG.limits
    return {"max_file_bytes": limits.file_bytes, "max_pixels": limits.pixels, "max_frames": limits.frames}
