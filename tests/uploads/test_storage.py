import hashlib
import os
import resource
import stat
from contextlib import contextmanager
from uuid import uuid4

import pytest

from screening.errors import StorageFull
from screening.uploads import storage
from tests.stores import incoming

BYTES = os.urandom(3_000_000)


@contextmanager
def files_no_larger_than(size: int):
    """Let the kernel refuse longer files, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_stored_file_is_the_owners_alone_and_known_by_hash_and_size(stores):
    stored = storage.store_incoming([BYTES[:1_000_000], BYTES[1_000_000:]])

    path = storage.incoming_path(stored.name)
    assert stored.sha256 == hashlib.sha256(BYTES).hexdigest()
    assert stored.size == len(BYTES)
    assert path.read_bytes() == BYTES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_on_a_full_disk_the_refusal_says_so_and_nothing_is_left(stores):
    with files_no_larger_than(1_000_000), pytest.raises(StorageFull):
        storage.store_incoming([BYTES])

    assert incoming(stores) == []


def test_a_disk_that_fills_only_when_the_last_bytes_are_flushed_leaves_nothing_either(stores):
    with files_no_larger_than(100):
        file = storage.Incoming()
        file.write(b"x" * 101)  # stays in the buffer
        with pytest.raises(StorageFull):
            file.finish()

    assert incoming(stores) == []


def test_a_source_that_breaks_off_leaves_nothing(stores):
    def broken():
        yield BYTES
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        storage.store_incoming(broken())

    assert incoming(stores) == []


def test_a_name_under_incoming_tells_nothing_and_comes_never_twice(stores):
    names = {storage.store_incoming([b"same"]).name for _ in range(20)}

    assert len(names) == 20
    assert all(set(name) <= set("0123456789abcdef") and len(name) == 40 for name in names)


def test_a_prepared_folder_replaces_what_a_broken_off_deletion_left(stores):
    site, sha256 = uuid4(), "a" * 64
    half = storage.blob_folder(site, sha256)
    half.mkdir(parents=True)
    (half / "0.jpg").write_bytes(b"left over")
    prepared = storage.preparing_folder() / "fresh"
    prepared.mkdir(parents=True)
    for name in ("source.png", "0.jpg", "0.plane"):
        (prepared / name).write_bytes(b"whole")

    kept = storage.keep_blob(prepared, site, sha256)

    assert {path.name: path.read_bytes() for path in kept.iterdir()} == dict.fromkeys(
        ("source.png", "0.jpg", "0.plane"), b"whole"
    )
    assert list(storage.preparing_folder().iterdir()) == []
