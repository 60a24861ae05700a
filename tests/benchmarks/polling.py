"""Fifty who poll the running web process over HTTP, each as a script does: one connection, one question a second."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

PATH = "/api/v1/studies/"


@dataclass
class Poller:
    """One script: what it asks, and how long each answer took, in milliseconds by status."""

    url: str
    token: str
    query: dict[str, str]
    etag: str = ""
    took: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._http = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)

    def ask(self) -> int:
        headers = {"Authorization": f"Token {self.token}"} | ({"If-None-Match": self.etag} if self.etag else {})
        began = time.perf_counter()
        self._http.request("GET", f"{PATH}?{urlencode(self.query)}", headers=headers)
        answer = self._http.getresponse()
        body = answer.read()
        self.took.append((answer.status, (time.perf_counter() - began) * 1000))
        self.etag = answer.headers.get("ETag", "")
        if answer.status == HTTPStatus.OK:
            self._go_on(json.loads(body))
        return answer.status

    def _go_on(self, page: dict[str, Any]) -> None:
        """Ask next for what comes after this page, as the manual says: an empty one has a tag to be compared with."""
        if page["results"]:
            self.query, self.etag = {"cursor": page["cursor"]}, ""

    def close(self) -> None:
        self._http.close()


def at_once(pollers: Sequence[Poller], body: Callable[[Poller, int], None]) -> None:
    """Let every poller do something in a thread of its own, begun together."""
    gate = threading.Barrier(len(pollers))

    def run(poller: Poller, number: int) -> None:
        gate.wait()
        body(poller, number)

    threads = [threading.Thread(target=run, args=(one, number)) for number, one in enumerate(pollers)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


def each_second(pollers: Sequence[Poller], seconds: int) -> None:
    """Poll once a second each, spread over the second."""

    def body(poller: Poller, number: int) -> None:
        began = time.monotonic() + number / len(pollers)
        for turn in range(seconds):
            time.sleep(max(0.0, began + turn - time.monotonic()))
            poller.ask()

    at_once(pollers, body)
