import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from screening.flows import blobs
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.studies.models import Image
from screening.uploads.models import Archive, ArchiveState, Item, ItemState, Upload, UploadState
from screening.uploads.storage import PREPARING, blob_folder, incoming_path
from screening.users.models import Site
from tests.factories import ItemFactory, ScreeningFactory, UploadFactory
from tests.workers.test_ingest import ingest_all, radiographs
from workers import orphans, upkeep
from workers.crew import Stop
from workers.inference import screen_somewhere
from workers.orphans import sweep
from workers.upkeep import look_after

pytestmark = pytest.mark.django_db(transaction=True)


def aged(path: Path) -> Path:
    os.utime(path, (time.time() - 2 * orphans.DAY,) * 2)
    return path


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    calls: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(upkeep, "publish", lambda call, **more: calls.append((str(call), more)) or True)
    return calls


def test_rows_of_a_dead_worker_go_back_and_workers_are_called(published: list[tuple[str, dict[str, str]]]) -> None:
    past = timezone.now() - timedelta(minutes=1)
    row = ScreeningFactory(state=ScreeningState.LEASED, lease_token=uuid4(), lease_until=past)

    done = look_after()

    row.refresh_from_db()
    assert done["reclaimed"] == 1
    assert (row.state, row.lease_token) == (ScreeningState.WAITING, None)
    assert published == [("workers.inference.screen_next_batch", {"lane": str(row.model_version_id)})]


def test_calls_are_made_for_files_that_wait(published: list[tuple[str, dict[str, str]]]) -> None:
    ItemFactory(received=True)

    look_after()

    assert published == [("workers.ingest.ingest_next_batch", {})]


def test_nothing_waiting_makes_no_call(published: list[tuple[str, dict[str, str]]]) -> None:
    look_after()

    assert published == []


def test_a_duty_that_fails_keeps_none_of_the_others_from_being_done(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> int:
        raise RuntimeError("with a name in it")

    done = look_after((("first", broken), ("second", lambda: 7)))

    assert done == {"second": 7}
    assert "duty_failed" in caplog.text
    assert "with a name" not in caplog.text


def test_an_upload_left_open_for_a_day_is_sealed_and_finished() -> None:
    upload = UploadFactory(last_seen_at=timezone.now() - timedelta(hours=25))

    call_command("reconcile", "--once")

    upload.refresh_from_db()
    assert upload.state == UploadState.FINISHED


def test_raw_bytes_that_no_row_names_are_swept_after_a_day_and_others_stay() -> None:
    item = ItemFactory(received=True)
    kept, fresh, orphan = (incoming_path(name) for name in (item.incoming, "fresh", "orphan"))
    for path in (kept, fresh, orphan):
        path.write_bytes(b"raw")
    aged(kept)
    aged(orphan)

    sweep()

    assert (kept.exists(), fresh.exists(), orphan.exists()) == (True, True, False)
    kept.unlink()
    fresh.unlink()


def test_bytes_of_an_archive_go_once_nobody_will_read_them() -> None:
    upload = UploadFactory()
    for state in ArchiveState:
        Archive.objects.create(upload=upload, size=3, state=state, incoming=f"zip-{state}")
        path = incoming_path(f"zip-{state}")
        path.write_bytes(b"zip")
        aged(path)

    sweep()

    kept = {state for state in ArchiveState if incoming_path(f"zip-{state}").exists()}
    for state in kept:
        incoming_path(f"zip-{state}").unlink()
    assert kept == {ArchiveState.RECEIVING, ArchiveState.RECEIVED, ArchiveState.EXPANDING}


def test_kept_files_without_a_picture_are_swept_after_a_day_and_others_stay(
    upload_of: Callable[..., Upload], noop: ModelVersion, site: Site
) -> None:
    upload_of(radiographs(1))
    ingest_all()
    image = Image.objects.get()
    kept = aged(blob_folder(site.pk, image.sha256))
    orphan, fresh = (blob_folder(site.pk, digit * 64) for digit in "ab")
    for folder in (orphan, fresh):
        folder.mkdir(parents=True)
        (folder / "source.png").write_bytes(b"x")
    aged(orphan)

    assert sweep() == 1

    assert (kept.is_dir(), fresh.is_dir(), orphan.is_dir()) == (True, True, False)


def test_a_picture_that_appears_while_its_folder_is_swept_keeps_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = blob_folder(site.pk, "c" * 64)
    folder.mkdir(parents=True)
    aged(folder)
    asked: list[int] = []

    def then_a_row_appears(site_id: object, hashes: list[str]) -> set[str]:
        asked.append(len(hashes))
        return set() if len(asked) == 1 else set(hashes)

    monkeypatch.setattr(blobs, "needed", then_a_row_appears)

    assert orphans.sweep_blobs(time.time() - orphans.DAY) == 0
    assert folder.is_dir()


def test_half_filled_folders_of_dead_decoders_are_swept() -> None:
    half = Path(settings.BLOB_ROOT) / PREPARING / "half"
    half.mkdir(parents=True)
    (half / "0.plane").write_bytes(b"x")
    aged(half)

    sweep()

    assert not half.exists()


def test_bytes_of_failed_files_go_when_their_days_are_over(site: Site) -> None:
    upload = UploadFactory(site=site, sealed=True)
    late, recent = (
        ItemFactory(upload=upload, state=ItemState.FAILED, incoming=f"failed{days}", done_at=_days_ago(days))
        for days in (8, 6)
    )
    for item in (late, recent):
        incoming_path(item.incoming).write_bytes(b"raw")

    sweep()

    names = dict(Item.objects.values_list("pk", "incoming"))
    assert names == {late.pk: "", recent.pk: "failed6"}
    assert not incoming_path("failed8").exists()
    assert incoming_path("failed6").exists()
    incoming_path("failed6").unlink()


def _days_ago(days: int):
    return timezone.now() - timedelta(days=days)


def test_two_reconcilers_at_once_change_nothing_twice(upload_of: Callable[..., Upload], noop: ModelVersion) -> None:
    upload = upload_of(radiographs(2))
    ingest_all()
    while screen_somewhere(Stop()):
        pass
    look_after()
    look_after()

    upload.refresh_from_db()
    assert upload.state == UploadState.FINISHED
    assert Screening.objects.filter(state=ScreeningState.SCORED).count() == 2
