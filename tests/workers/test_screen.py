"""`manage.py screen` as a person runs it, with workers of its own."""

import csv
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ml.vocabulary import DISCLAIMER
from screening.flows.integrity import find_violations
from screening.flows.offers import Checked
from screening.results.models import ModelVersion, Screening
from screening.studies.models import Image
from screening.uploads.models import Item, ItemState, Upload
from screening.users.models import Role, Site
from tests.factories import SiteFactory, UserFactory
from tests.workers.bombs import zip_of
from tests.workers.processes import ROOT
from tests.workers.test_ingest import radiographs
from workers import oncall
from workers.management.commands import screen
from workers.supervisor.plan import Places
from workers.telling import without_outcome

pytestmark = pytest.mark.django_db(transaction=True)
Build = Callable[..., dict[str, str]]
ARMED = {"DJANGO_SETTINGS_MODULE": "tests.faults.settings", "FAULT_NOOP": "0.001"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "studies"
    (made / "inner").mkdir(parents=True)
    for name, content in radiographs(3).items():
        (made / "inner" / name).write_bytes(content)
    (made / "=formula.txt").write_bytes(b"no picture")
    return made


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "screen", *words],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def test_a_folder_is_screened_with_workers_of_the_call_and_again_costs_nothing(
    folder: Path, noop: ModelVersion, child_environment: Build, tmp_path: Path
) -> None:
    out, table = tmp_path / "out.json", tmp_path / "out.csv"
    names = tmp_path / "names.csv"
    names.write_text("path,external_id\ninner/0.dcm,case-1\n../0.dcm,case-2\n")
    environment = child_environment(**ARMED)

    first = run(environment, str(folder), "--json", str(out), "--csv", str(table), "--references", str(names))

    assert first.returncode == 0, first.stdout + first.stderr
    receipt = json.loads(out.read_text())
    assert receipt["disclaimer"] == DISCLAIMER
    assert [(item["path"], item["outcome"], item["code"]) for item in receipt["items"]] == [
        ("=formula.txt", "rejected", "not_an_image_file"),
        ("inner/0.dcm", "accepted", None),
        ("inner/1.dcm", "accepted", None),
        ("inner/2.dcm", "accepted", None),
    ]
    scores = [result["scores"] for item in receipt["items"] for image in item["images"] for result in image["results"]]
    assert scores == [{"covid": 0.5, "other": 0.5}] * 3
    rows = list(csv.DictReader(StringIO(table.read_text())))
    assert rows[0]["path"] == "'=formula.txt"
    assert [item["external_id"] for item in receipt["items"]] == [None, "case-1", None, None]
    assert "row 2" in first.stdout
    assert "Flagged (3)" in first.stdout
    assert DISCLAIMER in first.stdout
    assert out.stat().st_mode & 0o077 == 0

    done = (Image.objects.count(), sum(Screening.objects.values_list("attempts", flat=True)))
    second = run(environment, str(folder / "inner"))

    assert second.returncode == 0, second.stdout + second.stderr
    assert "3 files offered, 0 bytes sent" in second.stdout
    assert (Image.objects.count(), sum(Screening.objects.values_list("attempts", flat=True))) == done
    again = Item.objects.filter(upload=Upload.objects.latest("created_at"))
    assert set(again.values_list("state", "attempts")) == {(ItemState.DUPLICATE, 0)}
    assert list(find_violations()) == []


def test_files_without_an_outcome_end_in_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = SiteFactory()
    UserFactory(username="clerk", role_at=(site, Role.STAFF))
    monkeypatch.setattr(screen, "_wait", lambda upload, shown: Item.objects.update(state=ItemState.FAILED))

    with pytest.raises(CommandError, match="4 files or results have no outcome"):
        call_command("screen", str(folder), "--user", "clerk", stdout=StringIO())


def screened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """What the command prints and how it ends, every file taken as decoded."""
    UserFactory(username="clerk", role_at=(SiteFactory(), Role.STAFF))
    done = {"state": ItemState.REJECTED, "code": "not_an_image_file"}
    monkeypatch.setattr(screen, "_wait", lambda upload, shown: Item.objects.update(**done))
    said = StringIO()
    try:
        call_command("screen", str(folder), "--user", "clerk", stdout=said)
    except CommandError as end:
        return said.getvalue(), str(end)
    return said.getvalue(), ""


def test_what_cannot_be_read_is_said_and_costs_only_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    opened = Path.open

    def one_is_broken(path: Path, *words: object, **more: object) -> object:
        if path.name == "1.dcm":
            raise OSError(errno.EIO, "Input/output error")
        return opened(path, *words, **more)

    monkeypatch.setattr(Path, "open", one_is_broken)

    said, end = screened(folder, monkeypatch)

    assert "Not read (2)" in said
    assert "gone.png: No such file or directory" in said
    assert "inner/1.dcm: Input/output error" in said
    assert end.startswith("2 files or results have no outcome")
    assert Item.objects.count() == 3


def test_an_answer_without_an_item_is_no_outcome(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Checked.of("again.png", "rejected", code="path_twice")
    monkeypatch.setattr(screen, "offer", lambda upload, found, actor: [refused] * len(found))

    said, end = screened(folder, monkeypatch)

    assert "Not offered (4)" in said
    assert end.startswith("4 files or results have no outcome")


def test_names_that_would_become_one_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["e\u0301.png".encode(), "\u00e9.png".encode(), b"\xfe.png", b"\xff.png"]
    for number, name in enumerate(names):
        (tmp_path / os.fsdecode(name)).write_bytes(bytes([number]))

    _, end = screened(tmp_path, monkeypatch)

    assert end == ""
    assert sorted(Item.objects.values_list("path", flat=True)) == ["? (2).png", "?.png", "\u00e9 (2).png", "\u00e9.png"]
    assert Item.objects.values("sha256").distinct().count() == 4


def test_a_zip_in_the_folder_is_opened_and_one_that_is_none_is_named(
    folder: Path, noop: ModelVersion, child_environment: Build, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    (folder / "more.ZIP").write_bytes(zip_of({"in/9.dcm": radiographs(10)["9.dcm"]}))
    (folder / "broken.zip").write_bytes(b"no zip at all")

    done = run(child_environment(**ARMED), str(folder), "--json", str(out))

    assert (done.returncode, "1 files or results have no outcome" in done.stderr) == (1, True)
    assert "broken.zip: " in done.stdout
    told = json.loads(out.read_text())
    assert [(one["path"], one["code"]) for one in told["archives"]] == [("broken.zip", "archive_unreadable")]
    states = dict(Item.objects.values_list("path", "state"))
    assert states["in/9.dcm"] == ItemState.ACCEPTED
    assert not any(path.endswith(".zip") for path in states)
    assert Screening.objects.count() == 4


def test_an_empty_zip_is_said_not_to_be_sent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "empty.zip").write_bytes(b"")

    said, failed = screened(folder, monkeypatch)

    assert "empty.zip" in said
    assert "no outcome" in failed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["/no/such/folder"], "is no folder"),
        (["{folder}", "--user", "nobody"], "No user is named nobody"),
        (["{folder}", "--user", "clerk", "--site", "Elsewhere"], "may not upload"),
        (["{folder}", "--user", "clerk", "--models", "no-such-model"], "unknown_model"),
    ],
)
def test_a_wrong_word_is_answered_and_nothing_is_opened(folder: Path, words: list[str], said: str) -> None:
    UserFactory(username="clerk", role_at=(SiteFactory(), Role.STAFF))

    with pytest.raises(CommandError, match=said):
        call_command("screen", *(word.format(folder=folder) for word in words), stdout=StringIO())

    assert not Upload.objects.exists()


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="holds no files"):
        call_command("screen", str(tmp_path), stdout=StringIO())


def test_somebody_who_only_reads_at_a_site_may_not_upload_there(folder: Path) -> None:
    site: Site = SiteFactory()
    UserFactory(username="reader", role_at=(site, Role.REVIEWER))

    with pytest.raises(CommandError, match="may not upload"):
        call_command("screen", str(folder), "--user", "reader", stdout=StringIO())

    assert not Upload.objects.exists()


def test_workers_that_beat_are_used_and_silent_ones_are_replaced(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.run.mkdir()
    (places.run / "ingest.beat").touch()

    assert oncall.lacking(places) == ["inference"]


def test_nothing_is_owed_for_no_items() -> None:
    assert without_outcome([]) == 0
