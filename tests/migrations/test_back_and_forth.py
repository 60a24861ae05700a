import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from tests.environment import DATABASE_URL, ROOT

OWN_APPS = [
    app.label
    for app in apps.get_app_configs()
    if app.name.startswith("screening.") and (Path(app.path) / "migrations").is_dir()
]


@pytest.fixture
def scratch_database(tmp_path) -> Iterator[str]:
    """Make an empty database of the engine under test, and remove it."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path / 'scratch.sqlite3'}"
        return
    server = urlunsplit(urlsplit(DATABASE_URL)._replace(path="/postgres"))
    name = f"test_migrations_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield urlunsplit(urlsplit(DATABASE_URL)._replace(path=f"/{name}"))
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def run(script: str, database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", script, *arguments],
        env={**os.environ, "DATABASE_URL": database},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_app_migrates_forward_one_step_back_and_forward_again(scratch_database):
    done = run("tests.migrations.back_and_forth", scratch_database, *OWN_APPS)

    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert [line.split()[0] for line in told[:-1]] == sorted(OWN_APPS)
    assert told[-1] == "append-only: True"


def test_a_release_that_knows_no_trials_finds_none(scratch_database):
    done = run("tests.migrations.trials_back", scratch_database)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["left: 1"]


@pytest.mark.django_db
def test_every_change_of_a_model_has_its_migration():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
