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


def test_a_stuck_hand_stops_the_heart(tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, end = threading.Event(), threading.Event()

    def hang() -> None:
        progress.note()
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
