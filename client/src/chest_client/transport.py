"""A call as httpx sends it, and what came back as an answer. Both clients share it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, Any, Final
from urllib.parse import urlsplit

import httpx

from chest_client.calls import Answer, Call
from chest_client.errors import ChangedHere
from chest_client.local import LocalFile
from chest_client.version import VERSION

TIMEOUT: Final = httpx.Timeout(120.0, connect=10.0)
FIELD: Final = "file"


def options(url: str, token: str) -> dict[str, Any]:
    """Give what an httpx client of either kind is made with. Redirects are not followed: they would carry the token.

    Raises:
        ValueError: the address is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("The address must look like https://screening.example.org.")
    headers = {
        "Authorization": f"Token {token}",
        "Accept": "application/json, text/csv, application/x-ndjson",
        "User-Agent": f"chest-screening-client/{VERSION}",
    }
    return {"base_url": f"{url.rstrip('/')}/api/v1/", "headers": headers, "timeout": TIMEOUT}


@contextmanager
def request_of(call: Call[Any]) -> Iterator[dict[str, Any]]:
    """Give a call as the arguments of `httpx.Client.request`. Its files are open meanwhile, and read as they are sent.

    Raises:
        ChangedHere: some of its files are not what was offered.
    """
    request: dict[str, Any] = {"method": call.method, "url": call.path, "headers": dict(call.headers)}
    if call.query:
        request["params"] = dict(call.query)
    if call.json is not None:
        request["json"] = call.json
    with ExitStack() as streams:
        if call.files:
            opened = _opened(call.files, streams)
            request["data"] = {"path": [one.path for one in call.files]}
            request["files"] = [(FIELD, (FIELD, stream, "application/octet-stream")) for stream in opened]
        yield request


def _opened(files: Sequence[LocalFile], streams: ExitStack) -> list[IO[bytes]]:
    opened: list[IO[bytes]] = []
    changed: list[LocalFile] = []
    for one in files:
        try:
            stream = streams.enter_context(one.file.open("rb"))
            same = os.fstat(stream.fileno()).st_size == one.size
        except OSError:
            same = False
        if same:
            opened.append(stream)
        else:
            changed.append(one)
    if changed:
        raise ChangedHere(changed)
    return opened


def answer_of(response: httpx.Response) -> Answer:
    return Answer(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.content
    )
