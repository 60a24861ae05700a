from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import FileDataset, dcmread

from ml.images import assess
from ml.images.read import Options, Picture, Processed, process_file
from ml.vocabulary import Modality, NotAssessed

KEY = bytes(range(32))


@dataclass
class Answer:
    modality: Modality
    reason: NotAssessed | None


class Gate:
    """A gate that answers what the test says, and counts how often it was asked."""

    def __init__(self) -> None:
        self.modality = Modality.XRAY
        self.reason = NotAssessed.NOT_CHEST  # given with UNKNOWN alone
        self.asked = 0

    def __call__(self, plane: NDArray[np.uint8]) -> Answer:
        self.asked += 1
        return Answer(self.modality, self.reason if self.modality is Modality.UNKNOWN else None)


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(assess, "route", gate)
    return gate


@dataclass
class Outcome:
    """What became of a file, and the folder with what was kept of it."""

    processed: Processed
    out: Path

    @property
    def picture(self) -> Picture:
        return self.processed.pictures[0]

    @property
    def source(self) -> Path:
        return self.out / self.processed.source_name

    def kept(self) -> FileDataset:
        return dcmread(self.source)

    def plane(self, frame: int = 0) -> NDArray[np.uint8]:
        return np.frombuffer((self.out / f"{frame}.plane").read_bytes(), np.uint8).reshape(512, 512)

    def all_bytes(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.out.iterdir()))


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Outcome]:
    """Send bytes through `process_file`; keywords go into the options."""

    def run(data: bytes, **options: Any) -> Outcome:
        name = f"{len(list(tmp_path.iterdir())):03}"
        source, out = tmp_path / f"{name}.bytes", tmp_path / name
        source.write_bytes(data)
        out.mkdir()
        return Outcome(process_file(source, out, Options(**{"key": KEY} | options)), out)

    return run
