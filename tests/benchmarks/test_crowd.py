"""The crowd of clients that other servers are measured with: it must neither lose a picture nor pass a refusal over."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.benchmarks.crowd import BOUNDARY, FIELD, Refused, crowd

FILES = {f"{number:02}.jpg": bytes([number]) * (number + 1) for number in range(40)}


class Listener(ThreadingHTTPServer):
    """Answers each form with its length, holds what came, and counts how many it held at once."""

    request_queue_size = 64
    daemon_threads = True

    def __init__(self, *, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.status, self.came, self.held, self.most = status, [], 0, 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/screen"


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body, server = self.rfile.read(int(self.headers["Content-Length"])), self.server
        assert isinstance(server, Listener)
        with server.lock:
            server.came.append((self.path, body))
            server.held += 1
            server.most = max(server.most, server.held)
        time.sleep(0.01)
        with server.lock:
            server.held -= 1
        said = str(len(body)).encode()
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of its base
        pass


@contextmanager
def listening(*, status: int = 200) -> Iterator[Listener]:
    with Listener(status=status) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_every_file_is_sent_once_and_whole_and_its_answer_kept_under_its_name():
    with listening() as server:
        seconds, answers = crowd(server.url, FILES, clients=8)

    parts = sorted(body.split(b"\r\n\r\n", 1)[1] for _, body in server.came)
    assert parts == sorted(content + f"\r\n--{BOUNDARY}--\r\n".encode() for content in FILES.values())
    assert {path for path, _ in server.came} == {"/screen"}
    assert all(f'name="{FIELD}"'.encode() in body for _, body in server.came)
    lengths = {body.split(b'filename="')[1][:6].decode(): len(body) for _, body in server.came}
    assert answers == lengths
    assert answers.keys() == FILES.keys()
    assert seconds >= 0.01 * len(FILES) / 8


def test_as_many_ask_at_once_as_are_told_to_and_no_more():
    with listening() as server:
        crowd(server.url, FILES, clients=4)

    assert 1 < server.most <= 4


def test_a_refusal_is_no_answer():
    with listening(status=503) as server, pytest.raises(Refused, match="503"):
        crowd(server.url, FILES, clients=4)

    assert len(server.came) <= 4
