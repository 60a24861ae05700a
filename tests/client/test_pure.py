"""What needs no service: when to try again, what an answer may look like, how files are named and batched."""

import json
import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from chest_client import (
    Busy,
    Client,
    Conflict,
    FileAnswer,
    LocalFile,
    Patience,
    Refused,
    TooLarge,
    UnexpectedAnswer,
    Unreachable,
    read_folder,
)
from chest_client.answers import Box, Review
from chest_client.calls import (
    Answer,
    add_webhook,
    cancel,
    check,
    models,
    new_secret,
    open_upload,
    receipt,
    remove_webhook,
    replay_webhook,
    retry,
    seal,
    send,
    studies,
    try_webhook,
    webhooks,
)
from chest_client.flows import Pause, asked, batches, sent
from chest_client.local import named
from chest_client.retrying import seconds_of
from chest_client.shaping import shaped

UPLOAD = uuid4()
CALM = Patience(tries=3, first=1.0)


def file(name: str, size: int = 10) -> LocalFile:
    return LocalFile(name, Path(name), size, "a" * 64)


def told(name: str, state: str) -> dict[str, object]:
    return {"path": name, "state": state, "code": "", "message": "", "what_to_do": "", "item": None}


def heard(*files: dict[str, object]) -> list[FileAnswer]:
    return check(UPLOAD, []).read(Answer(200, {}, json.dumps({"files": files}).encode()))


def test_only_what_is_safe_to_repeat_says_so() -> None:
    safe = [models(), receipt(UPLOAD), studies({}), open_upload(key="k"), check(UPLOAD, []), seal(UPLOAD, None)]
    safe += [webhooks(), add_webhook("u", [], key="k", site=None), new_secret(UPLOAD, key="k")]
    unsafe = [send(UPLOAD, [file("a")]), cancel(UPLOAD), retry(UPLOAD)]
    unsafe += [remove_webhook(UPLOAD), replay_webhook(UPLOAD), try_webhook(UPLOAD)]

    assert all(call.repeatable for call in safe)
    assert not any(call.repeatable for call in unsafe)


def test_a_busy_service_is_asked_again_after_as_long_as_it_says() -> None:
    flow = asked(models(), CALM)
    next(flow)

    assert flow.throw(Busy(503, retry_after=7.0)) == Pause(7.0)
    assert flow.send(None).path == "models/"  # type: ignore[union-attr]
    second = flow.throw(Unreachable())
    assert isinstance(second, Pause)
    assert 1.5 <= second.seconds <= 2.5
    flow.send(None)
    with pytest.raises(Busy):
        flow.throw(Busy(429))


@pytest.mark.parametrize("failure", [Conflict(409), Refused(400), UnexpectedAnswer("no JSON"), Refused(500)])
def test_what_is_no_matter_of_time_is_not_asked_again(failure: Exception) -> None:
    flow = asked(models(), CALM)
    next(flow)

    with pytest.raises(type(failure)):
        flow.throw(failure)


def test_retry_after_is_seconds_or_a_date_and_followed_for_two_minutes_only() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30))

    assert seconds_of("5") == 5.0
    assert 25 < (seconds_of(soon) or 0) <= 30
    assert (seconds_of(None), seconds_of("soon")) == (None, None)
    assert CALM.pause(Busy(429, retry_after=119), 1) == 119
    assert CALM.pause(Busy(429, retry_after=121), 1) is None


def test_a_batch_that_was_cut_off_is_offered_again_before_it_is_sent_again() -> None:
    flow = sent(UPLOAD, [file("a"), file("b")], CALM)
    next(flow)

    assert isinstance(flow.throw(Unreachable()), Pause)
    offered = flow.send(None)
    assert offered.path.endswith("/check/")  # type: ignore[union-attr]
    again = flow.send(heard(told("a", "received"), told("b", "missing")))

    assert [one.path for one in again.files] == ["b"]  # type: ignore[union-attr]
    with pytest.raises(StopIteration) as end:
        flow.send(heard(told("b", "received")))
    assert [(one.path, one.state) for one in end.value.value] == [("a", "received"), ("b", "received")]


def test_a_file_that_is_too_large_costs_only_itself() -> None:
    flow = sent(UPLOAD, [file("a")], CALM)
    next(flow)

    with pytest.raises(StopIteration) as end:
        flow.throw(TooLarge(413, code="limit_exceeded", message="Too large."))

    assert [(one.state, one.code) for one in end.value.value] == [("rejected", "limit_exceeded")]


def test_batches_hold_fifty_files_or_16_mib_and_a_larger_file_travels_alone() -> None:
    mebibyte = 1024 * 1024
    small = [len(batch) for batch in batches([file(str(n)) for n in range(120)])]
    large = [
        [one.size // mebibyte for one in batch] for batch in batches([file("", n * mebibyte) for n in (9, 7, 1, 40, 2)])
    ]

    assert small == [50, 50, 20]
    assert large == [[9, 7], [1], [40], [2]]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"results": 3}', b'{"results": [{"name": 5}]}'])
def test_an_answer_of_something_else_is_named_without_its_content(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswer) as unexpected:
        models().answered(Answer(200, {}, body))

    assert body.decode() not in str(unexpected.value)


def test_a_refusal_of_a_proxy_has_words_too() -> None:
    with pytest.raises(Busy) as refused:
        models().answered(Answer(502, {"retry-after": "3"}, b"<html>Bad gateway</html>"))

    assert (refused.value.status, refused.value.retry_after) == (502, 3.0)
    assert "html" not in str(refused.value)


def test_a_redirect_is_not_followed() -> None:
    with pytest.raises(UnexpectedAnswer):
        models().answered(Answer(302, {"location": "https://elsewhere.example.org"}, b""))


def test_names_that_the_service_takes_for_one_are_numbered(tmp_path: Path) -> None:
    names = ["e\u0301.png", "\u00e9.png", "a\\b.png"]

    assert [name for name, _ in named(tmp_path, [tmp_path / name for name in names])] == [
        "e\u0301.png",
        "\u00e9 (2).png",
        "a\\b.png",
    ]


def test_a_folder_that_cannot_be_listed_is_offered_as_unreadable_and_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("closed", "gone", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(b"x")
    listed = os.scandir

    def scandir(place: str) -> object:
        if place.endswith("closed"):
            raise PermissionError(13, "Permission denied", place)
        if place.endswith("gone"):
            raise FileNotFoundError(2, "No such file or directory", place)
        return listed(place)

    monkeypatch.setattr(os, "scandir", scandir)

    assert [(one.path, bool(one.sha256)) for one in read_folder(tmp_path)] == [("closed", False), ("open/a.png", True)]


def test_files_that_systems_leave_in_folders_are_not_sent(tmp_path: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "a.png"):
        (tmp_path / name).write_bytes(b"x")

    assert [one.path for one in read_folder(tmp_path)] == ["a.png"]


@pytest.mark.parametrize("url", ["screening.example.org", "ftp://screening.example.org", ""])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="must look like"):
        Client(url, "t")


def test_a_review_has_its_box_and_one_of_an_older_service_has_none() -> None:
    given = {"review": str(uuid4()), "finding": "covid", "answer": "present", "reason": "", "comment": ""}
    given |= {"reader": "r", "revision": 1, "created_at": "2026-11-22T05:00:00Z"}
    box = {"image": str(uuid4()), "left": 0.1, "top": 0, "width": 0.5, "height": 1}

    assert shaped(Review, given).box is None
    assert shaped(Review, {**given, "box": None}).box is None
    assert shaped(Review, {**given, "box": box}).box == Box(**{**box, "image": UUID(box["image"])})
