"""By what this machine computes each model: found by measuring at its first start, and remembered."""

import json
import os
import platform
import sys
import tempfile
import time
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from secrets import token_hex
from signal import SIGKILL
from typing import IO, Any, Final

import structlog
from django.conf import settings

from ml.inference import BATCH_SIZE
from ml.models.bundle import Bundle, load_bundle
from ml.models.card import BundleError
from ml.models.choosing import Choice, ways
from ml.models.cores import CUT, cores
from ml.models.precision import gpu_names, processor_flags
from ml.models.runtime import EXACT, Way
from ml.models.weights import digest, read_bundle, trunk_of
from screening import VERSION
from screening.config import ROOT
from workers.crew import PROGRESS
from workers.device import DEVICE
from workers.supervisor.processes import spawn

log = structlog.get_logger(__name__)

# Seconds for trying every way of a model, that of its trunk included. Hands wait for the device meanwhile: less than a
# hand may stand still.
PATIENCE: Final = 120.0
REFUSED: Final = "reference_differs"
PACKAGES: Final = ("tensorflow", "tensorflow-cpu", "keras", "openvino", "numpy")  # another version may answer otherwise


def chosen(bundle: Bundle) -> Choice:
    """Say by what a bundle is computed here: as remembered for this model, machine and versions, or tried now.

    Raises:
        BundleError: no way reproduces the reference scores.
    """
    config = settings.CONFIG
    candidates = ways(config.runtime, config.precision)
    if not candidates:
        log.warning("runtime_not_here", runtime=config.runtime, precision=config.precision, used=str(EXACT))
        candidates = [EXACT]
    if candidates == [EXACT] and config.batch_size:
        return Choice(EXACT, config.batch_size)
    place = _place(bundle.card.model_sha256, candidates)
    known = _read(place, candidates)
    if known is not None:
        return known
    with DEVICE:  # one model at a time, and nothing beside it: what is measured is remembered
        deadline = time.monotonic() + PATIENCE
        document = _tried_as_its_trunk(bundle, candidates, deadline)
        document = document or _tried(bundle, candidates, config.batch_size, deadline)
        if document is not None and not document.get("cut_short"):
            _keep(place, document)
            trunk = _place_of_trunk(bundle, candidates)
            if _read(trunk, candidates) is None:
                _keep(trunk, document)
    if document is None:
        return Choice(EXACT, config.batch_size or BATCH_SIZE)
    for one in document["tried"]:
        log.info("runtime_tried", model=bundle.card.name, **one)
    if document.get("cut_short"):
        log.warning("runtimes_not_all_tried", model=bundle.card.name, used=str(_choice(document).way))
    return _choice(document)


def forget(folder: Path) -> None:
    """Let a model and its trunk be tried anew at the next start: what was found no longer holds."""
    bundle, candidates = load_bundle(folder), ways(settings.CONFIG.runtime, settings.CONFIG.precision) or [EXACT]
    for place in (_place(bundle.card.model_sha256, candidates), _place_of_trunk(bundle, candidates)):
        with suppress(OSError):
            place.unlink(missing_ok=True)


def _tried_as_its_trunk(bundle: Bundle, candidates: list[Way], deadline: float) -> dict[str, Any] | None:
    """Try the way alone by which another model on the same trunk is computed; None if there is none, or it will not do.

    Two ways of one trunk would be computed one beside the other, for want of 1 in 20 that a measurement may be off by.
    """
    known = _read(_place_of_trunk(bundle, candidates), candidates)
    if known is None or len(candidates) == 1:
        return None
    with suppress(BundleError):  # of which all ways are tried
        document = _tried(bundle, [known.way], known.batch_size, deadline)
        if document is not None and not document.get("cut_short"):
            return document
    return None


def _tried(bundle: Bundle, candidates: list[Way], batch_size: int, deadline: float) -> dict[str, Any] | None:
    """Try the ways in a process of its own, which takes their memory with it; None if it found none by the deadline.

    Where there is no time for all of them, it is what was found by then.

    Raises:
        BundleError: no way reproduces the reference scores.
    """
    words = [f"--way={way.runtime}/{way.precision}" for way in candidates]
    command = [sys.executable, "-P", "-m", "ml", "choose", str(bundle.folder), f"--batch-size={batch_size}", *words]
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as complaints:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # noqa: TID251 - handed on whole
        child = spawn(
            command, output=told, errors=complaints, environment=environment, folder=ROOT, at_parents_end=SIGKILL
        )
        while child.poll() is None:
            PROGRESS.note()
            time.sleep(0.1)
            if time.monotonic() > deadline:
                child.kill()
        document = _found(told)
        if document is not None:
            return document | {"cut_short": child.returncode != 0}
        code, _, what = _last_line(complaints).partition(": ")
    if code == REFUSED:
        raise BundleError(code, what, "Restore the bundle, or report processor and versions.")
    log.warning("runtimes_not_tried", model=bundle.card.name, status=child.returncode, used=str(EXACT))
    return None


def _found(told: IO[bytes]) -> dict[str, Any] | None:
    """Read what the process found last; it may have been ended in the middle of a line."""
    told.seek(0)
    for line in reversed(told.read().splitlines()):
        with suppress(ValueError):
            document: Any = json.loads(line)
            if isinstance(document, dict) and "way" in document:
                return document
    return None


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace").strip().rpartition("\n")[2]


def _place_of_trunk(bundle: Bundle, candidates: list[Way]) -> Path:
    """Where stands by what a trunk is computed: named by its weights, whatever file holds them."""
    card, trunk = bundle.card, digest(trunk_of(read_bundle(bundle)))
    place = _place(f"{card.architecture}|{card.input_side}|{trunk}", candidates)
    return place.parent / "trunks" / place.name


def _place(model: str, candidates: list[Way]) -> Path:
    """Where a choice is remembered, by all that it depends on."""
    on = [
        model,
        *map(str, candidates),
        str(settings.CONFIG.batch_size),
        VERSION,
        platform.machine(),
        f"{cores()} cores, batches cut {CUT}",
        *gpu_names(),
        *sorted(processor_flags()),
        *(f"{name} {_version(name)}" for name in PACKAGES),
    ]
    name = sha256("\n".join(on).encode()).hexdigest()[:32]
    return Path(settings.CONFIG.state_dir) / "runtimes" / f"{name}.json"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _read(place: Path, candidates: list[Way]) -> Choice | None:
    """What was found earlier, if it can be had. A file that cannot be read is found out anew."""
    try:
        known = _choice(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return known if known.way in candidates and known.batch_size > 0 else None


def _choice(document: dict[str, Any]) -> Choice:
    return Choice(Way(**document["way"]), int(document["batch_size"]))


def _keep(place: Path, document: dict[str, Any]) -> None:
    draft = place.with_name(f".{token_hex(8)}")
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_text(json.dumps(document, indent=1), encoding="utf-8")  # of this machine: never into a store
        draft.replace(place)
    except OSError as problem:  # it is found out anew at the next start
        draft.unlink(missing_ok=True)
        log.warning("choice_not_kept", reason=type(problem).__name__)
