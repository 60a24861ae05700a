"""What benchmarks print and measure with: one JSON line for each figure."""

import io
import itertools
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil
from PIL import Image

from ml.images.plain import read_plain
from ml.images.plane import make_plane
from ml.images.preview import make_preview
from ml.inference import Scorer

_MARKS = itertools.count()
CORES = len(os.sched_getaffinity(0))


def say(figure: str, value: float, unit: str, n: int, **more: object) -> None:
    """Print one figure: its name, value, unit, and of how many it was taken."""
    sys.stdout.write(json.dumps({"figure": figure, "value": round(value, 4), "unit": unit, "n": n, **more}) + "\n")
    sys.stdout.flush()


def decode_seconds(files: Sequence[bytes]) -> float:
    """Processor seconds to bring one file from bytes to plane and preview in memory, on one core."""
    for content in files[:10]:
        make_plane(read_plain(content).gray)
    started = time.process_time()
    for content in files:
        gray = read_plain(content).gray
        make_plane(gray)
        make_preview(gray)
    return (time.process_time() - started) / len(files)


def model_seconds(scorers: Sequence[Scorer], planes: Sequence[bytes]) -> float:
    """Wall seconds of one plane through all models in full batches, all cores: the best of three passes.

    Models on one trunk share its work within a pass, as in a worker. Nothing is known from the pass before.
    """
    size = max(scorer.batch_size for scorer in scorers)
    passes = []
    for _ in range(4):  # the first, in which kernels are prepared, does not count
        fresh = [_marked(plane, next(_MARKS)) for plane in planes]
        started = time.perf_counter()
        for at in range(0, len(fresh), size):
            for scorer in scorers:
                scorer.score(fresh[at : at + size])
        passes.append((time.perf_counter() - started) / len(planes))
    return min(passes[1:])


def _marked(plane: bytes, number: int) -> bytes:
    """Change some pixels, so that no model remembers the plane, from whatever pass before."""
    return number.to_bytes(4, "big") + plane[4:]


class Running(Protocol):
    """Whatever has a process: a worker, a server."""

    @property
    def pid(self) -> int: ...


def used(worker: Running) -> dict[str, float]:
    """Give processor seconds of a worker and all below it so far, and the most memory it held in MB."""
    everyone = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
    return {
        "cpu": sum(sum(each.cpu_times()[:4]) for each in everyone),  # with that of children that have ended
        "peak_mb": sum(peak_mebibytes(each.pid) for each in everyone),
    }


def peak_mebibytes(pid: int) -> float:
    """Give the most memory that a process ever held (Linux; 0 elsewhere)."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that a share of all, in percent, does not exceed."""
    return float(np.percentile(values, share, method="higher"))


def another(content: bytes, pixels: int) -> bytes:
    """Give the same picture with some columns less: another picture for the service."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        picture.crop((pixels, 0, *picture.size)).save(out, "JPEG", quality=90)
    return out.getvalue()
