"""Many who send one file at a time over HTTP, each on a connection of its own: `http.client`, since it costs little.

`python -m tests.benchmarks.crowd URL CLIENTS FOLDER` prints seconds and answers as JSON, from a process of its own.
"""

import http.client
import json
import queue
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FIELD = "pictures"
BOUNDARY = "between-one-part-and-the-next"
PATIENCE = 600  # seconds for one answer


class Refused(Exception):
    """An answer that is none: what came is told."""


def body_of(name: str, content: bytes) -> bytes:
    """One file as a form with one part."""
    head = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="{FIELD}"; filename="{name}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def crowd(url: str, files: Mapping[str, bytes], clients: int) -> tuple[float, dict[str, Any]]:
    """Send every file once, at most `clients` at a time; the seconds from the first to the last answer.

    Raises:
        Refused: some answer was not 200, or did not come; nothing is made of the others.
    """
    waiting: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    for name, content in files.items():
        waiting.put((name, body_of(name, content)))
    answers: dict[str, Any] = {}
    problems: list[str] = []
    gate = threading.Barrier(clients + 1)

    def send() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
        gate.wait()
        try:
            while not problems:
                name, body = waiting.get_nowait()
                answers[name] = asked(connection, urlsplit(url).path, body)
        except queue.Empty:
            return
        except (Refused, OSError, http.client.HTTPException, ValueError) as problem:
            problems.append(f"{type(problem).__name__}: {problem}")
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(clients)]
    [thread.start() for thread in threads]
    gate.wait()
    started = time.perf_counter()
    [thread.join() for thread in threads]
    seconds = time.perf_counter() - started
    if problems:
        raise Refused(f"{len(problems)} of {clients} clients gave up; the first: {problems[0]}")
    return seconds, answers


def asked(connection: http.client.HTTPConnection, path: str, body: bytes) -> Any:
    connection.request("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise Refused(f"{answer.status} {said[:200]!r}")
    return json.loads(said)


if __name__ == "__main__":
    pictures = {path.name: path.read_bytes() for path in sorted(Path(sys.argv[3]).iterdir())}
    took, heard = crowd(sys.argv[1], pictures, int(sys.argv[2]))
    sys.stdout.write(json.dumps({"seconds": took, "answers": heard}))
