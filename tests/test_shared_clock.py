"""Leases go by one clock, whatever a process takes for the time of day."""

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from screening import leasing
from screening.flows.reclaim import reclaim_expired
from screening.results.models import Screening, ScreeningState
from screening.sqlite import clock
from tests.factories import ScreeningFactory
from tests.faketime import time_of_day

OFF = ("+2h", "-2h")
ROOT = Path(__file__).resolve().parent.parent
CLAIM = """
import django
django.setup()
from django.utils import timezone
from screening import leasing
from screening.results.models import Screening
lease, rows = leasing.claim(Screening.objects.all(), limit=1, seconds=60, state="leased")
print(timezone.now().isoformat(), len(rows))
"""


@pytest.fixture
def boots(monkeypatch, tmp_path):
    """What the kernel says of its starts, and processes that begin anew."""
    told = tmp_path / "boot_id"
    told.write_text("first\n")
    monkeypatch.setattr(clock, "BOOT", told)
    monkeypatch.setattr(clock, "_noted", {})
    return told


def wrong_by(monkeypatch, hours):
    """Set the clock of this process, as a worker's would be: what others noted is not in its memory."""
    real = clock.time.time
    monkeypatch.setattr(clock.time, "time", lambda: real() + hours * 3600)
    clock._noted.clear()


def test_who_comes_later_goes_by_the_clock_of_who_came_first(boots, tmp_path, monkeypatch):
    database = str(tmp_path / "database")
    first = clock.moment(database)
    for hours in (2, -4):
        wrong_by(monkeypatch, hours)
        assert timedelta() <= clock.moment(database) - first < timedelta(minutes=1)


def test_after_a_start_of_the_machine_the_time_of_day_holds_again(boots, tmp_path, monkeypatch):
    database = str(tmp_path / "database")
    first = clock.moment(database)
    boots.write_text("second\n")
    wrong_by(monkeypatch, 2)

    assert timedelta(hours=2) <= clock.moment(database) - first < timedelta(hours=2, minutes=1)


def test_without_room_or_without_such_a_kernel_each_goes_by_its_own_until_there_is(boots, tmp_path, monkeypatch):
    database = str(tmp_path / "away" / "database")
    first = clock.moment(database)
    wrong_by(monkeypatch, 2)
    assert clock.moment(database) - first >= timedelta(hours=2)

    (tmp_path / "away").mkdir()
    noted = clock.moment(database)
    wrong_by(monkeypatch, 2)
    assert clock.moment(database) - noted < timedelta(minutes=1)


def test_those_who_come_at_once_agree(boots, tmp_path, monkeypatch):
    note, hours, agreed = tmp_path / "database-clock", iter(range(8)), []
    monkeypatch.setattr(clock, "_own", lambda: 3600.0 * next(hours))
    gate = threading.Barrier(8)

    def agree():
        with note.open("a+") as file:  # each with a file of its own, as processes have
            gate.wait(10)
            agreed.append(clock._agreed(file, "first"))

    threads = [threading.Thread(target=agree) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(agreed) == 8
    assert len(set(agreed)) == 1


@pytest.mark.django_db
def test_the_note_lies_beside_the_file_and_both_engines_tell_the_time():
    assert abs(leasing.right_now() - leasing.right_now()) < timedelta(minutes=1)
    if connection.vendor == "sqlite":
        name = str(connection.settings_dict["NAME"])
        assert clock.note_of(name).is_file() == ("mode=memory" not in name)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("off", OFF)
def test_a_worker_whose_clock_is_wrong_holds_its_rows_as_long_as_any_other(off, child_environment):
    ScreeningFactory()
    began = leasing.right_now()
    environment = child_environment(DJANGO_SETTINGS_MODULE="screening.settings", **time_of_day(off))
    ran = subprocess.run(
        [sys.executable, "-c", CLAIM], env=environment, cwd=ROOT, check=True, capture_output=True, text=True
    )

    believed, claimed = ran.stdout.split()
    row = Screening.objects.get()
    assert claimed == "1"
    assert abs(leasing.datetime.fromisoformat(believed) - began) > timedelta(hours=1)  # it was wrong
    assert began + timedelta(seconds=60) <= row.lease_until <= leasing.right_now() + timedelta(seconds=60)
    assert reclaim_expired() == 0


@pytest.mark.django_db
def test_a_lease_of_a_time_when_the_clock_was_years_ahead_holds_nothing_for_years():
    held = {"state": ScreeningState.LEASED, "lease_token": "5b0a7a52-6b0c-4c2e-9f3e-2f6f0f1a7c11"}
    far = leasing.right_now() + timedelta(days=365)
    near = leasing.right_now() + timedelta(seconds=2 * settings.CONFIG.lease_seconds)
    years, usual = (ScreeningFactory(lease_until=end, **held) for end in (far, near))

    assert reclaim_expired() == 1
    assert set(Screening.objects.values_list("pk", "state")) == {(years.pk, "waiting"), (usual.pk, "leased")}


@pytest.mark.parametrize("damage", [b"first 1.7x", b"\xff\xfe", b"first", b""])
def test_a_note_that_nobody_can_read_is_written_anew(boots, tmp_path, damage):
    database = str(tmp_path / "database")
    clock.note_of(database).write_bytes(damage)

    first = clock.moment(database)
    clock._noted.clear()

    assert clock.moment(database) >= first
    assert clock.note_of(database).read_text().startswith("first ")


@pytest.mark.parametrize("database", [":memory:", "file:memorydb_default?mode=memory&cache=shared"])
def test_a_database_in_memory_leaves_no_note(boots, tmp_path, monkeypatch, database):
    monkeypatch.chdir(tmp_path)
    clock.moment(database)
    assert [path.name for path in tmp_path.iterdir()] == ["boot_id"]


@pytest.mark.django_db
def test_a_statement_asks_for_the_time_once_however_many_rows_it_writes(monkeypatch):
    ScreeningFactory.create_batch(5, state=ScreeningState.WAITING)
    asked = []
    monkeypatch.setattr("screening.sqlite.base.moment", lambda name: asked.append(name) or clock.moment(name))

    lease, rows = leasing.claim(Screening.objects.all(), limit=5, seconds=60, state=ScreeningState.LEASED)
    times = 1 if connection.vendor == "sqlite" else 0  # a server has a clock of its own
    assert (len(rows), len(asked)) == (5, times)
    assert leasing.begin(Screening, lease) == 5
    assert len(asked) == 2 * times
