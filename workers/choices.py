"""By what this machine computes each model: found by measuring at its first start, and remembered."""

import json
import os
import platform
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import structlog
from django.conf import settings

from ml.models.bundle import Bundle
from ml.models.choosing import Choice, choose, ways
from ml.models.precision import gpu_names, processor_flags
from ml.models.runtime import EXACT, Way
from screening import VERSION
from workers.crew import PROGRESS
from workers.device import DEVICE
from workers.replacing import replace_file

log = structlog.get_logger(__name__)

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
        choice = choose(bundle, candidates, config.batch_size, PROGRESS.note)
    for one in choice.tried:
        told = {"difference": one.difference, "refused": one.refused, "planes_per_second": one.planes_per_second}
        log.info("runtime_tried", model=bundle.card.name, way=str(one.way), batch_size=one.batch_size, **told)
    _keep(place, choice)
    return choice


def _key(bundle: Bundle, candidates: list[Way]) -> str:
    """Name what the choice depends on."""
    on = [
        bundle.card.model_sha256,
        *map(str, candidates),
        str(settings.CONFIG.batch_size),
        VERSION,
        platform.machine(),
        str(os.cpu_count()),
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
        told: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        return Choice(Way(**told["way"]), int(told["batch_size"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(place: Path, choice: Choice) -> None:
    try:
        place.parent.mkdir(mode=0o700, exist_ok=True)
        replace_file(place, json.dumps(asdict(choice), indent=1).encode())
    except OSError as problem:  # it is found out anew at the next start
        log.warning("choice_not_kept", reason=type(problem).__name__)
