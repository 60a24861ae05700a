"""A backup that is put back elsewhere is the same installation."""

import shutil
import tomllib

import pytest

from screening.audit.actor import Actor
from screening.backups.manifest import read_manifest
from screening.flows.purge import purge_study
from screening.studies.models import Study
from screening.uploads.models import Item, ItemState
from screening.uploads.storage import incoming_path
from tests.backups.conftest import back_up
from tests.backups.telling import everything
from tests.environment import ROOT
from tests.workers.test_ingest import ingest_all, radiographs

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_backup_put_back_elsewhere_gives_the_same_receipts_chains_and_keys(served, state, elsewhere, tmp_path):
    before = everything()
    assert {item["outcome"] for told in before["receipts"] for item in told} == {"accepted", "duplicate", "rejected"}

    said = back_up(tmp_path / "backup")
    done = elsewhere.restore(tmp_path / "backup")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "differences: 0" in done.stdout
    told = elsewhere.told("planes")
    assert told.pop("planes") == [True] * 4
    assert told == before
    assert (before["violations"], before["append_only"]) == ([], True)
    assert len(list((elsewhere.state / "blobs").glob("*/*/*/*.plane"))) == 4
    assert (elsewhere.state / "secret_key").read_text() == "a-secret-of-this-installation"
    for words in (said, done.stdout, done.stderr):
        assert "Meier" not in words
        assert ".dcm" not in words


def test_all_of_a_backup_and_of_what_is_put_back_is_its_owners_alone(served, elsewhere, tmp_path):
    backup = tmp_path / "backup"
    back_up(backup)
    done = elsewhere.restore(backup)

    assert done.returncode == 0, done.stderr
    ours = [backup, *backup.rglob("*")]
    for root in ("blobs", "keys"):
        ours += [elsewhere.state / root, *(elsewhere.state / root).rglob("*")]
    ours += [*elsewhere.state.glob("screening.sqlite3"), elsewhere.state / "secret_key"]
    assert {oct(path.stat().st_mode & 0o777) for path in ours if path.is_dir()} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in ours if path.is_file()} == {"0o600"}


def test_files_whose_bytes_were_not_backed_up_are_named_and_end_as_rejected(
    served, state, upload_of, elsewhere, tmp_path
):
    waiting = upload_of({"waiting.dcm": radiographs(8)["7.dcm"]})
    item = Item.objects.get(upload=waiting)

    said = back_up(tmp_path / "backup")
    done = elsewhere.restore(tmp_path / "backup")

    assert "1 files or zips have no outcome yet" in said
    assert not list((tmp_path / "backup").rglob(item.incoming))
    assert done.returncode == 1
    assert f"incoming: {item.pk}: its raw bytes are gone" in done.stdout
    assert f"{item.pk}: its raw bytes are gone" in (elsewhere.state / "restored.txt").read_text()
    told = elsewhere.told("ingest")
    [[outcome]] = [[one for one in r if one["path"] == "waiting.dcm"] for r in told["receipts"] if len(r) == 1]
    assert (outcome["outcome"], outcome["code"]) == ("rejected", "blob_missing")
    assert told["violations"] == []


def test_a_file_whose_bytes_were_lost_is_taken_again_in_a_new_upload(served, upload_of):
    files = {"waiting.dcm": radiographs(8)["7.dcm"]}
    upload_of(files)
    incoming_path(Item.objects.get(path="waiting.dcm").incoming).unlink()
    ingest_all()

    upload_of(files)
    ingest_all()

    states = Item.objects.filter(path="waiting.dcm").order_by("created_at").values_list("state", flat=True)
    assert list(states) == [ItemState.REJECTED, ItemState.ACCEPTED]


def test_an_older_backup_in_the_place_of_a_newer_database_names_every_difference(
    served, state, staff, upload_of, elsewhere, tmp_path
):
    older, newer = tmp_path / "older", tmp_path / "newer"
    back_up(older)
    before = everything()
    deleted = Study.objects.order_by("pk").first()
    purge_study(study_id=deleted.pk, actor=Actor.user(staff))
    late = upload_of({"text.txt": b"still no picture"})
    Item.objects.filter(upload=late).update(state=ItemState.EXPECTED, incoming="")
    back_up(newer, "--since", str(older))
    changed = {head["chain"] for head in everything()["heads"] if head not in before["heads"]}
    assert elsewhere.restore(newer).returncode in {0, 1}

    refused = elsewhere.restore(older)
    done = elsewhere.restore(older, "--replace")

    assert (refused.returncode, "[not_empty]" in refused.stderr) == (1, True)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = (elsewhere.state / "restored.txt").read_text().splitlines()
    assert {line.rpartition(": ")[0].removesuffix(": delete it again") for line in listed} >= {f"upload:{late.pk}"}
    assert {chain for chain in changed if any(line.startswith(f"{chain}: ") for line in listed)} == changed
    assert len(listed) == len(changed)
    assert f"study:{deleted.pk}: was deleted after the backup and is back: delete it again" in listed
    told = elsewhere.told()
    assert told.pop("planes") == []
    assert told == before


def test_blobs_that_an_older_backup_holds_are_linked_and_both_can_be_put_back(served, elsewhere, tmp_path):
    older, newer = tmp_path / "older", tmp_path / "newer"
    back_up(older)

    said = back_up(newer, "--since", str(older))

    files = [path.relative_to(newer) for path in (newer / "blobs").rglob("*") if path.is_file()]
    assert len(files) > 4
    assert all((newer / name).samefile(older / name) for name in files)
    assert f"{len(files)} of them linked" in said
    shutil.rmtree(older)
    done = elsewhere.restore(newer)
    assert done.returncode == 0, done.stdout + done.stderr


def test_planes_are_backed_up_only_where_that_is_asked(served, tmp_path):
    back_up(tmp_path / "without")
    back_up(tmp_path / "with", "--with-planes")

    assert list((tmp_path / "without").rglob("*.plane")) == []
    assert len(list((tmp_path / "with").rglob("*.plane"))) == 4


def test_the_manifest_names_the_version_of_the_project(served, tmp_path):
    back_up(tmp_path / "backup")

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert read_manifest(tmp_path / "backup").software == project["version"]


def test_a_database_without_an_installation_is_not_backed_up(elsewhere, tmp_path):
    done = elsewhere.run("manage.py", "backup", str(tmp_path / "backup"))

    assert (done.returncode, "[no_database]" in done.stderr) == (1, True)
    assert not (tmp_path / "backup").exists()
