import hashlib
import os
import stat
import time
from pathlib import Path
from uuid import uuid4

import pytest

from screening.audit.actor import Actor
from screening.errors import BadOffset
from screening.flows.archiving import Part, archive_offset, receive_archive_part
from screening.flows.offering import open_upload
from screening.store.cache import Cache, cache
from screening.store.errors import StoreAway, StoreRefused
from screening.store.objects import Objects, objects
from screening.uploads import kept, storage
from screening.users import keys
from tests.store.server import Gate, client_of
from tests.stores import incoming

SHA = "ab" * 32


def place(name: str = "0.jpg") -> Path:
    return storage.blob_folder(uuid4(), SHA) / name


def test_raw_bytes_are_in_the_store_when_they_are_stored_and_nothing_is_left_here(store: Objects, stores: Path):
    stored = storage.store_incoming([b"raw ", b"bytes"])

    assert incoming(stores) == []
    assert storage.incoming_is_kept(stored.name)
    with storage.raw_file(stored.name) as path:
        assert path.read_bytes() == b"raw bytes"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert incoming(stores) == []
    assert not list((stores / "cache").rglob("*"))


def test_with_the_store_away_raw_bytes_are_refused_and_nothing_is_left(store: Objects, gate: Gate, stores: Path):
    gate.close()

    with pytest.raises(StoreAway) as refused:
        storage.store_incoming([b"raw"])

    assert (refused.value.code, refused.value.http_status) == ("store_away", 503)
    assert incoming(stores) == []
    gate.open()
    assert list(store.listed("incoming/")) == []


def test_a_bucket_that_is_not_there_is_the_operators_matter_and_not_a_missing_file(
    store: Objects, gate: Gate, settings
):
    stored = storage.store_incoming([b"raw"])
    settings.STORE = type(settings.STORE)(bucket="nobody", prefix="", endpoint=gate.url, region="us-east-1")

    with pytest.raises(StoreRefused) as refused:
        storage.store_incoming([b"raw"])
    with pytest.raises(StoreRefused), storage.raw_file(stored.name):
        pass

    assert refused.value.code == "store_refused"


def test_raw_bytes_that_are_gone_are_a_path_without_a_file(store: Objects):
    with storage.raw_file("0" * 40) as path:
        assert not path.exists()


def test_deleting_raw_bytes_of_a_store_that_is_away_is_left_to_the_sweep(store: Objects, gate: Gate):
    stored = storage.store_incoming([b"raw"])
    gate.close()

    storage.drop_incoming([stored.name])

    gate.open()
    assert storage.incoming_is_kept(stored.name)
    storage.drop_incoming([stored.name])
    assert not storage.incoming_is_kept(stored.name)


def test_a_file_is_fetched_once_and_asked_for_each_time(store: Objects, monkeypatch: pytest.MonkeyPatch):
    path = place()
    kept.put(path, b"first")
    fetched = []
    fetch = store.fetch
    monkeypatch.setattr(store, "fetch", lambda key, to: fetched.append(key) or fetch(key, to))

    assert [kept.at_hand(path).read_bytes() for _ in range(3)] == [b"first"] * 3
    assert len(fetched) == 1
    kept.put(path, b"second")  # by another host, as far as the copy here knows
    assert kept.at_hand(path).read_bytes() == b"second"
    kept.drop(path)
    with pytest.raises(FileNotFoundError):
        kept.at_hand(path)
    assert not kept.is_kept(path)


def test_a_plane_is_read_from_its_copy_without_the_store_and_fetched_again_where_that_rotted(
    store: Objects, gate: Gate
):
    path, plane = place("0.plane"), os.urandom(1000)
    kept.put(path, plane)
    sha256 = hashlib.sha256(plane).hexdigest()
    assert kept.bytes_of(path, sha256) == (plane, True)

    gate.close()
    assert kept.bytes_of(path, sha256) == (plane, True)
    copy = cache().find(sha256)
    assert copy is not None
    copy.write_bytes(b"rotted")
    with pytest.raises(StoreAway):
        kept.bytes_of(path, sha256)
    gate.open()

    assert kept.bytes_of(path, sha256) == (plane, True)


def test_bytes_that_are_not_those_that_were_put_count_as_gone(store: Objects, server: str, prefix: str):
    path = place()
    client_of(server).put_object(
        Bucket="pictures", Key=f"{prefix}/{kept.key_of(path)}", Body=b"rotted", Metadata={"sha256": SHA}
    )

    with pytest.raises(FileNotFoundError):
        kept.at_hand(path)

    assert not [file for file in cache()._root.rglob("*") if file.is_file()]


def test_a_prepared_folder_replaces_what_was_kept_under_other_names(store: Objects):
    site = uuid4()
    folder = storage.blob_folder(site, SHA)
    kept.put(folder / "0.old.deep", b"of another policy")
    prepared = storage.preparing_folder() / "new"
    prepared.mkdir(parents=True)
    for name in ("source.dcm", "0.jpg", "0.plane"):
        (prepared / name).write_bytes(name.encode())

    storage.keep_blob(prepared, site, SHA)

    assert kept.names_in(folder) == {"source.dcm", "0.jpg", "0.plane"}
    assert not prepared.exists()
    assert not folder.exists()


def test_copies_stay_within_their_bound_and_the_least_recently_read_go_first(tmp_path: Path):
    copies = Cache(tmp_path / "cache", 1000)
    long_ago = time.time() - 3600
    for number in range(12):
        fresh = copies.fresh()
        fresh.write_bytes(bytes(100))
        path = copies.add(fresh, f"{number:064x}")
        os.utime(path, (long_ago + number, long_ago + number))
        copies.find(f"{0:064x}")  # somebody reads this one all the time

    left = [number for number in range(12) if copies.find(f"{number:064x}")]
    assert left == [0, *range(3, 12)]


def test_a_copy_that_nobody_read_for_a_day_goes_and_one_that_was_just_given_out_stays(tmp_path: Path):
    copies = Cache(tmp_path / "cache", 50)
    for number, age in enumerate((0, 25 * 3600)):
        fresh = copies.fresh()
        fresh.write_bytes(bytes(100))
        path = copies.add(fresh, f"{number:064x}")
        os.utime(path, (time.time() - age,) * 2)

    assert copies.trim() == 1

    assert copies.find(f"{0:064x}")
    assert copies.find(f"{1:064x}") is None


def test_a_pseudonym_key_is_the_same_for_every_host_and_lies_in_no_file_here(
    store: Objects, stores: Path, monkeypatch: pytest.MonkeyPatch
):
    site = uuid4()
    key = keys.site_key(site)
    monkeypatch.setattr(keys, "_remembered", {})  # another process

    assert keys.site_key(site) == keys.kept_key(site) == key
    assert len(key) == 32
    assert not store.put_first(f"keys/{site}.key", b"late")
    fresh = keys.fresh_key(site)
    fresh.take_over()
    assert keys.site_key(site) == fresh.key != key
    keys.forget_key(site)
    with pytest.raises(FileNotFoundError):
        keys.kept_key(site)
    assert not (stores / "keys").exists()


def test_without_a_store_nothing_of_it_is_loaded_or_asked(stores: Path, settings):
    settings.STORE = None

    assert objects() is None
    assert kept.at_hand(place()) != cache().fresh()
    assert storage.store_incoming([b"raw"]).name == incoming(stores)[0].name


def test_a_part_of_a_zip_whose_beginning_another_host_has_is_sent_to_its_start(store: Objects, db, staff, site):
    upload = open_upload(site=site, user=staff, name="zip", models=[])
    sent = {"upload_id": upload.pk, "actor": Actor.user(staff)}
    receive_archive_part(part=Part(start=0, length=4, total=8), parts=[b"PK\x03\x04"], **sent)
    told = archive_offset(upload.pk)
    assert told is not None
    assert told.offset == 4
    for path in storage.incoming_path("x").parent.iterdir():
        path.unlink()  # this process is another host now

    assert archive_offset(upload.pk) is None
    with pytest.raises(BadOffset, match="start at 0"):
        receive_archive_part(part=Part(start=4, length=4, total=8), parts=[b"rest"], **sent)
    receive_archive_part(part=Part(start=0, length=8, total=8), parts=[b"PK\x03\x04rest"], **sent)
    assert [found.key.count("/") for found in store.listed("incoming/")] == [1]
