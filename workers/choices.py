"""By what this machine computes each model: found by measuring at its first start, and remembered."""

import json
import os
import platform
import sys
import tempfile
import time
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from signal import SIGKILL
from typing import IO, Any, Final

import structlog
from django.conf import settings

from ml.inference import BATCH_SIZE
from ml.models.bundle import Bundle
from ml.models.card import BundleError
from ml.models.choosing import Choice, ways
from ml.models.cores import CUT, cores
from ml.models.precision import gpu_names, processor_flags
from ml.models.runtime import EXACT, Way
from screening import VERSION
from screening.config import ROOT
from workers.crew import PROGRESS
from workers.device import DEVICE
from workers.replacing import replace_file
from workers.supervisor.processes import spawn

log = structlog.get_logger(__name__)

# Seconds for trying every way of a model. Hands wait for the device meanwhile: less than a hand may stand still.
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
    place = Path(config.state_dir) / "runtimes" / f"{_key(bundle, candidates)}.json"
    known = _read(place)
    if known is not None and known.way in candidates and known.batch_size > 0:
        return known
    with DEVICE:  # one model at a time, and nothing beside it: what is measured is remembered
        document = _tried(bundle, candidates, config.batch_size)
    if document is None:
        return Choice(EXACT, config.batch_size or BATCH_SIZE)
    for one in document["tried"]:
        log.info("runtime_tried", model=bundle.card.name, **one)
    _keep(place, document)
    return _choice(document)


def _tried(bundle: Bundle, candidates: list[Way], batch_size: int) -> dict[str, Any] | None:
    """Try the ways in a process of its own, which takes their memory with it; None if it did not end well.

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
        deadline = time.monotonic() + PATIENCE
        while child.poll() is None:
            PROGRESS.note()
            time.sleep(0.1)
            if time.monotonic() > deadline:
                child.kill()
        if child.returncode == 0:
            document: dict[str, Any] = json.loads(_last_line(told))
            return document
        code, _, what = _last_line(complaints).partition(": ")
    if code == REFUSED:
        raise BundleError(code, what, "Restore the bundle, or report processor and versions.")
    log.warning("runtimes_not_tried", model=bundle.card.name, status=child.returncode, used=str(EXACT))
    return None


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace").strip().rpartition("\n")[2]


def _key(bundle: Bundle, candidates: list[Way]) -> str:
    """Name what the choice depends on."""
    on = [
        bundle.card.model_sha256,
        *map(str, candidates),
        str(settings.CONFIG.batch_size),
        VERSION,
        platform.machine(),
        f"{cores()} cores, batches cut {CUT}",
        *gpu_names(),
        *sorted(processor_flags()),
        *(f"{name} {_version(name)}" for name in PACKAGES),
    ]
    return sha256("\n".join(on).encode()).hexdigest()[:32]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _read(place: Path) -> Choice | None:
    """What was found earlier. A file that cannot be read is found out anew."""
    try:
        return _choice(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _choice(document: dict[str, Any]) -> Choice:
    return Choice(Way(**document["way"]), int(document["batch_size"]))


def _keep(place: Path, document: dict[str, Any]) -> None:
    try:
        place.parent.mkdir(mode=0o700, exist_ok=True)
        replace_file(place, json.dumps(document, indent=1).encode())
    except OSError as problem:  # it is found out anew at the next start
        log.warning("choice_not_kept", reason=type(problem).__name__)
