"""What takes several requests, as generators that do no I/O.

A flow yields calls and pauses; whoever drives it does them and sends back what came, or throws what went wrong in. The
synchronous and the asynchronous client drive the same flows, so that they cannot differ.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, TypeVar

from chest_client import calls
from chest_client.answers import FileAnswer, StudyPage, Upload
from chest_client.calls import Call, Key
from chest_client.errors import Busy, ChangedHere, TookTooLong, TooLarge, UnexpectedAnswer, Unreachable
from chest_client.local import LocalFile
from chest_client.retrying import Patience

CHECKED_AT_ONCE: Final = 1000
SENT_AT_ONCE: Final = 50
BYTES_AT_ONCE: Final = 16 * 1024 * 1024
LANES: Final = 3
LOOKS: Final = (0.2, 0.5, 1.0)  # seconds between looks at an upload; the last one stays
CHANGED: Final = (
    "changed_here",
    "The file changed, or could no longer be read, since it was hashed.",
    "Send it again once nothing writes to it.",
)

T = TypeVar("T")
Seen = Callable[[Upload], None]


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


Flow = Generator[Call[Any] | Pause, Any, T]


def asked(call: Call[T], patience: Patience) -> Flow[T]:
    """Do a call; one that may be repeated is tried again where the service is busy or away.

    Raises:
        ClientError: the call failed, or failed too often.
    """
    tried = 0
    while True:
        try:
            answer: T = yield call
        except (Busy, Unreachable) as failure:
            tried += 1
            pause = patience.pause(failure, tried) if call.repeatable else None
            if pause is None:
                raise
        else:
            return answer
        yield Pause(pause)


def checked(upload: Key, files: Sequence[LocalFile], patience: Patience) -> Flow[list[FileAnswer]]:
    """Offer files, a thousand at a time. The answers stand in their order."""
    answers: list[FileAnswer] = []
    for start in range(0, len(files), CHECKED_AT_ONCE):
        answers += yield from asked(calls.check(upload, files[start : start + CHECKED_AT_ONCE]), patience)
    return answers


def batches(files: Sequence[LocalFile]) -> Iterator[tuple[LocalFile, ...]]:
    """Cut files into requests: at most fifty files or 16 MiB, a larger file alone."""
    batch: list[LocalFile] = []
    size = 0
    for one in files:
        if batch and (len(batch) == SENT_AT_ONCE or size + one.size > BYTES_AT_ONCE):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(one)
        size += one.size
    if batch:
        yield tuple(batch)


def sent(upload: Key, batch: Sequence[LocalFile], patience: Patience) -> Flow[list[FileAnswer]]:
    """Send one batch. Cut off, its files are offered again and only those still missing are sent.

    Raises:
        ClientError: the service refused all of it, or failed too often.
    """
    answers: dict[str, FileAnswer] = {}
    left, tried = list(batch), 0
    while left:
        try:
            arrived: list[FileAnswer] = yield calls.send(upload, left)
        except ChangedHere as changed:
            answers |= {one.path: refused_here(one, *CHANGED) for one in changed.files}
            left = [one for one in left if one not in changed.files]
            continue
        except (Busy, Unreachable) as failure:
            tried += 1
            pause = patience.pause(failure, tried)
            if pause is None:
                raise
        except TooLarge as refusal:
            answers |= yield from _halved(upload, left, refusal, patience)
            break
        else:
            answers |= _by_path(left, arrived)
            break
        yield Pause(pause)
        heard = _by_path(left, (yield from checked(upload, left, patience)))
        answers |= heard
        left = [one for one in left if heard[one.path].state == "missing"]
    return [answers[one.path] for one in batch]


def _by_path(files: Sequence[LocalFile], answers: Sequence[FileAnswer]) -> dict[str, FileAnswer]:
    """Name answers by the paths that were sent: they stand in the order of the question."""
    if len(files) != len(answers):
        raise UnexpectedAnswer(f"{len(answers)} answers came for {len(files)} files.")
    return {file.path: answer for file, answer in zip(files, answers, strict=True)}


def _halved(
    upload: Key, batch: Sequence[LocalFile], refusal: TooLarge, patience: Patience
) -> Flow[dict[str, FileAnswer]]:
    """Send a batch that a proxy takes for too large in two; a single file is refused, and costs only itself."""
    if len(batch) == 1:
        return {batch[0].path: refused_here(batch[0], refusal.code, refusal.message, refusal.what_to_do)}
    middle = len(batch) // 2
    first = yield from sent(upload, batch[:middle], patience)
    second = yield from sent(upload, batch[middle:], patience)
    return _by_path(batch, [*first, *second])


def refused_here(file: LocalFile, code: str, message: str, what_to_do: str) -> FileAnswer:
    """Refuse a file before, or instead of, the service."""
    return FileAnswer(path=file.path, state="rejected", code=code, message=message, what_to_do=what_to_do, item=None)


def waited(upload: Key, timeout: float | None, seen: Seen | None, patience: Patience) -> Flow[Upload]:
    """Look at an upload until nothing more happens by itself.

    Raises:
        TookTooLong: `timeout` seconds are over. The work goes on.
    """
    end = None if timeout is None else monotonic() + timeout
    looks = 0
    while True:
        now: Upload = yield from asked(calls.upload(upload), patience)
        if seen:
            seen(now)
        if now.over:
            return now
        pause = LOOKS[min(looks, len(LOOKS) - 1)]
        looks += 1
        if end is not None and monotonic() + pause > end:
            raise TookTooLong
        yield Pause(pause)


LONGEST_WAIT: Final = 30  # seconds that the service holds a request
NO_PLACE: Final = 5.0  # seconds until the next try where it held none


def changed(query: Mapping[str, Any], seconds: float, patience: Patience) -> Flow[StudyPage]:
    """Ask until something changed or the time is over; the page that says so, which may be empty."""
    end = monotonic() + seconds
    while True:
        began = monotonic()
        wait = int(max(0.0, min(LONGEST_WAIT, end - began)))
        page = yield from asked(calls.studies({**query, "wait": wait}), patience)
        left = end - monotonic()
        if page.results or left <= 0:
            return page
        if monotonic() - began < wait / 2 or not wait:  # all places were taken, or less than a second is left
            yield Pause(min(NO_PLACE, left))
