"""What is refused, and that nothing was changed by then."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from screening.backups import returning, saving, sqlite
from screening.backups.blobs import put_back_blobs
from screening.backups.errors import Refused
from screening.backups.manifest import DATABASE, read_manifest, write_manifest
from screening.studies.models import Image
from screening.uploads.storage import blob_folder
from tests.backups.conftest import back_up
from tests.backups.telling import everything
from tests.conftest import database_url_of_tests
from tests.migrations.back_and_forth import last_two
from workers.supervisor.lock import OnlyOne

pytestmark = pytest.mark.django_db(transaction=True)


def refused(source: Path, *words: str) -> str:
    """Restore over the installation of this test, which must refuse and change nothing. The code."""
    before = everything()

    with pytest.raises(CommandError) as refusal:
        call_command("restore", str(source), *words, stdout=StringIO(), stderr=StringIO())

    assert everything() == before
    return str(refusal.value).rpartition("[")[2].removesuffix("]")


@pytest.fixture
def backup(served, tmp_path) -> Path:
    back_up(tmp_path / "backup")
    return tmp_path / "backup"


def test_one_other_bit_in_any_file_but_a_blob_is_refused_and_nothing_is_changed(backup):
    files = [path for path in backup.rglob("*") if path.is_file() and "blobs" not in path.relative_to(backup).parts]
    expected = {"manifest.json", DATABASE[connection.vendor], "blobs.txt", "secret_key"}
    assert {path.name for path in files if path.suffix != ".key"} == expected
    assert len(files) == len(expected) + 1

    for path in files:
        whole = path.read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert refused(backup, "--replace") == "backup_damaged", path.name
        path.write_bytes(whole)
    path.unlink()
    assert refused(backup, "--replace") in {"backup_damaged", "no_backup"}


def test_a_backup_that_was_cut_off_is_none_and_is_not_written_over(served, tmp_path, monkeypatch):
    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(saving, "write_manifest", cut_off)
    with pytest.raises(KeyboardInterrupt):
        back_up(tmp_path / "backup")

    assert (tmp_path / "backup" / "blobs.txt").is_file()
    assert refused(tmp_path / "backup", "--replace") == "no_backup"
    with pytest.raises(CommandError, match="target_taken"):
        back_up(tmp_path / "backup")


def test_a_full_disk_is_told_from_a_bug(served, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "write_manifest", full)

    with pytest.raises(CommandError, match=r"No space left on device.*\[not_written\]"):
        back_up(tmp_path / "backup")


def test_a_complete_backup_is_never_written_over(backup):
    before = {path: path.read_bytes() for path in backup.rglob("*") if path.is_file()}

    with pytest.raises(CommandError, match="backup_exists"):
        back_up(backup)

    assert {path: path.read_bytes() for path in backup.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(("target", "code"), [("no/such/folder", "no_folder"), ("a-file", "target_taken")])
def test_a_target_that_cannot_be_made_is_refused(tmp_path, target, code):
    (tmp_path / "a-file").write_text("something else")

    with pytest.raises(CommandError, match=code):
        back_up(tmp_path / target)

    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]


def test_an_older_backup_that_is_none_is_refused_before_anything_is_written(backup, tmp_path):
    (backup / "blobs.txt").write_text("")

    for older, code in ((backup, "backup_damaged"), (tmp_path, "no_backup")):
        with pytest.raises(CommandError, match=code):
            back_up(tmp_path / "newer", "--since", str(older))

    assert not (tmp_path / "newer").exists()


def test_a_database_in_use_is_not_replaced_unasked(backup):
    assert refused(backup) == "not_empty"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"migrations": {"results": "9999_of_the_future"}}, "backup_newer"),
        ({"migrations": {"app_of_the_future": "0001_initial"}}, "backup_newer"),
        ({"format": 2}, "backup_newer"),
        ({"vendor": "oracle"}, "other_database"),
    ],
)
def test_a_backup_of_a_later_version_or_another_engine_is_refused(backup, change, code):
    manifest = read_manifest(backup)
    write_manifest(backup, replace(manifest, **change))

    assert refused(backup, "--replace") == code


def test_nothing_is_put_back_under_a_running_service(backup, state):
    (state / "run").mkdir()

    with OnlyOne(state / "run" / "supervisor.lock", address="http://127.0.0.1:8000"):
        assert refused(backup, "--replace") == "already_running"


def test_nothing_is_put_back_while_others_work_in_the_database(backup, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.2)
    if connection.vendor == "sqlite":
        other = sqlite.sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    else:
        other = psycopg.connect(database_url_of_tests())

    assert refused(backup, "--replace") == "service_runs"

    other.close()


def test_a_restore_that_fails_at_the_database_leaves_no_key_behind(backup, state, monkeypatch):
    [key] = (state / "keys").iterdir()
    key.unlink()

    class Broken:
        ready = refuse_company = staticmethod(lambda: None)

        def load(self, _: Path) -> None:
            raise Refused("not_loaded", "It ended.", "Again.")

    monkeypatch.setattr(returning, "engine", Broken)

    assert refused(backup, "--replace") == "not_loaded"
    assert list((state / "keys").iterdir()) == []


def test_another_key_of_the_same_site_is_not_replaced_unasked(backup, elsewhere):
    [key] = (backup / "keys").iterdir()
    (elsewhere.state / "keys").mkdir()
    (elsewhere.state / "keys" / key.name).write_bytes(b"another key")

    done = elsewhere.restore(backup)

    assert (done.returncode, "[other_key]" in done.stderr) == (1, True)
    assert (elsewhere.state / "keys" / key.name).read_bytes() == b"another key"
    assert not (elsewhere.state / "blobs").exists()


def test_a_damaged_blob_costs_only_itself_and_is_named(backup, elsewhere):
    image = Image.objects.order_by("pk").first()
    preview = f"{image.site_id}/{image.sha256[:2]}/{image.sha256}/0.jpg"
    (backup / "blobs" / preview).write_bytes(b"rotted")

    done = elsewhere.restore(backup)

    assert (done.returncode, "[not_whole]" in done.stderr) == (1, True)
    assert f"{preview}: was damaged in the backup and is left out" in done.stdout
    assert f"blobs: {image.sha256}: missing from the blob folder: 0.jpg" in done.stdout
    told = elsewhere.told()
    assert [violation["subject"] for violation in told["violations"]] == [image.sha256]
    assert told["receipts"] == everything()["receipts"]


def test_a_file_that_is_damaged_in_the_backup_stays_where_it_is_whole(backup):
    image = Image.objects.order_by("pk").first()
    kept = blob_folder(image.site_id, image.sha256)
    preview = (kept / "0.jpg").read_bytes()
    (kept / image.source_name).unlink()
    (backup / "blobs" / str(image.site_id) / image.sha256[:2] / image.sha256 / "0.jpg").write_bytes(b"rotted")

    done = put_back_blobs(backup / "blobs", backup / "blobs.txt")

    assert (done.files, done.damaged) == (1, [])
    assert (kept / "0.jpg").read_bytes() == preview
    assert everything()["violations"] == []


def test_a_picture_whose_files_are_gone_is_named_when_a_backup_is_made(served, tmp_path):
    image = Image.objects.order_by("pk").first()
    folder = blob_folder(image.site_id, image.sha256)
    folder.rename(tmp_path / "elsewhere")

    with pytest.raises(CommandError, match="blobs_missing"):
        back_up(tmp_path / "backup")

    assert read_manifest(tmp_path / "backup").rows["images"] == Image.objects.count()


def test_an_older_schema_is_migrated_forward(elsewhere, tmp_path):
    _, before = last_two(returning.MigrationLoader(connection), "uploads")
    for words in (("migrate",), ("migrate", "uploads", before), ("backup", str(tmp_path / "backup"))):
        done = elsewhere.run("manage.py", *words)
        assert done.returncode == 0, done.stderr
    assert read_manifest(tmp_path / "backup").migrations["uploads"] == before

    done = elsewhere.restore(tmp_path / "backup")

    assert done.returncode == 0, done.stdout + done.stderr
    assert elsewhere.run("manage.py", "migrate", "--check").returncode == 0
