import os
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.environment import ROOT
from tests.front.conftest import eventually, is_alive, number_in
from workers.supervisor.processes import TakenOver, birth, end_recorded, spawn, write_record

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
PARENT = """
    import os, pathlib, sys, time
    sys.path.insert(0, {root!r})
    from workers.supervisor.processes import spawn
    child = spawn({command!r}, output=-3, environment=os.environ, folder=pathlib.Path())
    pathlib.Path("child").write_text(str(child.pid))
    time.sleep(600)
"""


@pytest.fixture
def sleeper(tmp_path):
    process = spawn(SLEEP, output=subprocess.DEVNULL, environment=os.environ, folder=tmp_path)
    yield process
    process.kill()
    process.wait()


@LINUX
def test_child_ends_when_its_parent_is_killed(tmp_path):
    code = textwrap.dedent(PARENT.format(root=str(ROOT), command=SLEEP))
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    child = number_in(tmp_path / "child")
    assert is_alive(child)

    parent.kill()
    parent.wait()

    eventually(lambda: not is_alive(child))


@LINUX
def test_child_whose_parent_is_gone_before_it_is_tied_does_not_run(tmp_path):
    tether = ROOT / "workers" / "supervisor" / "tether.py"

    done = subprocess.run(
        [sys.executable, "-I", "-S", str(tether), "1", "15", "touch", "ran"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )

    assert done.returncode == 1
    assert b"is gone; start it again" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_child_does_not_share_the_terminal_s_group(sleeper):
    eventually(lambda: os.getsid(sleeper.pid) == sleeper.pid)

    assert os.getpgid(sleeper.pid) != os.getpgrp()


def test_child_left_behind_is_ended_by_its_record(tmp_path, sleeper):
    record = tmp_path / "worker.pid"
    write_record(record, sleeper.pid)

    assert end_recorded(record, patience=5) is True

    assert sleeper.wait(5) == -signal.SIGTERM
    assert not record.exists()


def test_number_given_to_another_process_since_is_left_alone(tmp_path, sleeper):
    record = tmp_path / "worker.pid"
    record.write_text(f"{sleeper.pid} 12345")

    assert end_recorded(record, patience=5) is False

    assert sleeper.poll() is None
    assert not record.exists()


@pytest.mark.parametrize("torn", ["", "x", "17"])
def test_torn_record_ends_nothing_and_is_removed(tmp_path, torn):
    record = tmp_path / "worker.pid"
    record.write_text(torn)

    assert end_recorded(record, patience=0) is False

    assert not record.exists()


def test_no_record_ends_nothing(tmp_path):
    assert end_recorded(tmp_path / "none.pid", patience=0) is False


def test_process_taken_over_is_seen_to_end(sleeper):
    taken = TakenOver(sleeper.pid)
    assert taken.poll() is None

    sleeper.kill()
    sleeper.wait()

    assert taken.poll() == 0


def test_dead_process_has_no_birth(sleeper):
    assert birth(sleeper.pid) is not None

    sleeper.kill()
    sleeper.wait()

    assert birth(sleeper.pid) is None
