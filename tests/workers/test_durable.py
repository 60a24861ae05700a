"""What is kept of a chunk is on the disk before the rows that name it are committed."""

import errno
import os
from pathlib import Path

import pytest

from workers import durable
from workers.durable import FEW, make_durable


@pytest.fixture
def calls(monkeypatch):
    """Count what the kernel is asked to write, and let it."""
    made = []
    write = durable._write

    def counted_write(path, *, whole=False):
        made.append("file system" if whole else "file")
        write(path, whole=whole)

    monkeypatch.setattr(durable, "_write", counted_write)
    return made


def some(folder: Path, count: int) -> list[Path]:
    paths = [folder / str(number) for number in range(count)]
    for path in paths:
        path.write_bytes(b"kept")
    return paths


def test_few_are_written_one_by_one(tmp_path, calls):
    make_durable(some(tmp_path, FEW))
    assert calls == ["file"] * FEW


@pytest.mark.skipif(not durable._HAS_SYNCFS, reason="needs Linux 5.8 or later")
def test_many_are_written_in_one_step(tmp_path, calls):
    make_durable(some(tmp_path, 64))
    assert calls == ["file system"]


def test_many_are_written_one_by_one_where_the_system_knows_no_other_way(tmp_path, calls, monkeypatch):
    monkeypatch.setattr(durable, "_HAS_SYNCFS", False)
    make_durable([*some(tmp_path, 64), tmp_path])
    assert calls == ["file"] * 65


def test_nothing_to_write_is_no_error(calls):
    make_durable([])
    assert calls == []


def test_what_cannot_be_written_is_told(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        make_durable(some(tmp_path, 1))


@pytest.mark.skipif(not durable._HAS_SYNCFS, reason="needs Linux 5.8 or later")
def test_what_the_file_system_could_not_write_is_told(tmp_path, monkeypatch):
    class Broken:
        """A kernel that failed to write something back."""

        @staticmethod
        def syncfs(_: int) -> int:
            return -1

    monkeypatch.setattr(durable.ctypes, "CDLL", lambda *_, **__: Broken)
    monkeypatch.setattr(durable.ctypes, "get_errno", lambda: errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        make_durable(some(tmp_path, 64))
