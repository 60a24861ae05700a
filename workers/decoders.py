"""Reading one file in a disposable child: the only way in which bytes of strangers are decoded."""

import base64
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import structlog
from django.conf import settings

from ml.images.records import Processed
from ml.vocabulary import LARGE_SIDE, REDUCED_PIPELINE, Modality
from screening.config import Config
from screening.errors import StorageFull
from screening.studies.models import Image
from screening.studies.values import IngestedFile, ItemOutcome
from screening.uploads.kept import at_hand
from screening.uploads.models import ChosenModality, Item
from screening.uploads.storage import blob_folder, raw_file
from screening.users.keys import site_key
from screening.users.models import Site
from workers.adapters import ingested_file
from workers.crew import PROGRESS
from workers.decoding.pool import ChildCrashed, ChildOverLimit, DecoderPool, DecoderUnavailable

log = structlog.get_logger(__name__)

CONFIG: Final[Config] = settings.CONFIG
POOL: Final = DecoderPool(mebibytes=CONFIG.decode_mebibytes)
UNAVAILABLE: Final = "unavailable"
PUT_OFF: Final = frozenset({"storage_full", UNAVAILABLE})  # nothing is known against a kept source; it can wait
OWN_FAULTS: Final = frozenset({"storage_full", "interrupted"})  # not the file's: `failed`, to be tried again


class PutOff(Exception):
    """It cannot be done now: this worker is ending, or there is no room. The picture is not at fault."""


def decode(item: Item, out: Path) -> ItemOutcome:
    """Read an item's raw bytes into `out`, and say what became of it. Never raises for a bad file.

    Where the site holds the same instance, read in another pipeline, the two are made comparable.

    Raises:
        StoreAway: they cannot be had now. The file is not at fault.
    """
    outcome = _decode(item, out, reduced=CONFIG.reduced_decoding)
    held = _held_otherwise(item, outcome.file) if outcome.file else None
    if held is None or outcome.file is None:
        return outcome
    PROGRESS.note()
    if outcome.file.pipeline == REDUCED_PIPELINE:
        return _decode(item, out, reduced=False)
    # Of the one that is held the compressed frames were hashed: its kept source has all pixels.
    source = blob_folder(held.site_id, held.sha256) / held.source_name
    if _of_source("pixels", source, 0).get("pixels") != outcome.file.pixels_sha256:
        return outcome
    return replace(outcome, file=replace(outcome.file, pixels_sha256=held.pixels_sha256))


def _held_otherwise(item: Item, file: IngestedFile) -> Image | None:
    """The picture that the site holds of the same instance, if one of the two was read reduced, and the other was not.

    Asked only of pictures so large that they may be.
    """
    if not file.instance_uid or max(file.pictures[0].rows, file.pictures[0].columns) < LARGE_SIDE:
        return None
    held = Image.objects.filter(site_id=item.upload.site_id, instance_uid=file.instance_uid, frame=0).first()
    alike = held is None or (held.pipeline == REDUCED_PIPELINE) == (file.pipeline == REDUCED_PIPELINE)
    return None if alike else held


def _decode(item: Item, out: Path, *, reduced: bool) -> ItemOutcome:
    try:
        with raw_file(item.incoming) as source:
            answer = POOL.ask(_request(item, source, out, reduced=reduced), seconds=CONFIG.decode_seconds)
    except ChildCrashed:
        return ItemOutcome(item_id=item.pk, crashed=True)
    except ChildOverLimit:
        return ItemOutcome(item_id=item.pk, code="decoder_limit")
    except DecoderUnavailable:
        return ItemOutcome(item_id=item.pk, code="interrupted", retryable=True)
    except StorageFull as full:  # of this machine, which was to take a copy first
        log.warning("file_not_read", item=str(item.pk), code=full.code, cause=type(full).__name__)
        return ItemOutcome(item_id=item.pk, code=full.code, retryable=True)
    if "processed" in answer:
        return ItemOutcome(item_id=item.pk, file=ingested_file(Processed.from_json(answer["processed"])))
    code = answer.get("refused") or answer["failed"]
    if code in OWN_FAULTS:
        log.error("file_not_read", item=str(item.pk), code=code, cause=answer["cause"])
    return ItemOutcome(item_id=item.pk, code=code, retryable=code in OWN_FAULTS)


def rebuild(source: Path, frame: int, pipeline: str) -> bytes | None:
    """Make a plane again from the kept source, as it was made; None if that is gone or damaged."""
    answer = _of_source("rebuild", source, frame, pipeline=pipeline)
    return base64.b64decode(answer["plane"]) if "plane" in answer else None


def write_deep(source: Path, frame: int, out: Path) -> bool:
    """Make the deep picture of a frame from the kept source and write it to `out`. Whether that could be done."""
    return "written" in _of_source("deep", source, frame, out=str(out))


def write_corrected(image: Image, out: Path) -> tuple[str, IngestedFile] | None:
    """Make the correction that was asked for into `out`, read as any file is. Its hash and what was read; or None.

    Raises:
        PutOff: not now, and not for good.
        StoreAway: so it is where the store of pictures cannot be asked.
    """
    answer = _of_source(
        "correct",
        blob_folder(image.site_id, image.sha256) / image.source_name,
        image.frame,
        **_options(image.site, "" if image.modality == Modality.UNKNOWN else image.modality),
        reduced=False,
        out=str(out),
        correction=image.asked_correction,
    )
    if answer.get("failed") in PUT_OFF:
        raise PutOff(answer["failed"])
    if "processed" not in answer:
        return None
    return answer["sha256"], ingested_file(Processed.from_json(answer["processed"]))


def _of_source(do: str, source: Path, frame: int, **more: Any) -> dict[str, Any]:
    """Let a child work on a kept source; an answer without a result if none could."""
    # The kept source is our own, and may be longer than what was sent: its pixels bound it.
    limits = {**_limits(), "max_file_bytes": sys.maxsize}
    with suppress(FileNotFoundError):  # else the child says that it is gone
        source = at_hand(source)
    request = {"do": do, "source": str(source), "frame": frame, "limits": limits, **more}
    try:
        return POOL.ask(request, seconds=CONFIG.decode_seconds)
    except (ChildCrashed, ChildOverLimit):
        return {}
    except DecoderUnavailable:
        return {"failed": UNAVAILABLE}


def _request(item: Item, source: Path, out: Path, *, reduced: bool) -> dict[str, Any]:
    upload = item.upload
    return {
        "do": "process",
        "source": str(source),
        "out": str(out),
        **_options(upload.site, "" if upload.modality == ChosenModality.AUTO else upload.modality),
        "reduced": reduced,
        "limits": _limits(),
    }


def _options(site: Site, modality: str) -> dict[str, Any]:
    return {
        "key": base64.b64encode(site_key(site.pk)).decode(),
        "modality": modality,
        "hold_burned_in": site.hold_burned_in,
        "mask_text": site.mask_text,
    }


def _limits() -> dict[str, int]:
    limits = CONFIG.limits
    return {"max_file_bytes": limits.file_bytes, "max_pixels": limits.pixels, "max_frames": limits.frames}
