import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from screening.audit.actor import Actor
from screening.errors import StorageFull
from screening.flows.acts import cancel_upload
from screening.flows.offering import open_upload
from screening.flows.receiving import Part, receive_archive_part
from screening.uploads.models import Archive, ArchiveState, Item, ItemState, Upload
from screening.uploads.storage import incoming_path, store_incoming
from screening.users.models import Role
from tests.factories import SiteFactory, UserFactory
from tests.phantoms import png_file, radiograph
from tests.workers.bombs import overlapping_zip, zip_of
from workers import archives
from workers.archives import expand_archive
from workers.crew import Stop

pytestmark = pytest.mark.django_db(transaction=True)
PICTURE = png_file(radiograph(64, 60))
OTHER = png_file(radiograph(64, 60, seed=1))


@pytest.fixture
def upload() -> Upload:
    site = SiteFactory()
    return open_upload(site=site, user=UserFactory(role_at=(site, Role.STAFF)), name="zips", models=[])


@pytest.fixture
def arrived(upload: Upload) -> Callable[[bytes], Archive]:
    def send(raw: bytes) -> Archive:
        part = Part(start=0, length=len(raw), total=len(raw))
        told = receive_archive_part(upload_id=upload.pk, part=part, parts=[raw], actor=Actor.user(upload.created_by))
        return Archive.objects.get(pk=told.archive)

    return send


def outcomes(upload: Upload) -> dict[str, tuple[str, str]]:
    return {item.path: (item.state, item.code) for item in Item.objects.filter(upload=upload)}


def raw_files() -> set[str]:
    return {path.name for path in Path(settings.INCOMING_ROOT).iterdir()}


def test_every_member_becomes_an_item_with_its_own_bytes(upload: Upload, arrived: Callable[[bytes], Archive]) -> None:
    archive = arrived(zip_of({"a/1.png": PICTURE, "a/2.png": OTHER}))

    assert expand_archive(Stop())

    archive.refresh_from_db()
    assert archive.state == ArchiveState.EXPANDED
    assert outcomes(upload) == {"a/1.png": (ItemState.RECEIVED, ""), "a/2.png": (ItemState.RECEIVED, "")}
    for item in Item.objects.filter(upload=upload):
        raw = (Path(settings.INCOMING_ROOT) / item.incoming).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == item.sha256
    assert archive.incoming not in raw_files()


def test_unsafe_names_are_refused_as_items_and_nothing_is_written_elsewhere(
    upload: Upload, arrived: Callable[[bytes], Archive]
) -> None:
    names = ["../up.png", "/etc/absolute.png", "C:\\windows.png", "a/../../b.png", "good.png"]
    before = raw_files()
    archive = arrived(zip_of({name: PICTURE + name.encode() for name in names}))

    expand_archive(Stop())

    codes = {path: code for path, (_, code) in outcomes(upload).items()}
    assert sorted(codes.values()) == ["", "path_unsafe", "path_unsafe", "path_unsafe", "path_unsafe"]
    assert codes["good.png"] == ""
    kept = Item.objects.get(upload=upload, state=ItemState.RECEIVED).incoming
    assert raw_files() - before == {kept}
    assert archive.pk


def test_a_bomb_is_refused_as_a_whole_and_leaves_nothing(upload: Upload, arrived: Callable[[bytes], Archive]) -> None:
    before = raw_files()
    archive = arrived(overlapping_zip(50))

    expand_archive(Stop())

    archive.refresh_from_db()
    assert (archive.state, archive.code) == (ArchiveState.REJECTED, "archive_ratio")
    assert not Item.objects.filter(upload=upload).exists()
    assert raw_files() == before


def test_the_same_path_twice_is_on_the_receipt_twice(upload: Upload, arrived: Callable[[bytes], Archive]) -> None:
    arrived(zip_of({"a.png": PICTURE, "b.png": OTHER}).replace(b"b.png", b"a.png"))

    expand_archive(Stop())

    states = sorted(Item.objects.filter(upload=upload).values_list("state", "code"))
    assert states == [(ItemState.RECEIVED, ""), (ItemState.REJECTED, "path_twice")]


def test_a_stop_keeps_what_was_admitted_and_another_worker_goes_on_behind_it(
    upload: Upload, arrived: Callable[[bytes], Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.archives.CHUNK", 2)
    stop = Stop()
    archive = arrived(zip_of({f"{n}.png": PICTURE + bytes([n]) for n in range(5)}))
    read: list[str] = []
    original = archives._member

    def counted(opened, info):
        read.append(info.filename)
        if len(read) == 3:
            stop.set()
        return original(opened, info)

    monkeypatch.setattr(archives, "_member", counted)

    assert expand_archive(stop)

    archive.refresh_from_db()
    assert (archive.state, archive.attempts) == (ArchiveState.RECEIVED, 0)
    admitted = Item.objects.filter(upload=upload).count()
    assert admitted == 3

    expand_archive(Stop())

    archive.refresh_from_db()
    assert archive.state == ArchiveState.EXPANDED
    assert Item.objects.filter(upload=upload, state=ItemState.RECEIVED).count() == 5
    assert sorted(read) == ["0.png", "1.png", "2.png", "3.png", "4.png"]


def test_on_a_full_disk_what_was_admitted_stays_and_the_rest_waits_for_room(
    upload: Upload, arrived: Callable[[bytes], Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.archives.CHUNK", 2)
    archive = arrived(zip_of({f"{n}.png": PICTURE + bytes([n]) for n in range(5)}))
    before = raw_files()
    room = iter([True, True, True, False])

    def full_at_the_fourth(parts):
        if next(room):
            return store_incoming(parts)
        raise StorageFull("There is no room left for this file.")

    with monkeypatch.context() as full:
        full.setattr(archives, "store_incoming", full_at_the_fourth)
        assert not expand_archive(Stop())  # nothing to be done at once: the hand waits for its next look

    archive.refresh_from_db()
    assert (archive.state, archive.attempts) == (ArchiveState.RECEIVED, 0)
    admitted = set(Item.objects.filter(upload=upload).values_list("incoming", flat=True))
    assert set(outcomes(upload).values()) == {(ItemState.RECEIVED, "")}
    assert len(admitted) == 2
    assert raw_files() - before == admitted

    assert expand_archive(Stop())

    archive.refresh_from_db()
    assert archive.state == ArchiveState.EXPANDED
    assert Item.objects.filter(upload=upload, state=ItemState.RECEIVED).count() == 5


def test_an_archive_whose_bytes_are_gone_is_unreadable(upload: Upload, arrived: Callable[[bytes], Archive]) -> None:
    archive = arrived(zip_of({"a.png": PICTURE}))
    incoming_path(archive.incoming).unlink()

    expand_archive(Stop())

    archive.refresh_from_db()
    assert (archive.state, archive.code) == (ArchiveState.REJECTED, "archive_unreadable")


def test_an_upload_cancelled_meanwhile_gets_no_further_items(
    upload: Upload, arrived: Callable[[bytes], Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = arrived(zip_of({"a.png": PICTURE}))
    monkeypatch.setattr(
        "workers.archives.flush_incoming",
        lambda: cancel_upload(upload_id=upload.pk, actor=Actor.user(upload.created_by)),
    )

    expand_archive(Stop())

    archive.refresh_from_db()
    assert archive.state == ArchiveState.CANCELLED
    assert not Item.objects.filter(upload=upload).exists()


def test_with_no_archive_there_is_nothing_to_do() -> None:
    assert not expand_archive(Stop())
