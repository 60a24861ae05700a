"""The real service for all tests of the client, a door of its own for each, and the command as a person runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chest_client import Client, Patience
from tests.client.proxy import Proxy, proxy_to
from tests.client.service import Door, RunningService, service
from tests.environment import ROOT
from tests.phantoms import png_file, radiograph

SOURCE = ROOT / "client" / "src"


@pytest.fixture(scope="session")
def running_service() -> Iterator[RunningService]:
    with service() as running:
        yield running


@pytest.fixture
def door(running_service: RunningService) -> Door:
    """A site where nothing has happened, and a token for it."""
    return next(running_service.doors)


@pytest.fixture
def proxy(running_service: RunningService) -> Iterator[Proxy]:
    with proxy_to(running_service.url) as between:
        yield between


@pytest.fixture
def client(door: Door) -> Iterator[Client]:
    with Client(door.url, door.token, patience=Patience(first=0.02)) as made:
        yield made


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[int], Path]:
    """Draw a folder of radiographs, each another one."""

    def draw(count: int) -> Path:
        folder = tmp_path / "ward"
        (folder / "inner").mkdir(parents=True)
        for number in range(count):
            (folder / "inner" / f"{number:03}.png").write_bytes(png_file(radiograph(64, 60, seed=number)))
        return folder

    return draw


@pytest.fixture
def folder(pictures: Callable[[int], Path]) -> Path:
    """Three good radiographs, one of them twice, one that is cut off, a text and an empty file."""
    folder = pictures(3)
    good = (folder / "inner" / "000.png").read_bytes()
    (folder / "again.png").write_bytes(good)
    (folder / "broken.png").write_bytes(good[:200])
    (folder / "notes.txt").write_text("no picture")
    (folder / "empty.png").write_bytes(b"")
    return folder


@dataclass(slots=True)
class Ctl:
    """`chestctl` with a home of its own. The token is in its environment unless it logged in."""

    home: Path
    door: Door
    url: str
    more: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        ours = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config"), "PYTHONPATH": str(SOURCE)}
        named = {"CHEST_URL": self.url, "CHEST_TOKEN": self.door.token, "COLUMNS": "200", "LANG": "C.UTF-8"}
        return {"PATH": os.environ["PATH"], **ours, **named, **self.more}

    def command(self, *words: object) -> list[str]:
        return [sys.executable, "-m", "chest_client.command.main", *map(str, words)]

    def __call__(self, *words: object, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            env=self.environment(),
            cwd=self.home,
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def json(self, *words: object, ends: int = 0) -> Mapping[str, Any]:
        done = self(*words, "--json")
        assert done.returncode == ends, done.stdout + done.stderr
        return json.loads(done.stdout)

    def start(self, *words: object, **streams: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words), env=self.environment(), cwd=self.home, text=True, start_new_session=True, **streams
        )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def ctl(door: Door, home: Path) -> Ctl:
    return Ctl(home, door, door.url)


@pytest.fixture
def ctl_by_proxy(door: Door, home: Path, proxy: Proxy) -> Ctl:
    return Ctl(home, door, proxy.url)
