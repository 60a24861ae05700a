"""What the files of this installation tell: signs of life, and room."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.conf import settings

from screening.metrics.catalogue import Sample

PROCESSES: Final = ("ingest", "inference", "reconciler")  # those that beat; the supervisor asks the others


def beats() -> Iterator[Sample]:
    """How long ago each process of an embedded installation beat. Elsewhere each keeps its beats to itself."""
    for process in PROCESSES:
        # A worker that `manage.py screen` started for one call beats beside: the youngest beat counts.
        found = [settings.CONFIG.state_dir / "run" / f"{process}.beat"]
        found += (settings.CONFIG.state_dir / "run").glob(f"{process}-*.beat")
        ages = [time.time() - moment for moment in map(_changed, found) if moment]
        if ages:
            yield Sample("screening_process_beat_age_seconds", (process,), max(0.0, min(ages)))


def _changed(path: Path) -> float:
    """When a file was last changed; 0 if it is not there, or no more."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def room() -> Iterator[Sample]:
    """How full the file system of the state is."""
    disk = shutil.disk_usage(settings.CONFIG.state_dir)
    yield Sample("screening_state_free_bytes", (), disk.free)
    yield Sample("screening_state_size_bytes", (), disk.total)
