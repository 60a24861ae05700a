"""One connection to a checked address, over which some events are posted.

The connection goes to the address that was checked, whatever the name stands for a moment later; the certificate is
checked against the name. No redirect is followed, no proxy is asked, little of an answer is read, and the whole of a
request has one deadline that a slow receiver cannot stretch.
"""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from screening.config import WebhookRules
from screening.hooks.addresses import AddressRefused, read_url
from workers.outbound.resolving import NameUnknown, allowed_address

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 10.0  # between two bytes
DEADLINE_SECONDS: Final = 15.0  # for a whole request, from the connection on
ANSWER_BYTES: Final = 16 * 1024  # read of an answer at most; nobody looks at it
TAKEN: Final = range(200, 300)


class NotTaken(Exception):
    """An event did not arrive. `problem` is a stable code, and nothing of what was answered.

    Args:
        problem: What happened.
        answered: The HTTP status, if there was one.
    """

    def __init__(self, problem: str, answered: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.answered = answered


class Poster:
    """Posts to one URL. Resolves and connects with the first event, and again only where the connection was ended."""

    def __init__(self, url: str, rules: WebhookRules) -> None:
        self._url = url
        self._rules = rules
        self._connection: HTTPConnection | None = None
        self._path = self._host = ""

    def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Send one event and give the status of the answer, 200 to 299.

        Raises:
            NotTaken: it was refused here, could not be sent, or was answered with another status.
        """
        late = threading.Event()
        try:
            connection = self._connected()
            with deadline(connection, DEADLINE_SECONDS, late):
                status = _exchange(connection, self._path, body, {"Host": self._host, **headers})
        except AddressRefused as refusal:
            raise NotTaken(refusal.code) from refusal
        except NameUnknown as problem:
            raise NotTaken("name_unknown") from problem
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as problem:
            self.close()
            raise NotTaken("too_slow" if late.is_set() else _code(problem)) from problem
        if late.is_set():  # what was cut reads like a short answer
            self.close()
            raise NotTaken("too_slow")
        if status not in TAKEN:
            self.close()
            raise NotTaken("redirected" if 300 <= status < 400 else "not_accepted", status)
        return status

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> HTTPConnection:
        if self._connection is None or not self._connection.is_connected:
            self.close()
            target = read_url(self._url, self._rules)
            address = allowed_address(target, self._rules)
            self._path, self._host = target.path, target.authority
            options = {"host": str(address), "port": target.port, "timeout": CONNECT_SECONDS}
            if not target.secure:
                self._connection = HTTPConnection(**options)  # type: ignore[arg-type] # of one dictionary
            else:
                # Without `assert_hostname`, the handshake itself checks the certificate against the server's name.
                self._connection = HTTPSConnection(
                    **options,  # type: ignore[arg-type] # of one dictionary
                    server_hostname=target.host.rstrip("."),
                    cert_reqs=ssl.CERT_REQUIRED,
                    ca_certs=self._rules.ca_file or None,
                )
        return self._connection


def _exchange(connection: HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]) -> int:
    if connection.sock is None:
        connection.connect()
        assert connection.sock is not None
        connection.sock.settimeout(READ_SECONDS)
    connection.timeout = READ_SECONDS
    connection.request("POST", path, body=body, headers=dict(headers), preload_content=False, decode_content=False)
    answer = connection.getresponse()
    read = answer.read(ANSWER_BYTES, decode_content=False)
    if len(read) >= ANSWER_BYTES:
        answer.close()  # whatever else it has to say
        connection.close()
    return int(answer.status)


@contextmanager
def deadline(connection: HTTPConnection, seconds: float, late: threading.Event) -> Iterator[None]:
    """Cut the connection once the time is over: a byte now and then keeps no timeout of a socket from starting anew."""

    def cut() -> None:
        late.set()
        if connection.sock is not None:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it has ended by itself

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _code(problem: Exception) -> str:
    if isinstance(problem, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError):
        return "not_reached"
    if isinstance(problem, ssl.SSLError | urllib3.exceptions.SSLError):
        return "certificate_refused"
    if isinstance(problem, TimeoutError):
        return "too_slow"
    return "cut_off"
