import io
import time
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command

from screening.audit.actor import Actor
from screening.flows.integrity import find_violations
from screening.flows.purge import purge_upload
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.store.errors import StoreAway
from screening.store.objects import Objects
from screening.studies.models import Image
from screening.uploads import storage
from screening.uploads.models import Item, ItemState, Upload, UploadState
from screening.users.models import User
from tests.store.server import Gate
from tests.workers.test_ingest import radiographs
from workers import orphans
from workers.crew import Stop
from workers.inference import screen_batch
from workers.ingest import ingest_chunk

pytestmark = pytest.mark.django_db(transaction=True)


def keys(store: Objects, prefix: str) -> list[str]:
    return [found.key for found in store.listed(prefix)]


def everything_here(stores) -> list[str]:
    return [path.name for path in stores.rglob("*") if path.is_file() and "cache" not in path.parts]


def test_with_the_store_away_files_wait_for_ingest_and_no_attempt_counts(
    store: Objects, gate: Gate, stores, upload_of: Callable[..., Upload], noop: ModelVersion
):
    upload_of(radiographs(3))
    gate.close()

    assert not ingest_chunk(Stop())

    rows = Item.objects.values_list("state", "attempts", "lease_token", "deaths", "decodes")
    assert set(rows) == {(ItemState.RECEIVED, 0, None, 0, 0)}
    assert everything_here(stores) == []
    assert Image.objects.count() == 0
    gate.open()
    while ingest_chunk(Stop()):
        pass
    assert set(Item.objects.values_list("state", "attempts")) == {(ItemState.ACCEPTED, 1)}
    assert keys(store, "incoming/") == []
    assert everything_here(stores) == []
    assert list(find_violations()) == []


def test_a_store_that_goes_away_between_decoding_and_keeping_loses_nothing_either(
    store: Objects, gate: Gate, stores, upload_of: Callable[..., Upload], noop: ModelVersion, monkeypatch
):
    upload_of(radiographs(3))
    monkeypatch.setattr("workers.ingest.reach", lambda place: place == "ingest.decoded" and gate.close())

    ingest_chunk(Stop())

    assert set(Item.objects.values_list("state", "attempts", "lease_token")) == {(ItemState.RECEIVED, 0, None)}
    assert not any(storage.preparing_folder().iterdir())
    monkeypatch.undo()
    gate.open()
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    while ingest_chunk(Stop()):
        pass
    assert set(Item.objects.values_list("state", "attempts")) == {(ItemState.ACCEPTED, 1)}
    assert list(find_violations()) == []


def test_with_the_store_away_pictures_wait_for_their_model_and_no_attempt_counts(
    store: Objects, gate: Gate, settings, upload_of: Callable[..., Upload], noop: ModelVersion, tmp_path
):
    upload = upload_of(radiographs(3))
    while ingest_chunk(Stop()):
        pass
    settings.CACHE_ROOT = tmp_path / "another host"
    gate.close()

    assert not screen_batch(noop.pk, Stop())

    assert set(Screening.objects.values_list("state", "attempts", "lease_token")) == {(ScreeningState.WAITING, 0, None)}
    gate.open()
    assert screen_batch(noop.pk, Stop())
    assert set(Screening.objects.values_list("state", "attempts")) == {(ScreeningState.SCORED, 1)}
    upload.refresh_from_db()
    assert upload.state == UploadState.FINISHED


def test_a_purge_deletes_the_objects_and_one_during_an_outage_is_made_good_by_the_sweep(
    store: Objects, gate: Gate, upload_of: Callable[..., Upload], noop: ModelVersion, staff: User
):
    first = upload_of(radiographs(2))
    while ingest_chunk(Stop()):
        pass
    assert len(keys(store, "blobs/")) == 6
    purge_upload(upload_id=first.pk, actor=Actor.user(staff))
    assert keys(store, "blobs/") == []

    second = upload_of(radiographs(2))
    while ingest_chunk(Stop()):
        pass
    gate.close()
    purge_upload(upload_id=second.pk, actor=Actor.user(staff))
    with pytest.raises(StoreAway):
        orphans.sweep_blobs(time.time() + 60)
    gate.open()
    assert Image.objects.count() == 0
    assert len(keys(store, "blobs/")) == 6
    assert orphans.sweep_blobs(time.time() - 60) == 0
    assert orphans.sweep_blobs(time.time() + 60) == 2
    assert keys(store, "blobs/") == []


def test_the_sweep_spares_what_rows_name(store: Objects, upload_of: Callable[..., Upload], noop: ModelVersion):
    upload_of(radiographs(2))
    left = storage.store_incoming([b"left by a process that died"])

    assert orphans.sweep_incoming(time.time() + 60) == 1

    assert not storage.incoming_is_kept(left.name)
    assert len(keys(store, "incoming/")) == 2
    while ingest_chunk(Stop()):
        pass
    assert orphans.sweep_blobs(time.time() + 60) == 0
    assert list(find_violations()) == []


def test_the_integrity_check_names_an_object_that_is_gone_and_a_plane_that_is_another(
    store: Objects, upload_of: Callable[..., Upload], noop: ModelVersion
):
    upload_of(radiographs(1))
    while ingest_chunk(Stop()):
        pass
    [source] = [key for key in keys(store, "blobs/") if "/source" in key]
    [plane] = [key for key in keys(store, "blobs/") if key.endswith(".plane")]
    store.drop([source])
    store.put(plane, b"another")

    found = sorted(violation.what for violation in find_violations() if violation.check == "blobs")

    assert found == ["missing from the blob folder: source.dcm", "planes that are not those that were made: 0"]


def test_backup_and_restore_say_how_a_store_is_copied(store: Objects, tmp_path):
    for command, folder in (("backup", tmp_path / "new"), ("restore", tmp_path)):
        with pytest.raises(CommandError, match=r"copy the bucket.*\[store_in_use\]"):
            call_command(command, str(folder), stdout=io.StringIO())

    assert not (tmp_path / "new").exists()
