"""Killed anywhere, the same command goes on: one outcome for each file, and no stored byte travels twice."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from chest_client import Client
from chest_client.command.watching import Mark, Settling
from tests.client.conftest import Ctl
from tests.client.proxy import Proxy
from tests.faults.service import say
from tests.phantoms import png_file, radiograph
from tests.workers.processes import until

FILES = 260  # six requests
MANY = int(os.environ.get("RESUMED_FILES", "5000"))


def kill(process: subprocess.Popen[str], proxy: Proxy) -> None:
    """SIGKILL; then let what the service was already given arrive."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: proxy.busy == 0, 30, "a request is stuck")


def killed_on_its_way(ctl: Ctl, proxy: Proxy, folder: Path, after: Sequence[int]) -> None:
    """Start an upload and kill it once so many requests with files had passed, again and again."""
    for least in after:
        process = ctl.start("upload", folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda least=least: len(proxy.calls("/files/")) >= least, 120, "nothing is sent")
        assert process.poll() is None, "it was done before it was killed"
        kill(process, proxy)


def require_each_once(proxy: Proxy, client: Client, upload: str, names: Collection[str]) -> None:
    """One upload, every file taken once and no more, one outcome for each."""
    assert len({one.path for one in proxy.calls("/check/")}) == 1, "every call went on with the same upload"
    assert proxy.sent() == Counter(dict.fromkeys(names, 1))
    receipt = client.receipt(upload)
    assert Counter(item.outcome for item in receipt.items) == {"accepted": len(names)}
    assert {item.path for item in receipt.items} == set(names)
    assert len(receipt.items) == len(names)


def test_killed_three_times_an_upload_goes_on_and_sends_nothing_twice(
    ctl_by_proxy: Ctl, proxy: Proxy, client: Client, pictures
) -> None:
    folder = pictures(FILES)
    proxy.delay = 0.6
    killed_on_its_way(ctl_by_proxy, proxy, folder, (1, 3, 5))

    told = ctl_by_proxy.json("upload", folder)

    require_each_once(proxy, client, told["upload"], [f"inner/{number:03}.png" for number in range(FILES)])


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_five_thousand_files_killed_three_times_have_one_outcome_each_and_none_travels_twice(
    ctl_by_proxy: Ctl, proxy: Proxy, client: Client, pictures
) -> None:
    folder, began = pictures(MANY), time.monotonic()
    proxy.delay = 0.3
    killed_on_its_way(ctl_by_proxy, proxy, folder, (10, 40, 80))
    killed = time.monotonic()
    proxy.delay = 0.0

    process = ctl_by_proxy.start("upload", folder, "--json", stdout=subprocess.PIPE)
    said, _ = process.communicate(timeout=3000)

    assert process.returncode == 0, said
    told, sizes = json.loads(said), [path.stat().st_size for path in (folder / "inner").iterdir()]
    say(
        figure="chestctl_killed_three_times",
        value=MANY,
        unit="files",
        seconds=round(time.monotonic() - began),
        until_the_last_kill=round(killed - began),
        requests_with_files=len(proxy.calls("/files/")),
        sent_mb=round(sum(one.size for one in proxy.calls("/files/")) / 1e6, 1),
        folder_mb=round(sum(sizes) / 1e6, 1),
        load=round(os.getloadavg()[0], 1),
    )
    require_each_once(proxy, client, told["upload"], [f"inner/{number:03}.png" for number in range(MANY)])


def test_killed_while_it_waits_it_goes_on_waiting_for_the_same_upload(
    ctl_by_proxy: Ctl, proxy: Proxy, pictures
) -> None:
    folder = pictures(150)
    process = ctl_by_proxy.start("upload", folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: bool(proxy.calls("/seal/")), 60, "not sealed")
    kill(process, proxy)

    told = ctl_by_proxy.json("upload", folder)

    [sealed] = proxy.calls("/seal/")
    assert told["upload"] in sealed.path
    assert (told["state"], told["sent"]["files"]) == ("finished", 0)


def test_what_is_kept_between_two_calls_names_no_file(ctl_by_proxy: Ctl, proxy: Proxy, pictures) -> None:
    folder = pictures(60)
    named = folder / "quillfeather-zebedee.png"
    named.write_bytes(png_file(radiograph(64, 60, seed=70)))
    proxy.delay = 0.5
    process = ctl_by_proxy.start("upload", folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: bool(proxy.calls("/files/")), 60, "nothing is sent")

    kill(process, proxy)

    kept = [path for path in ctl_by_proxy.home.rglob("*") if path.is_file()]
    assert len(kept) == 1
    assert {path.stat().st_mode & 0o077 for path in kept} == {0}
    told = kept[0].name + kept[0].read_text()
    assert not any(word in told for word in ("quillfeather", "ward", "inner", ctl_by_proxy.door.token))


@pytest.mark.parametrize("first", [5.0, 6.0])
def test_a_file_is_settled_once_it_did_not_change_for_the_quiet_time(first: float) -> None:
    settling, file = Settling(5.0), Path("a.png")
    assert settling.ready(0.0, {file: Mark(10, 1)}) == []
    assert settling.ready(4.9, {file: Mark(10, 1)}) == []
    assert settling.ready(first, {file: Mark(20, 2)}) == []

    assert settling.ready(first + 4.9, {file: Mark(20, 2)}) == []
    assert settling.ready(first + 5.0, {file: Mark(20, 2)}) == [file]


def test_a_file_that_never_settles_holds_the_others_up_for_ten_quiet_times_only() -> None:
    settling, done, growing = Settling(1.0), Path("done.png"), Path("growing.png")
    looks = [settling.ready(now / 2, {done: Mark(1, 1), growing: Mark(now, now)}) for now in range(21)]

    assert looks[:20] == [[]] * 20
    assert looks[20] == [done]


def test_watch_sends_a_file_only_once_it_is_settled_and_new_ones_later(
    ctl_by_proxy: Ctl, proxy: Proxy, client: Client, pictures, tmp_path: Path
) -> None:
    folder, growing = pictures(2), png_file(radiograph(64, 60, seed=80))
    (folder / "left.zip").write_bytes(b"PK")
    target = folder / "growing.png"
    target.write_bytes(growing[:100])
    said = tmp_path / "said"
    with said.open("w") as output:
        process = ctl_by_proxy.start("upload", folder, "--watch", "--quiet", 1.5, "--json", stdout=output)
        for end in range(200, len(growing), max(1, len(growing) // 6)):
            time.sleep(0.5)
            target.write_bytes(growing[:end])
            assert proxy.calls("/uploads/") == [], "nothing is sent while a file grows"
        target.write_bytes(growing)
        until(lambda: len(proxy.calls("/seal/")) == 1, 30, "not sent")
        (folder / "later.png").write_bytes(png_file(radiograph(64, 60, seed=81)))
        until(lambda: len(proxy.calls("/seal/")) == 2, 30, "not sent")
        until(lambda: len(said.read_text().splitlines()) == 3, 30, "not said")
        kill(process, proxy)

    assert said.read_text().count("left.zip") == 1, "what is left out is said once"
    names = {"inner/000.png", "inner/001.png", "growing.png", "later.png"}
    assert proxy.sent() == Counter(dict.fromkeys(names, 1))
    again = ctl_by_proxy.start("upload", folder, "--watch", "--quiet", 0.5, stdout=subprocess.DEVNULL)
    time.sleep(4)
    kill(again, proxy)
    assert len(proxy.calls("/seal/")) == 2, "what was sent before is not new"
    assert all(one.state != "failed" for one in client.results())


def test_watch_killed_while_it_sends_goes_on_with_the_same_upload(ctl_by_proxy: Ctl, proxy: Proxy, pictures) -> None:
    folder = pictures(120)
    proxy.delay = 0.6
    words = ("upload", folder, "--watch", "--quiet", 0.3)
    process = ctl_by_proxy.start(*words, stdout=subprocess.DEVNULL)
    until(lambda: len(proxy.calls("/files/")) >= 1, 60, "nothing is sent")
    kill(process, proxy)

    again = ctl_by_proxy.start(*words, stdout=subprocess.DEVNULL)
    until(lambda: len(proxy.calls("/seal/")) == 1, 60, "not sent")
    kill(again, proxy)

    assert proxy.sent() == Counter({f"inner/{number:03}.png": 1 for number in range(120)})
    assert len({one.path for one in proxy.calls("/check/")}) == 1
