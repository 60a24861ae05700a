"""A worker and a database of different releases: it does not start, and one that runs gives back what it holds."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from screening.migrated import CODE, Difference, difference
from screening.results.models import Screening, ScreeningState
from screening.uploads.models import Item, ItemState, Upload
from screening.uploads.storage import incoming_path
from tests.workers.processes import Process, running, until
from tests.workers.striking import make_endless
from tests.workers.test_inference import waiting  # noqa: F401 - a fixture
from tests.workers.test_ingest import radiographs
from workers import inference, release
from workers.crew import Stop

pytestmark = pytest.mark.django_db(transaction=True)
Build = Callable[..., dict[str, str]]
LATER = ("results", "9999_of_a_later_release")
NAME = ".".join(LATER)


@contextmanager
def upgraded() -> Iterator[None]:
    """The database as a later release leaves it, until the body ends."""
    recorder = MigrationRecorder(connection)
    recorder.record_applied(*LATER)
    try:
        yield
    finally:
        recorder.record_unapplied(*LATER)


@pytest.fixture
def later() -> Iterator[None]:
    with upgraded():
        yield


@pytest.fixture
def earlier() -> Iterator[str]:
    """The database before the last migration of this release."""
    recorder = MigrationRecorder(connection)
    last = recorder.migration_qs.order_by("-pk").first()
    recorder.record_unapplied(last.app, last.name)
    yield f"{last.app}.{last.name}"
    recorder.record_applied(last.app, last.name)


def told(process: Process) -> dict[str, object]:
    """The line in which a process says that it is of another release."""
    [line] = [line for line in process.tail().splitlines() if '"other_release"' in line]
    return json.loads(line)


def test_a_database_of_this_release_differs_in_nothing() -> None:
    assert difference() == Difference((), ())
    assert not difference()


@pytest.mark.parametrize("name", ["ingest", "inference", "reconciler"])
def test_a_process_of_an_older_release_refuses_to_start_and_says_why(
    later: None, child_environment: Build, tmp_path: Path, name: str
) -> None:
    process = Process(name, child_environment(), tmp_path)
    with running(process):
        process.start()
        until(lambda: not process.alive(), 120, f"it works on:\n{process.tail()}")

    assert process.popen is not None
    assert process.popen.returncode == release.REFUSED_STATUS
    line = told(process)
    assert (line["code"], line["unknown"], line["missing"]) == (CODE, [NAME], [])
    assert not process.beat.exists()


def test_a_worker_of_a_newer_release_refuses_to_start_before_the_migration(
    earlier: str, child_environment: Build, tmp_path: Path
) -> None:
    worker = Process("ingest", child_environment(), tmp_path)
    with running(worker):
        worker.start()
        until(lambda: not worker.alive(), 120, f"it works on:\n{worker.tail()}")

    assert worker.popen is not None
    assert worker.popen.returncode == release.REFUSED_STATUS
    line = told(worker)
    assert (line["unknown"], line["missing"]) == ([], [earlier])
    assert "manage.py migrate" in str(line["what_to_do"])


def test_a_worker_that_runs_while_the_database_is_upgraded_gives_its_files_back_and_ends(
    upload_of: Callable[..., Upload], child_environment: Build, broker: str, tmp_path: Path
) -> None:
    upload = upload_of(radiographs(6))
    slow = Item.objects.filter(upload=upload).order_by("rank", "pk")[0]
    make_endless(incoming_path(slow.incoming))
    worker = Process("ingest", child_environment(TEST_HANDS="1"), tmp_path)
    items = Item.objects.filter(upload=upload)
    with running(worker):
        worker.start()
        begun = items.filter(state=ItemState.DECODING, computing=True)
        until(begun.exists, 180, f"nothing was begun:\n{worker.tail()}")
        with upgraded():
            until(lambda: not worker.alive(), release.LOOK_SECONDS + 30, f"it works on:\n{worker.tail()}")

    assert worker.popen is not None
    assert worker.popen.returncode == 0
    assert told(worker)["code"] == CODE
    assert not items.filter(state=ItemState.DECODING).exists()
    assert set(items.filter(state=ItemState.RECEIVED).values_list("attempts", "deaths")) == {(0, 0)}


@pytest.mark.parametrize("is_upgraded", [True, False])
def test_a_batch_that_the_newer_database_refuses_counts_nothing_against_its_rows(
    waiting: Callable[[int], Upload],  # noqa: F811 - the fixture
    noop: object,
    monkeypatch: pytest.MonkeyPatch,
    is_upgraded: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    waiting(2)

    def no_such_column(**_: object) -> None:
        if is_upgraded:
            MigrationRecorder(connection).record_applied(*LATER)
        raise ProgrammingError("column does not exist")

    lane = Screening.objects.values_list("model_version_id", flat=True).first()
    monkeypatch.setattr(inference, "record_outcomes", no_such_column)
    try:
        with pytest.raises(ProgrammingError):
            inference.screen_batch(lane, Stop())
        rows = Screening.objects.values_list("state", "attempts")
        if is_upgraded:
            until(lambda: list(rows.all()) == [(ScreeningState.WAITING, 0)] * 2, 20, "not given back")
        else:
            assert list(rows.all()) == [(ScreeningState.LEASED, 1)] * 2
    finally:
        MigrationRecorder(connection).record_unapplied(*LATER)


def test_a_database_that_does_not_answer_is_of_no_release_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_known: object) -> None:
        raise OperationalError("starting")

    monkeypatch.setattr(release, "difference", away)

    assert not release.of_other_release()


def test_the_web_process_is_not_ready_on_a_database_of_a_later_release() -> None:
    assert Client().get("/readyz").status_code == 200
    with upgraded():
        answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready"})


def test_what_another_package_took_away_tells_of_no_later_release() -> None:
    gone = ("sessions", "0002_taken_away_since")
    MigrationRecorder(connection).record_applied(*gone)
    try:
        assert not difference()
    finally:
        MigrationRecorder(connection).record_unapplied(*gone)


def test_files_of_another_release_in_the_place_of_this_one_make_it_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not release.of_other_release()
    monkeypatch.setattr(release, "known_migrations", lambda: frozenset({("users", "9999_not_applied_yet")}))

    assert not release.of_other_release()


def test_one_round_of_the_reconciler_leaves_nobody_looking() -> None:
    call_command("reconcile", "--once")

    assert "release" not in {thread.name for thread in threading.enumerate()}
