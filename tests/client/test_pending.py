"""Which upload the next call goes on with."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from rich.progress import Progress

from chest_client import Conflict, LocalFile, NotFound, Upload
from chest_client.answers import Limits
from chest_client.command.exits import Misused
from chest_client.command.pending import Pending
from chest_client.command.sending import deliver

FILES = [LocalFile("a.png", Path("a.png"), 1, "a" * 64)]


def an_upload(state: str = "open") -> Upload:
    return Upload(
        id=uuid4(),
        site=uuid4(),
        name="",
        models=(),
        state=state,
        offered=0,
        items={},
        screenings={},
        images_per_second=None,
        estimated_end=None,
        limits=Limits(file_bytes=1, files=1),
    )


@dataclass
class FakeClient:
    """A service that knows one upload by its key, as the real one does."""

    known: list[Upload] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    cancelled: list[UUID] = field(default_factory=list)
    reused: bool = False

    def upload(self, key: UUID | str) -> Upload:
        found = [one for one in self.known if str(one.id) == str(key)]
        if not found:
            raise NotFound(404, code="not_found")
        return found[0]

    def cancel(self, upload: UUID) -> None:
        self.cancelled.append(upload)

    def open_upload(self, *, key: str, **_: object) -> Upload:
        if self.reused:
            self.reused = False
            raise Conflict(409, code="idempotency_key_reused")
        if key not in self.keys:
            self.keys.append(key)
            self.known.append(an_upload())
        return self.known[self.keys.index(key)]


def opened(place: Path, client: FakeClient, files: Sequence[LocalFile] = FILES) -> Upload:
    return Pending(place).open(client, {}, files)


def test_a_call_that_was_killed_before_it_heard_the_answer_uses_the_same_key(tmp_path: Path) -> None:
    client, place = FakeClient(), tmp_path / "kept.json"
    first = opened(place, client)
    kept = json.loads(place.read_text())
    place.write_text(json.dumps({**kept, "upload": None}))

    assert opened(place, client) == first
    assert len(client.keys) == 1


@pytest.mark.parametrize(("state", "goes_on"), [("sealed", True), ("finished", True), ("cancelled", False)])
def test_a_sealed_upload_of_the_same_files_is_waited_for_and_a_cancelled_one_is_not(
    tmp_path: Path, state: str, *, goes_on: bool
) -> None:
    client, place = FakeClient(), tmp_path / "kept.json"
    first = opened(place, client)
    pending = Pending(place)
    pending.sealing(FILES)
    client.known[0] = ended = Upload(**{name: getattr(first, name) for name in Upload.__slots__} | {"state": state})

    again = opened(place, client)

    assert (again == ended) is goes_on


def test_a_sealed_upload_of_other_files_is_left_and_another_opened(tmp_path: Path) -> None:
    client, place = FakeClient(), tmp_path / "kept.json"
    first = opened(place, client)
    Pending(place).sealing(FILES)
    client.known[0] = Upload(**{name: getattr(first, name) for name in Upload.__slots__} | {"state": "sealed"})

    again = opened(place, client, [*FILES, LocalFile("b.png", Path("b.png"), 1, "b" * 64)])

    assert again.id != first.id
    assert again.state == "open"


def test_an_upload_that_is_gone_or_whose_key_no_longer_fits_is_replaced(tmp_path: Path) -> None:
    client, place = FakeClient(), tmp_path / "kept.json"
    first = opened(place, client)
    other_service = FakeClient(reused=True)

    again = opened(place, other_service)

    assert again.id != first.id
    assert json.loads(place.read_text())["upload"] == str(again.id)


def test_what_was_kept_and_cannot_be_read_is_begun_anew(tmp_path: Path) -> None:
    place = tmp_path / "kept.json"
    place.write_text("{half")

    assert opened(place, FakeClient()).state == "open"


def test_once_over_nothing_is_kept(tmp_path: Path) -> None:
    place = tmp_path / "kept.json"
    opened(place, FakeClient())

    Pending(place).over()

    assert list(tmp_path.iterdir()) == []


def test_more_files_than_an_upload_takes_are_told_before_any_is_offered_and_leave_no_open_upload(tmp_path):
    client = FakeClient()  # whatever else is asked fails: it is not there
    pending = Pending(tmp_path / "kept.json")
    shown = Progress(disable=True)

    with pytest.raises(Misused, match="2 files, and the service takes 1"):
        deliver(client, pending, {}, [*FILES, LocalFile("b.png", Path("b.png"), 1, "b" * 64)], shown)

    assert client.cancelled == [one.id for one in client.known]
    assert not Pending(tmp_path / "kept.json").begun
