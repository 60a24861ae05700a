import http.server
import os
import socket
import threading

import pytest

from tests.front.conftest import eventually
from workers.supervisor.errors import CannotStart
from workers.supervisor.lock import OnlyOne
from workers.supervisor.pulses import Answering, BeatFile, HttpPulse, get
from workers.supervisor.steps import refuse_taken_port


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answer everything with 400, as Django answers a host it does not know."""

    def do_GET(self) -> None:
        self.send_response(400)
        self.end_headers()
        self.wfile.write(b"unknown host " + self.headers["Host"].encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def free_port():
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def test_second_start_is_refused_and_told_where_the_first_one_is(tmp_path):
    path = tmp_path / "lock"

    with OnlyOne(path, address="http://127.0.0.1:8017"), pytest.raises(CannotStart) as refused:
        OnlyOne(path, address="http://127.0.0.1:8018").__enter__()

    assert refused.value.code == "already_running"
    assert refused.value.what_happened.endswith(f"at http://127.0.0.1:8017 (process {os.getpid()}).")


def test_lock_is_free_once_its_holder_is_gone(tmp_path):
    path = tmp_path / "lock"
    with OnlyOne(path, address="a"):
        pass

    with OnlyOne(path, address="b"):
        assert b'"b"' in path.read_bytes()


def test_port_of_another_program_is_refused_with_a_way_out(web):
    with pytest.raises(CannotStart) as refused:
        refuse_taken_port(web)

    assert refused.value.code == "port_taken"
    assert refused.value.what_to_do == "Choose another: make up PORT=8001"


def test_impossible_port_is_refused():
    with pytest.raises(CannotStart) as refused:
        refuse_taken_port(70_000)

    assert refused.value.what_happened == "Port 70000 cannot be used: there is no such port."


def test_free_port_is_taken_without_a_word(free_port):
    assert refuse_taken_port(free_port) is None


def test_beat_file_is_silent_until_first_touched_and_differs_after_each_touch(tmp_path):
    pulse = BeatFile(tmp_path / "beat")
    assert pulse.read() is None

    pulse.path.touch()
    first = pulse.read()
    os.utime(pulse.path, (1, 1))  # a clock set back is a beat all the same

    assert first is not None
    assert pulse.read() != first


def test_answering_pulse_beats_only_when_answered():
    answers = iter([False, True, False])
    pulse = Answering(lambda: next(answers), every=0)

    assert [pulse.read(), pulse.read(), pulse.read()] == [None, 1, 1]


def test_http_pulse_takes_a_refusal_for_life(web):
    pulse = HttpPulse(host="example.org", port=web, path="/healthz", every=0.01, timeout=2)

    eventually(lambda: (pulse.read() or 0) >= 2)

    pulse.close()


def test_http_pulse_of_nobody_never_beats(free_port):
    pulse = HttpPulse(host="localhost", port=free_port, path="/healthz", every=0.01, timeout=0.2)
    pulse.read()
    threading.Event().wait(0.2)

    assert pulse.read() is None
    pulse.close()


def test_question_names_the_host_it_is_meant_for(web, free_port):
    assert get("screening.example.org", web, "/", timeout=2) == (400, "unknown host screening.example.org")
    assert get("localhost", free_port, "/", timeout=1) == (None, "ConnectionRefusedError")
