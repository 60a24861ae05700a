import threading
import time
from pathlib import Path

import pytest

from workers import crew, heartbeat
from workers.crew import Progress
from workers.keeper import STUCK_SECONDS


@pytest.fixture(autouse=True)
def progress(monkeypatch: pytest.MonkeyPatch) -> Progress:
    """A list of hands of this test alone: other tests of this process had hands of their own."""
    fresh = Progress()
    monkeypatch.setattr(heartbeat, "PROGRESS", fresh)
    return fresh


def test_a_worker_whose_hands_get_on_touches_its_file(tmp_path: Path) -> None:
    assert heartbeat.beat_once(tmp_path / "beat")
    assert (tmp_path / "beat").is_file()


def test_every_process_that_beats_is_watched() -> None:
    beating = [path for path in Path("workers").rglob("*.py") if "heartbeat.start()" in path.read_text()]

    assert {path.stem for path in beating} == {"lifecycle", "reconcile", "dicom_listener"}
    assert all("PROGRESS.enroll()" in path.read_text() or "crew.start(" in path.read_text() for path in beating)


def test_a_worker_that_ends_itself_says_where_its_threads_were_and_no_value():
    secret, end = "Zebedee Quillfeather", threading.Event()

    def hang_on(patient: str) -> None:
        assert patient
        end.wait(30)

    thread = threading.Thread(target=hang_on, args=(secret,), name="stuck")
    thread.start()
    told = heartbeat.where_threads_are()
    end.set()
    thread.join()

    assert any(line.startswith("hang_on (test_heartbeat.py:") for line in told["stuck"])
    assert secret not in str(told)
    assert max(map(len, told.values())) <= heartbeat.FRAMES


def test_a_thread_that_is_no_hand_stops_no_heart_once_it_has_ended(
    tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = threading.Thread(target=progress.note)  # as the one does that loads models before anybody asks
    helper.start()
    helper.join()
    later = time.monotonic() + STUCK_SECONDS + 1
    monkeypatch.setattr(crew.time, "monotonic", lambda: later)

    assert heartbeat.beat_once(tmp_path / "beat")


def test_a_stuck_hand_stops_the_heart(tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, end = threading.Event(), threading.Event()

    def hang() -> None:
        progress.enroll()
        stuck.set()
        end.wait(30)
        progress.forget()

    hand = threading.Thread(target=hang)
    hand.start()
    stuck.wait(10)
    now = time.monotonic
    later = now() + STUCK_SECONDS + 1
    monkeypatch.setattr(crew.time, "monotonic", lambda: later)

    beaten = heartbeat.beat_once(tmp_path / "beat")
    monkeypatch.setattr(crew.time, "monotonic", now)
    end.set()
    hand.join()

    assert not beaten
    assert not (tmp_path / "beat").exists()
    assert heartbeat.beat_once(tmp_path / "beat")
