"""`chestctl` as a person or a script runs it, against the running service."""

import csv
import json
import stat
import subprocess
import time
from pathlib import Path

import pytest

from chest_client import Client
from tests.client.conftest import Ctl
from tests.client.proxy import BUSY, LOST, Proxy
from tests.client.service import Door, RunningService, free_port


@pytest.fixture
def stranger(ctl: Ctl) -> Ctl:
    """Somebody who has no login yet."""
    ctl.more = {"CHEST_URL": "", "CHEST_TOKEN": ""}
    return ctl


def test_login_keeps_the_token_where_only_its_owner_reads_and_says_it_nowhere(stranger: Ctl, door: Door) -> None:
    done = stranger("login", door.url, said=f"{door.token}\n")

    assert (done.returncode, done.stdout) == (0, f"Logged in at {door.url}.\n")
    kept = stranger.home / "config" / "chestctl" / "login.json"
    assert json.loads(kept.read_text()) == {"url": door.url, "token": door.token}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    models = stranger("models")
    assert models.returncode == 0
    assert "xray-noop@1.0.0" in models.stdout
    assert door.token not in done.stdout + done.stderr + models.stdout + models.stderr


def test_the_token_that_was_stored_goes_to_no_other_address(stranger: Ctl, door: Door) -> None:
    stranger("login", door.url, said=f"{door.token}\n")
    stranger.more["CHEST_URL"] = f"http://127.0.0.1:{free_port()}"

    done = stranger("models")

    assert done.returncode == 2
    assert "CHEST_TOKEN" in done.stderr
    stranger.more["CHEST_URL"] = f"{door.url}/"
    assert stranger("models").returncode == 0


def test_a_pipe_gets_whole_identifiers(ctl: Ctl, folder: Path, client: Client) -> None:
    ctl("upload", folder)

    lines = ctl("results").stdout.splitlines()

    studies = {str(one.id) for one in client.results()}
    assert studies <= {line.split("\t")[1] for line in lines if "\t" in line}


def test_a_token_that_does_not_work_is_not_stored(stranger: Ctl, door: Door) -> None:
    done = stranger("login", door.url, said=f"{'b' * 64}\n")

    assert done.returncode == 5
    assert "API tokens" in done.stderr
    assert "b" * 64 not in done.stdout + done.stderr
    assert list(stranger.home.rglob("login.json")) == []


def test_the_token_is_never_a_word_of_the_command_line(stranger: Ctl, door: Door) -> None:
    done = stranger("login", door.url, "--token", door.token)

    assert done.returncode == 2
    assert list(stranger.home.rglob("login.json")) == []


def test_upload_ends_with_0_where_every_file_has_an_outcome(ctl: Ctl, folder: Path, client: Client) -> None:
    told = ctl.json("upload", folder)

    assert told["state"] == "finished"
    assert told["sent"]["files"] == 5  # the repeated file and the empty one did not travel
    assert told["without_outcome"] == 0
    assert {name: number for name, number in told["items"].items() if number} == {
        "accepted": 3,
        "duplicate": 1,
        "rejected": 3,
    }
    receipt = ctl.json("receipt", told["upload"])
    assert len(receipt["items"]) == len({item["path"] for item in receipt["items"]}) == 7
    assert ctl.json("wait", told["upload"])["items"] == told["items"]

    again = ctl.json("upload", folder)

    assert again["upload"] != told["upload"]
    # What was refused is not kept by the site, and has to be looked at again.
    assert (again["sent"]["files"], again["items"]["duplicate"], again["items"]["rejected"]) == (2, 4, 3)


def test_a_person_reads_what_became_of_the_folder(ctl: Ctl, folder: Path) -> None:
    done = ctl("upload", folder)

    assert done.returncode == 0, done.stderr
    assert "files: 3 accepted, 1 duplicate, 3 rejected" in done.stdout
    assert "results: 3 scored" in done.stdout
    assert "empty.png: " in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_results_since_a_number_say_with_which_number_to_go_on(ctl: Ctl, pictures) -> None:
    ctl.json("upload", pictures(2))

    first = ctl.json("results", "--since", 0)
    lines = ctl("export", "--since", 0).stdout.splitlines()

    assert len(first["results"]) == 2
    assert first["since"] == max(study["change_number"] for study in first["results"])
    assert {json.loads(line)["study"] for line in lines} == {study["id"] for study in first["results"]}
    table = ctl("results")
    assert "Next: --since " in table.stdout


def test_export_writes_a_table_into_a_file_of_its_owner_alone(ctl: Ctl, folder: Path) -> None:
    upload, target = ctl.json("upload", folder)["upload"], ctl.home / "out.csv"

    done = ctl("export", "--format", "csv", "--upload", upload, "--output", target)

    assert (done.returncode, done.stdout) == (0, "")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    rows = list(csv.DictReader(target.read_text().splitlines()))
    assert [row["outcome"] for row in rows] == ["scored"] * 3
    assert len({row["cursor"] for row in rows}) == 3
    assert "ward" not in target.read_text()


def test_the_receipt_comes_as_the_service_writes_it(ctl: Ctl, folder: Path) -> None:
    upload = ctl.json("upload", folder)["upload"]

    assert len(ctl("receipt", upload, "--csv").stdout.splitlines()) == 8


def test_results_wait_for_a_change_and_no_longer(ctl: Ctl, pictures) -> None:
    began = time.monotonic()
    empty = ctl.json("results", "--since", 0, "--wait", 2)
    waited = time.monotonic() - began
    with ctl.start("results", "--since", 0, "--wait", 90, "--json", stdout=subprocess.PIPE) as waiting:
        ctl.json("upload", pictures(1))
        told = json.loads(waiting.communicate(timeout=120)[0])

    assert empty == {"results": [], "since": 0}
    assert waited >= 2
    assert len(told["results"]) == 1


def test_a_file_that_cannot_be_written_is_said_without_a_traceback(ctl: Ctl) -> None:
    (ctl.home / "taken").mkdir()

    done = ctl("export", "--output", ctl.home / "taken")

    assert done.returncode == 2
    assert "directory" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in ctl.home.iterdir() if "taken" in path.name] == ["taken"]


def test_a_reader_that_has_enough_is_no_failure(ctl: Ctl, pictures) -> None:
    ctl.json("upload", pictures(30))

    with ctl.start("export", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""


def test_a_zip_has_no_outcome_and_ends_with_3(ctl: Ctl, pictures) -> None:
    folder = pictures(1)
    (folder / "more.zip").write_bytes(b"PK")

    done = ctl("upload", folder)

    assert done.returncode == 3
    assert "more.zip" in done.stderr
    assert "1 files or results have no outcome" in done.stdout
    assert ctl.json("upload", folder, ends=3)["zips_left_out"] == ["more.zip"]


def test_a_file_that_cannot_be_read_is_refused_on_the_receipt(ctl: Ctl, pictures) -> None:
    folder = pictures(1)
    (folder / "gone.png").symlink_to(folder / "nowhere.png")

    told = ctl.json("upload", folder)

    assert [(one["path"], one["code"]) for one in told["refused"]] == [("gone.png", "not_readable")]
    assert told["items"]["rejected"] == 1


def test_what_the_service_refuses_ends_with_4(ctl: Ctl, pictures) -> None:
    unknown = ctl("upload", pictures(1), "--model", "no-such-model")
    missing = ctl.json("receipt", "00000000-0000-0000-0000-000000000000", ends=4)

    assert unknown.returncode == 4
    assert "unknown_model" in unknown.stderr
    assert missing["error"]["code"] == "not_found"
    assert missing["error"]["what_to_do"]


def test_a_token_that_only_reads_ends_with_5(running_service: RunningService, ctl: Ctl, pictures) -> None:
    ctl.more = {"CHEST_TOKEN": running_service.reader.token}

    assert ctl("upload", pictures(1)).returncode == 5
    assert ctl("results").returncode == 0


def test_a_service_that_is_away_ends_with_6(stranger: Ctl) -> None:
    done = stranger("login", f"http://127.0.0.1:{free_port()}", said=f"{'c' * 64}\n")

    assert done.returncode == 6
    assert "unreachable" in done.stderr


def test_an_upload_that_is_not_over_in_time_ends_with_7_and_goes_on(ctl: Ctl, client: Client, pictures) -> None:
    upload = client.open_upload()

    done = ctl("wait", upload.id, "--timeout", "0.3")

    assert done.returncode == 7
    assert client.upload(upload.id).state == "open"


def test_wrong_words_end_with_2(ctl: Ctl, stranger: Ctl, tmp_path: Path) -> None:
    assert stranger("models").returncode == 2
    assert ctl("upload").returncode == 2
    assert ctl("upload", tmp_path / "none").returncode == 2
    assert ctl("wait", "no-uuid").returncode == 2


def test_an_upload_outlives_a_busy_service_and_a_lost_answer(ctl_by_proxy: Ctl, proxy: Proxy, pictures) -> None:
    proxy.faults = [(part, fault) for part in ("/uploads/", "/check/", "/files/", "/seal/") for fault in (BUSY, LOST)]

    told = ctl_by_proxy.json("upload", pictures(5))

    assert told["items"]["accepted"] == 5
    assert set(proxy.sent().values()) == {1}
    assert proxy.faults == []


def test_retry_says_how_much_is_tried_again(ctl: Ctl, pictures) -> None:
    upload = ctl.json("upload", pictures(1))["upload"]

    told = ctl.json("retry", upload)

    assert told == {"upload": upload, "queued": 0}
    assert ctl("wait", upload).returncode == 0
