"""The folder that gets what is kept of a file, and the clock beside it."""

import errno
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.images.assess import assess
from ml.images.dicom_routing import Route
from ml.images.gate import NAME as GATE
from ml.images.plane import Whole, make_plane, make_plane_of_reduced
from ml.images.preview import make_preview
from ml.images.records import Options, Picture, Unreadable
from ml.images.text import find_hidden_text
from ml.vocabulary import Modality, NotAssessed, Note

FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(slots=True)
class Kept:
    """Writes source, previews and planes into `out`, and sums up the time each step takes."""

    out: Path
    options: Options
    timings: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)  # what was learnt on the way

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the milliseconds of the body to `step`."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - begun) * 1000
            self.timings[step] = round(self.timings.get(step, 0.0) + spent, 3)

    def write(self, name: str, content: bytes) -> None:
        """Write one file into the folder.

        Raises:
            Unreadable: `storage_full`, or `interrupted` for any other failure of the disk.
        """
        try:
            (self.out / name).write_bytes(content)
        except OSError as failure:
            code = "storage_full" if failure.errno in FULL else "interrupted"
            raise Unreadable(code, cause=type(failure).__name__) from None

    def picture(
        self,
        frame: int,
        gray: NDArray[np.uint8],
        told: Route,
        notes: tuple[Note, ...],
        *,
        stored: NDArray[Any],
        hounsfield: bool,
        masked: int = 0,
        whole: Whole | None = None,
    ) -> Picture:
        """Write preview and plane of one frame, and say what it is.

        Args:
            frame: From 0.
            gray: uint8, shape `(rows, columns)`.
            told: What the header says.
            notes: What reading the gray values noted.
            stored: The values that are kept, of the same picture.
            hounsfield: Whether the gray values are a window of Hounsfield units.
            masked: How many regions of it were filled already. What still seems to be text is noted.
            whole: The picture, where `gray` shows it reduced.
        """
        rows, columns = (whole.rows, whole.columns) if whole else gray.shape
        with self.timed("preview_ms"):
            self.write(f"{frame}.jpg", make_preview(gray))
        with self.timed("plane_ms"):
            plane = make_plane_of_reduced(gray, whole) if whole else make_plane(gray)
            content = plane.tobytes()
            self.write(f"{frame}.plane", content)
        with self.timed("assess_ms"):
            verdict = assess(plane, (rows, columns), told, self.options.modality)
        if told.gated:  # another gate may answer otherwise about the same picture
            self.facts["Gate"] = GATE
        with self.timed("text_ms"):
            readable = bool(find_hidden_text(gray, stored, halved=whole.levels if whole else 0))
        if verdict.modality is Modality.CT and not hounsfield:
            notes += (Note.WINDOW_UNKNOWN,)
        notes += (Note.TEXT_MASKED,) * bool(masked) + (Note.TEXT_SEEN,) * readable
        held = NotAssessed.BURNED_IN_HELD if readable and self.options.hold_burned_in else None
        return Picture(
            frame=frame,
            modality=verdict.modality,
            view=told.view,
            rows=rows,
            columns=columns,
            notes=tuple(dict.fromkeys(told.notes + notes + verdict.notes)),
            not_assessed=verdict.not_assessed or held,
            plane_sha256=hashlib.sha256(content).hexdigest(),
            position=told.position,
            masked=masked,
        )
