import threading
import time
from collections.abc import Iterator

import pytest

from tests.workers.processes import until
from workers.crew import PROGRESS, Crew, Stop


class Work:
    """A pile of work that a crew takes from."""

    def __init__(self, waiting: int = 0) -> None:
        self.waiting = waiting
        self.looks = 0
        self.done: list[str] = []
        self.lock = threading.Lock()
        self.trouble = 0

    def step(self, stop: Stop) -> bool:
        with self.lock:
            self.looks += 1
            if self.trouble:
                self.trouble -= 1
                raise ValueError("a message with a patient's name in it")
            if not self.waiting:
                return False
            self.waiting -= 1
            self.done.append(threading.current_thread().name)
        return True


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def crew(work: Work) -> Iterator[Crew]:
    made = Crew("test", work.step, poll=60)
    yield made
    made.stop()
    assert made.join(10)


def test_without_hands_a_call_is_done_in_the_caller(crew: Crew, work: Work) -> None:
    work.waiting = 3

    crew.call()

    assert work.done == [threading.current_thread().name] * 3


def test_a_call_wakes_idle_hands_long_before_they_would_look(crew: Crew, work: Work) -> None:
    crew.start(2)
    until(lambda: work.looks >= 2, 10, "the hands never looked")
    work.waiting = 5

    crew.call()

    until(lambda: len(work.done) == 5, 10, "the call was not heard")
    assert {name.rpartition("-")[0] for name in work.done} == {"test"}


def test_idle_hands_look_without_being_called(work: Work) -> None:
    crew = Crew("poll", work.step, poll=0.05)
    crew.start(1)
    until(lambda: work.looks >= 1, 10, "no look")
    work.waiting = 1

    until(lambda: len(work.done) == 1, 10, "nobody looked again")

    crew.stop()
    assert crew.join(10)


def test_a_call_during_a_look_that_finds_nothing_means_another_look(work: Work) -> None:
    looked, go_on = threading.Event(), threading.Event()

    def slow(stop: Stop) -> bool:
        if not looked.is_set():
            looked.set()
            go_on.wait(10)
            return False
        return work.step(stop)

    crew = Crew("slow", slow, poll=60)
    crew.start(1)
    looked.wait(10)
    work.waiting = 1
    crew.call()
    go_on.set()

    until(lambda: len(work.done) == 1, 10, "the call was lost")
    crew.stop()
    assert crew.join(10)


def test_a_step_that_fails_costs_neither_the_hand_nor_a_word_of_its_message(
    work: Work, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("workers.crew.BREATH", 0.01)
    work.trouble, work.waiting = 2, 1
    crew = Crew("troubled", work.step, poll=0.02)
    crew.start(1)

    until(lambda: len(work.done) == 1, 10, "the hand was lost")

    crew.stop()
    assert crew.join(10)
    assert "step_failed" in caplog.text
    assert "ValueError" in caplog.text
    assert "patient" not in caplog.text


def test_stopped_hands_take_nothing_more_and_leave_the_list_of_those_who_must_get_on(crew: Crew, work: Work) -> None:
    crew.start(2)
    until(lambda: len(PROGRESS._last.keys() & {thread.ident for thread in crew._threads}) == 2, 10, "not watched")
    crew.stop()
    assert crew.join(10)
    work.waiting = 1
    crew.call()
    time.sleep(0.1)

    assert work.waiting == 1
    assert not PROGRESS._last.keys() & {thread.ident for thread in crew._threads}
