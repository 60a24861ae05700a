import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from screening.results.models import ModelVersion
from screening.uploads.models import Upload
from tests.environment import DATABASE_URL, ROOT
from tests.phantoms import png_file, radiograph
from tests.stores import stores
from tests.workers.conftest import noop, site, staff, upload_of
from tests.workers.test_ingest import ingest_all, radiographs
from workers.crew import Stop
from workers.inference import screen_batch

__all__ = ["noop", "site", "staff", "stores", "upload_of"]


@pytest.fixture(autouse=True)
def client_programs() -> None:  # for tests that run them
    missing = connection.vendor == "postgresql" and not all(map(shutil.which, ("pg_dump", "pg_restore", "psql")))
    if missing:
        pytest.skip("needs PostgreSQL's client programs: apt install postgresql-client")


@pytest.fixture
def state(stores: Path, settings: Any) -> Path:
    """Give the state folder of the backed-up installation: bytes, keys and a secret of its own."""
    settings.CONFIG = replace(settings.CONFIG, state_dir=stores)
    (stores / "secret_key").write_text("a-secret-of-this-installation")
    return stores


@pytest.fixture
def served(state: Path, upload_of: Callable[..., Upload], noop: ModelVersion) -> Upload:
    """An installation with files of several outcomes: flagged, rejected and twice sent. None waits."""
    files = radiographs(3)
    first = upload_of(files | {"Meier^Anna.txt": b"no picture", "again.dcm": files["0.dcm"]})
    ingest_all()
    upload_of({"late.png": png_file(radiograph(64, 60, seed=9)), "known.dcm": files["1.dcm"]})
    ingest_all()
    while screen_batch(noop.pk, Stop()):
        pass
    return first


def back_up(target: Path, *words: str) -> str:
    """Run the command in this process, on the database of the tests. What it printed."""
    said = StringIO()
    call_command("backup", str(target), *words, stdout=said, stderr=said)
    return said.getvalue()


@dataclass
class Elsewhere:
    """Another installation, empty at first: a folder and a database of its own."""

    state: Path
    database_url: str

    @property
    def environment(self) -> dict[str, str]:
        named = {"DATABASE_URL": self.database_url, "STATE_DIR": str(self.state)}
        return {**os.environ, "DJANGO_SETTINGS_MODULE": "screening.settings", **named}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def restore(self, source: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("manage.py", "restore", str(source), *words)

    def told(self, *words: str) -> dict[str, Any]:
        done = self.run("-m", "tests.backups", *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    folder = tmp_path_factory.mktemp("elsewhere")
    if connection.vendor == "sqlite":
        yield Elsewhere(folder, f"sqlite:///{folder / 'screening.sqlite3'}")
        return
    name = f"test_backups_{os.getpid()}"
    with psycopg.connect(urlunsplit(urlsplit(DATABASE_URL)._replace(path="/postgres")), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield Elsewhere(folder, urlunsplit(urlsplit(DATABASE_URL)._replace(path=f"/{name}")))
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
