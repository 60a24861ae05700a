import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workers.bombs import lying_zip, overlapping_zip, understating_zip, zip_of, zip_with
from workers import zips
from workers.zips import ArchiveRefused, Bounds, MemberRefused, Zip, member_name

MIB = 1024 * 1024
BOUNDS = Bounds(entries=100, member_bytes=64 * MIB, total_bytes=200 * MIB)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Zip]:
    def build(raw: bytes, bounds: Bounds = BOUNDS) -> Zip:
        path = tmp_path / "archive"
        path.write_bytes(raw)
        return Zip(path, bounds)

    return build


def all_bytes(archive: Zip, number: int = 0) -> bytes:
    return b"".join(archive.parts(archive.members[number]))


def test_files_come_out_as_they_went_in(opened: Callable[..., Zip]) -> None:
    with opened(zip_of({"a/b.png": b"first", "c.dcm": b"second"})) as archive:
        assert [(member_name(info), all_bytes(archive, n)) for n, info in enumerate(archive.members)] == [
            ("a/b.png", b"first"),
            ("c.dcm", b"second"),
        ]


def test_folders_and_resource_forks_are_no_files(opened: Callable[..., Zip]) -> None:
    with opened(zip_of({"a/": b"", "a/b.png": b"x", "__MACOSX/a/._b.png": b"fork"})) as archive:
        assert [info.filename for info in archive.members] == ["a/b.png"]


@pytest.mark.parametrize(
    "raw",
    [b"", b"no zip", b"PK\x05\x06" + bytes(5), zip_of({"a": b"x"})[:-30]],
    ids=["empty", "text", "cut", "torn"],  # a zip holds the time of its making
)
def test_what_is_no_zip_is_refused(opened: Callable[..., Zip], raw: bytes) -> None:
    with pytest.raises(ArchiveRefused) as refusal:
        opened(raw)

    assert refusal.value.code == "archive_unreadable"


@pytest.mark.parametrize("raw", [zip_of({str(n): b"" for n in range(101)}), understating_zip(101)])
def test_entries_are_counted_not_believed(opened: Callable[..., Zip], raw: bytes) -> None:
    with pytest.raises(ArchiveRefused) as refusal:
        opened(raw)

    assert refusal.value.code == "archive_too_many_entries"


def test_a_directory_that_would_fill_the_memory_is_refused_before_it_is_read(
    tmp_path: Path, opened: Callable[..., Zip], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "made"
    with zipfile.ZipFile(out, "w") as made:
        for number in range(4):
            info = zipfile.ZipInfo(f"{number}.png")
            info.comment = b"c" * 60_000
            made.writestr(info, b"x")
    monkeypatch.setattr(zips.zipfile, "ZipFile", lambda _: pytest.fail("the directory was read"))

    with pytest.raises(ArchiveRefused) as refusal:
        opened(out.read_bytes())  # 240 kB for at most a hundred entries of 2 KiB

    assert refusal.value.code == "archive_too_large"


def test_members_that_share_their_bytes_are_a_bomb(opened: Callable[..., Zip]) -> None:
    with pytest.raises(ArchiveRefused) as refusal:
        opened(overlapping_zip(50))

    assert refusal.value.code == "archive_ratio"


def test_an_archive_that_admits_to_be_too_large_is_refused_before_a_byte_is_read(opened: Callable[..., Zip]) -> None:
    with pytest.raises(ArchiveRefused) as refusal:
        opened(zip_of({"a": bytes(2 * MIB)}), Bounds(entries=9, member_bytes=64 * MIB, total_bytes=MIB))

    assert refusal.value.code == "archive_too_large"


def test_a_member_that_expands_far_beyond_its_size_stops_at_sixteen_mebibytes(opened: Callable[..., Zip]) -> None:
    read: list[int] = []
    with opened(zip_of({"zeros.png": bytes(60 * MIB)})) as archive, pytest.raises(MemberRefused) as refusal:
        read.extend(len(part) for part in archive.parts(archive.members[0]))

    assert refusal.value.code == "archive_ratio"
    assert sum(read) <= 23 * MIB  # sixteen, and a hundred times the 60 kB that it is packed into


def test_a_size_in_the_header_is_no_way_around_the_count(opened: Callable[..., Zip]) -> None:
    with opened(lying_zip(claimed=10, mebibytes=40)) as archive, pytest.raises(MemberRefused) as refusal:
        all_bytes(archive)

    assert refusal.value.code in {"archive_ratio", "unreadable"}


def test_many_members_together_are_counted_too(opened: Callable[..., Zip]) -> None:
    raw = zip_of({f"{n}.png": bytes(15 * MIB) for n in range(8)})
    refused = []
    with opened(raw) as archive:
        for info in archive.members:
            try:
                list(archive.parts(info))
            except MemberRefused as refusal:
                refused.append(refusal.code)

    assert set(refused) == {"archive_ratio"}
    assert len(refused) >= 2


def test_a_member_beyond_the_size_of_a_file_is_too_large(opened: Callable[..., Zip]) -> None:
    bounds = Bounds(entries=9, member_bytes=10, total_bytes=MIB)
    with opened(zip_of({"a": b"eleven byte"}), bounds) as archive, pytest.raises(MemberRefused) as refusal:
        all_bytes(archive)

    assert refusal.value.code == "too_large"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (zip_with("link.png", b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "archive_link"),
        (zip_with("device", b"", mode=stat.S_IFBLK | 0o600), "archive_link"),
        (zip_with("pipe", b"", mode=stat.S_IFIFO | 0o600), "archive_link"),
        (zip_with("secret.png", b"x", flags=1), "archive_encrypted"),
        (zip_with("packed.png", b"x", method=14), "archive_compression"),  # LZMA
        (zip_with("inner.zip", zip_of({"a": b"x"})), "archive_nested"),
        (zip_with("inner.png", zip_of({})), "archive_nested"),  # by content, whatever its name
    ],
)
def test_links_devices_encrypted_odd_and_nested_members_are_refused_by_name(
    opened: Callable[..., Zip], raw: bytes, code: str
) -> None:
    with opened(raw) as archive, pytest.raises(MemberRefused) as refusal:
        all_bytes(archive)

    assert refusal.value.code == code


def test_a_damaged_member_costs_only_itself(opened: Callable[..., Zip]) -> None:
    raw = bytearray(zip_of({"a.png": b"A" * 50, "b.png": b"B" * 50}, packed=False))
    raw[raw.index(b"AAAA")] ^= 0xFF
    with opened(bytes(raw)) as archive:
        with pytest.raises(MemberRefused) as refusal:
            all_bytes(archive, 0)
        second = all_bytes(archive, 1)

    assert refusal.value.code == "unreadable"
    assert second == b"B" * 50


def test_what_stands_behind_a_nul_in_a_name_is_not_lost(opened: Callable[..., Zip]) -> None:
    raw = zip_of({"a.pngXevil": b"x"}).replace(b"a.pngXevil", b"a.png\x00evil")
    with opened(raw) as archive:
        assert member_name(archive.members[0]) == "a.png\x00evil"
