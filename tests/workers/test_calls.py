"""Calls to workers: over connections that are kept for a moment, and never at the price of a call."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from screening import queue
from screening.queue import Call, app, publish


@pytest.fixture
def publisher(broker: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a publisher of the test's own, and an empty queue."""
    own = queue._Publisher()
    monkeypatch.setattr(queue, "_publisher", own)
    waiting(purge=True)
    yield own
    waiting(purge=True)


def waiting(*, purge: bool = False) -> int:
    """Count the calls that no worker has taken, or take all of them away."""
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        return int(channel.queue_purge("ingest") if purge else channel._size("ingest"))


def test_calls_one_after_another_share_a_connection(publisher: Any) -> None:
    assert publish(Call.INGEST_NEXT_BATCH)
    [first] = publisher._idle

    assert publish(Call.INGEST_NEXT_BATCH)

    assert publisher._idle == [first]
    assert waiting() == 2


def test_a_connection_is_not_kept_for_long(publisher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert publish(Call.INGEST_NEXT_BATCH)
    [first] = publisher._idle
    monkeypatch.setattr(queue, "KEPT_SECONDS", 0.0)

    assert publish(Call.INGEST_NEXT_BATCH)

    [second] = publisher._idle
    assert second is not first
    assert not first.connection.connected
    assert waiting() == 2


def test_a_call_over_a_connection_that_broke_since_arrives_all_the_same(
    publisher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publish(Call.INGEST_NEXT_BATCH)
    [broken] = publisher._idle
    send = app.send_task

    def refusing(*words: Any, **options: Any) -> Any:
        if options["connection"] is broken.connection:
            raise OSError("The other end closed it.")
        return send(*words, **options)

    monkeypatch.setattr(app, "send_task", refusing)

    assert publish(Call.INGEST_NEXT_BATCH)

    assert broken not in publisher._idle
    assert waiting() == 2


def test_a_kept_connection_that_took_its_time_to_fail_is_not_followed_by_another(
    publisher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publish(Call.INGEST_NEXT_BATCH)
    tries = []

    def slow(*_: Any, **__: Any) -> Any:
        tries.append(time.monotonic())
        raise OSError("No answer.")

    monkeypatch.setattr(queue, "PATIENCE", 0.0)
    monkeypatch.setattr(app, "send_task", slow)

    assert not publish(Call.INGEST_NEXT_BATCH)
    assert not publish(Call.INGEST_NEXT_BATCH)  # it rests now

    assert len(tries) == 1
    assert publisher._idle == []
