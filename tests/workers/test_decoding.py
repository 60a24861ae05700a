"""Real children forked from a real server: what they are kept from, and what becomes of those that die."""

import base64
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from ml.vocabulary import PIPELINE
from tests.phantoms import dicom_file, png_file
from tests.workers.striking import make_endless, server_of, striking
from workers import decoders
from workers.decoding.pool import ChildCrashed, ChildOverLimit, DecoderPool

KEY = base64.b64encode(b"k" * 32).decode()
LIMITS = {"max_file_bytes": 10**9, "max_pixels": 10**9, "max_frames": 8}


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    made = DecoderPool(mebibytes=1024)
    yield made
    made.close()


def request(source: Path, out: Path) -> dict[str, object]:
    return {
        "do": "process",
        "source": str(source),
        "out": str(out),
        "key": KEY,
        "modality": "xray",
        "hold_burned_in": False,
        "mask_text": False,
        "reduced": False,
        "limits": LIMITS,
    }


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a-name-that-says-nothing"
    path.write_bytes(dicom_file())
    return path


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    return make_endless(tmp_path / "endless")


def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir(exist_ok=True)
    return folder


def test_a_picture_comes_back_read_and_its_folder_filled(pool: DecoderPool, picture: Path, tmp_path: Path) -> None:
    answer = pool.ask(request(picture, out(tmp_path)), seconds=60)

    assert answer["processed"]["kind"] == "dicom"
    assert sorted(path.name for path in out(tmp_path).iterdir()) == ["0.jpg", "0.plane", "source.dcm"]


def test_a_plane_is_made_again_under_the_limits_of_the_service(
    pool: DecoderPool, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.ask(request(picture, out(tmp_path)), seconds=60)
    config = replace(decoders.CONFIG, limits=replace(decoders.CONFIG.limits, pixels=10))
    monkeypatch.setattr(decoders, "POOL", pool)

    allowed = decoders.rebuild(out(tmp_path) / "source.dcm", 0, PIPELINE)
    monkeypatch.setattr(decoders, "CONFIG", config)

    assert allowed == (out(tmp_path) / "0.plane").read_bytes()
    assert decoders.rebuild(out(tmp_path) / "source.dcm", 0, PIPELINE) is None


def test_one_child_serves_many_files(pool: DecoderPool, picture: Path, tmp_path: Path) -> None:
    for _ in range(3):
        pool.ask(request(picture, out(tmp_path)), seconds=60)

    assert len(server_of(pool).children()) == 1


def test_a_refusal_comes_back_as_its_code(pool: DecoderPool, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"no picture at all")

    assert pool.ask(request(tmp_path / "text", out(tmp_path)), seconds=60)["refused"] == "not_an_image_file"


def test_a_killed_child_is_a_crash_and_the_next_file_gets_a_fresh_one(
    pool: DecoderPool, endless: Path, picture: Path, tmp_path: Path
) -> None:
    with striking(pool, signal.SIGSEGV), pytest.raises(ChildCrashed):
        pool.ask(request(endless, out(tmp_path)), seconds=60)

    assert "processed" in pool.ask(request(picture, out(tmp_path)), seconds=60)


def test_a_child_that_takes_too_long_is_ended_by_its_own_clock(
    pool: DecoderPool, endless: Path, tmp_path: Path
) -> None:
    with pytest.raises(ChildOverLimit):
        pool.ask(request(endless, out(tmp_path)), seconds=1)


def test_a_child_whose_clock_stands_still_is_killed_from_outside(
    pool: DecoderPool, endless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.decoding.pool.GRACE_SECONDS", 1.0)

    with striking(pool, signal.SIGSTOP), pytest.raises(ChildOverLimit):
        pool.ask(request(endless, out(tmp_path)), seconds=2)

    _, left = psutil.wait_procs(server_of(pool).children(), timeout=20)
    assert left == []


def test_a_picture_that_needs_more_memory_than_is_allowed_is_refused_not_fatal(tmp_path: Path) -> None:
    pool = DecoderPool(mebibytes=300)
    (tmp_path / "huge").write_bytes(png_file(np.zeros((7500, 7500), np.uint8)))

    try:
        answer = pool.ask(request(tmp_path / "huge", out(tmp_path)), seconds=120)
    except ChildCrashed:  # a library that aborts when it gets no memory: retried, then refused
        answer = {"refused": "decoder_limit"}
    finally:
        pool.close()

    assert answer["refused"] == "decoder_limit"


def test_a_lost_server_is_replaced_and_costs_no_file(pool: DecoderPool, picture: Path, tmp_path: Path) -> None:
    pool.ask(request(picture, out(tmp_path)), seconds=60)
    first = server_of(pool)
    first.kill()
    first.wait(10)

    assert "processed" in pool.ask(request(picture, out(tmp_path)), seconds=60)
    assert server_of(pool).pid != first.pid


def test_children_end_with_the_server(pool: DecoderPool, picture: Path, tmp_path: Path) -> None:
    pool.ask(request(picture, out(tmp_path)), seconds=60)
    [child] = server_of(pool).children()

    pool.close()

    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_neither_server_nor_child_knows_a_secret_or_the_service(
    pool: DecoderPool, picture: Path, tmp_path: Path
) -> None:
    pool.ask(request(picture, out(tmp_path)), seconds=60)

    for process in [server_of(pool), *server_of(pool).children()]:
        assert not {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"} & set(process.environ())
        loaded = {Path(one.path).name for one in process.memory_maps()}
        assert not any("tensorflow" in name or "psycopg" in name for name in loaded)
        assert process.cwd() == "/"


@pytest.mark.skipif(not Path("/proc/self/ns/net").exists(), reason="needs Linux: namespaces")
def test_a_child_has_no_network_where_the_system_allows_that(pool: DecoderPool, picture: Path, tmp_path: Path) -> None:
    pool.ask(request(picture, out(tmp_path)), seconds=60)
    [child] = server_of(pool).children()
    interfaces = Path(f"/proc/{child.pid}/net/dev").read_text()
    allowed = os.system("unshare --user --net true 2>/dev/null") == 0

    assert ("eth" not in interfaces and "ens" not in interfaces) or not allowed
