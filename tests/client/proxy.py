"""Between a client and the service: notes every request, and fails where a test says so."""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PATH_FIELD = re.compile(rb'name="path"\r\n\r\n(.*?)\r\n', re.DOTALL)
BUSY, LOST = "busy", "lost"  # answered 503 and not passed on; passed on and never answered


@dataclass(frozen=True, slots=True)
class Passed:
    """One request that was read to its end, and what the service answered."""

    method: str
    path: str
    size: int
    files: tuple[str, ...]
    status: int


@dataclass(slots=True)
class Proxy:
    """What passed, and what is to go wrong: `(part of a path, BUSY or LOST)`, each once."""

    upstream: str
    url: str = ""
    passed: list[Passed] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    delay: float = 0.0  # seconds before files are passed on
    busy: int = 0  # requests that are being handled
    most: int = 0  # of them at the same time
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sent(self) -> Counter[str]:
        """How often each file reached the service and was taken."""
        return Counter(name for one in list(self.passed) for name in one.files if one.status == 200)

    def calls(self, part: str) -> list[Passed]:
        return [one for one in list(self.passed) if part in one.path]

    def fault(self, path: str) -> str:
        with self.lock:
            found = next((one for one in self.faults if one[0] in path), None)
            if found:
                self.faults.remove(found)
            return found[1] if found else ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def handle_any(self) -> None:
        with self.proxy.lock:
            self.proxy.busy += 1
            self.proxy.most = max(self.proxy.most, self.proxy.busy)
        try:
            self._pass()
        finally:
            with self.proxy.lock:
                self.proxy.busy -= 1

    do_GET = do_POST = handle_any  # noqa: N815 - the names are the library's

    def _pass(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # the client died while it sent
            self.close_connection = True
            return
        fault = self.proxy.fault(self.path)
        if fault == BUSY:
            self._note(body, 503)
            self._answer(503, {"Retry-After": "0", "Content-Type": "application/json"}, b'{"code": "busy"}')
            return
        files = self.path.endswith("/files/")
        if files:
            time.sleep(self.proxy.delay)
        status, headers, answer = self._ask(body)
        self._note(body, status)
        if fault == LOST:
            self.close_connection = True
            return
        self._answer(status, headers, answer)

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=120)
        headers = {name: value for name, value in self.headers.items() if name not in {"Host", "Connection"}}
        upstream.request(self.command, self.path, body or None, headers)
        answer = upstream.getresponse()
        read = answer.read()
        upstream.close()
        kept = ("Content-Type", "Retry-After", "ETag")
        return answer.status, {name: value for name in kept if (value := answer.headers.get(name))}, read

    def _note(self, body: bytes, status: int) -> None:
        files = tuple(name.decode() for name in PATH_FIELD.findall(body)) if self.path.endswith("/files/") else ()
        self.proxy.passed.append(Passed(self.command, self.path, len(body), files, status))

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the client was killed meanwhile
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Tests read `passed`."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that is killed breaks its connection: that is no news here."""


@contextmanager
def proxy_to(upstream: str) -> Iterator[Proxy]:
    proxy = Proxy(upstream)
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"proxy": proxy}))
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
