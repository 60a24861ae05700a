import os
import signal
from pathlib import Path

import pytest

from tests.front.conftest import BEATING, eventually, is_alive, number_in
from workers.supervisor.children import LOG_BYTES, LONGEST_WAIT, SETTLED

DEAF = BEATING.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")
WITH_A_CHILD_OF_ITS_OWN = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path("grandchild").write_text(str(child.pid))
time.sleep(600)
"""


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_killed_child_starts_again_after_its_wait(make_child, clock, said):
    child = make_child(clock=clock)
    child.start()
    first = child.pid
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not child.alive)

    child.look()
    assert child.pid is None
    clock.now += 0.49
    child.look()
    assert child.pid is None
    clock.now += 0.02
    child.look()

    assert child.alive
    assert child.pid != first
    assert child.starts == 2
    assert said == [f"worker was ended by SIGKILL; it starts again in 0.5 s. See {child.program.log}"]


def test_waits_double_up_to_half_a_minute_and_begin_anew_after_a_settled_life(make_child, clock, said):
    child = make_child("raise SystemExit(3)", clock=clock)
    waits = []
    for _ in range(8):
        child.start()
        eventually(lambda: not child.alive)
        child.look()
        waits.append(child._next_start - clock.now)
    child.start()
    eventually(lambda: not child.alive)
    clock.now += SETTLED

    child.look()

    assert waits == [0.5, 1, 2, 4, 8, 16, LONGEST_WAIT, LONGEST_WAIT]
    assert child._next_start - clock.now == 0.5
    assert "ended with status 3" in said[0]


def test_child_that_stops_beating_is_replaced(make_child, clock, said):
    child = make_child(clock=clock)
    child.start()
    first = child.pid
    eventually(child.program.beat.exists)
    os.kill(first, signal.SIGSTOP)
    eventually(lambda: state_of(first) == "T")
    clock.now += 1
    child.look()
    clock.now += child.program.silence - 0.5
    child.look()
    assert child.pid == first, "it is given all of its time"

    clock.now += 1
    child.look()

    assert child.pid is None
    assert not is_alive(first)
    assert said == [f"worker has stopped beating and was killed; it starts again in 0.5 s. See {child.program.log}"]


def test_first_beat_may_take_the_longer_grace(make_child, clock):
    child = make_child("import time; time.sleep(600)", clock=clock)
    child.start()
    first = child.pid

    clock.now += child.program.grace
    child.look()
    assert child.pid == first
    clock.now += 1
    child.look()

    assert child.pid is None


def test_beat_of_an_earlier_run_does_not_count(make_child):
    child = make_child("import time; time.sleep(600)")
    child.program.beat.touch()

    child.start()

    assert not child.program.beat.exists()


def test_what_a_dead_child_started_dies_with_it(make_child, tmp_path):
    child = make_child(WITH_A_CHILD_OF_ITS_OWN)
    child.start()
    grandchild = number_in(tmp_path / "grandchild")
    os.kill(child.pid, signal.SIGKILL)
    eventually(lambda: not child.alive)

    child.look()

    eventually(lambda: not is_alive(grandchild))


def test_asked_child_ends_by_itself_and_leaves_no_record(make_child):
    child = make_child()
    child.start()
    eventually(child.program.beat.exists)
    assert child.program.record.read_text().startswith(f"{child.pid} ")

    child.ask_to_end()
    eventually(lambda: not child.alive)
    child.forget()

    assert not child.program.record.exists()
    assert not child.program.beat.exists()


def test_deaf_child_is_gone_after_forget(make_child):
    child = make_child(DEAF)
    child.start()
    eventually(child.program.beat.exists)
    pid = child.pid
    child.ask_to_end()

    child.forget()

    assert not is_alive(pid)


def test_long_log_is_set_aside_before_the_next_start(make_child):
    child = make_child()
    with child.program.log.open("wb") as log:
        log.truncate(LOG_BYTES + 1)

    child.start()

    assert child.program.log.stat().st_size == 0
    assert child.program.log.with_suffix(".log.1").stat().st_size == LOG_BYTES + 1


@pytest.mark.parametrize("status", [0, 1])
def test_child_that_ends_by_itself_is_replaced_whatever_its_status(make_child, clock, status):
    child = make_child(f"raise SystemExit({status})", clock=clock)
    child.start()
    eventually(lambda: not child.alive)
    child.look()
    clock.now += 0.5

    child.look()

    assert child.starts == 2
