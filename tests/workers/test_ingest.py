import signal
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings

from screening.flows.integrity import find_violations
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.studies.models import Image
from screening.studies.values import ItemOutcome
from screening.uploads.models import Item, ItemState, Upload, UploadState
from screening.uploads.storage import PREPARING, blob_folder, incoming_path
from tests.phantoms import dicom_file, png_file, radiograph
from tests.workers.striking import make_endless, striking
from workers import ingest
from workers.crew import Stop
from workers.decoders import POOL, decode
from workers.ingest import ingest_chunk

pytestmark = pytest.mark.django_db(transaction=True)
Send = Callable[..., Upload]


def radiographs(count: int) -> dict[str, bytes]:
    return {
        f"{n}.dcm": dicom_file(radiograph(64, 60, seed=n), SOPInstanceUID=f"1.2.3.{n}", StudyInstanceUID=f"1.2.{n}")
        for n in range(count)
    }


def ingest_all() -> None:
    while ingest_chunk(Stop()):
        pass


def states(upload: Upload) -> dict[str, tuple[str, str]]:
    return {item.path: (item.state, item.code) for item in Item.objects.filter(upload=upload)}


def test_a_radiograph_becomes_a_study_that_waits_to_be_screened(upload_of: Send, noop: ModelVersion) -> None:
    upload = upload_of(radiographs(1))

    assert ingest_chunk(Stop())

    image = Image.objects.get()
    folder = blob_folder(image.site_id, image.sha256)
    assert states(upload) == {"0.dcm": (ItemState.ACCEPTED, "")}
    assert sorted(path.name for path in folder.iterdir()) == ["0.jpg", "0.plane", "source.dcm"]
    assert Screening.objects.get().state == ScreeningState.WAITING
    assert list(find_violations()) == []


def test_raw_bytes_are_gone_with_the_outcome_and_no_half_folder_is_left(upload_of: Send, noop: ModelVersion) -> None:
    preparing = Path(settings.BLOB_ROOT) / PREPARING
    preparing.mkdir(parents=True, exist_ok=True)
    before = set(Path(settings.INCOMING_ROOT).iterdir()), set(preparing.iterdir())
    upload_of(radiographs(2) | {"text.png": b"no picture"})

    ingest_all()

    assert (set(Path(settings.INCOMING_ROOT).iterdir()), set(preparing.iterdir())) == before


def test_every_bad_file_is_refused_by_name_and_the_good_ones_go_on(upload_of: Send, noop: ModelVersion) -> None:
    whole = png_file(radiograph(64, 60))
    upload = upload_of(radiographs(1) | {"text.txt": b"hello", "cut.png": whole[: len(whole) // 2], "empty": b""})

    ingest_all()

    upload.refresh_from_db()
    assert states(upload) == {
        "0.dcm": (ItemState.ACCEPTED, ""),
        "text.txt": (ItemState.REJECTED, "not_an_image_file"),
        "cut.png": (ItemState.REJECTED, "truncated"),
        "empty": (ItemState.REJECTED, "empty_file"),
    }
    assert upload.state == UploadState.SEALED


def test_bytes_that_came_with_another_upload_meanwhile_are_not_decoded_again(
    upload_of: Send, noop: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = upload_of(radiographs(1)), upload_of(radiographs(1))
    decoded: list[str] = []
    monkeypatch.setattr(ingest, "decode", lambda item, out: decoded.append(item.sha256) or decode(item, out))

    ingest_all()

    assert sorted(state for upload in (first, second) for state, _ in states(upload).values()) == [
        ItemState.ACCEPTED,
        ItemState.DUPLICATE,
    ]
    assert len(decoded) == 1


def test_a_file_that_kills_its_decoder_is_tried_three_times_and_its_neighbours_are_unhurt(
    upload_of: Send, noop: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = upload_of(radiographs(3))
    poison = Item.objects.get(upload=upload, path="1.dcm")
    make_endless(incoming_path(poison.incoming))
    tries: list[ItemOutcome] = []

    def decode_or_die(item: Item, out: Path) -> ItemOutcome:
        if item.pk != poison.pk:
            return decode(item, out)
        with striking(POOL, signal.SIGKILL):
            tries.append(decode(item, out))
        return tries[-1]

    monkeypatch.setattr(ingest, "decode", decode_or_die)

    ingest_all()

    assert [outcome.crashed for outcome in tries] == [True] * 3
    assert states(upload) == {
        "0.dcm": (ItemState.ACCEPTED, ""),
        "1.dcm": (ItemState.REJECTED, "decoder_crashed"),
        "2.dcm": (ItemState.ACCEPTED, ""),
    }


def test_a_stop_commits_what_is_done_and_gives_the_rest_back_uncounted(
    upload_of: Send, noop: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = upload_of(radiographs(8))
    monkeypatch.setattr(ingest, "_share", lambda: 8)
    stop, decoded = Stop(), []

    def decode_and_stop(item: Item, out: Path) -> ItemOutcome:
        decoded.append(item.pk)
        if len(decoded) == 3:
            stop.set()
        return decode(item, out)

    monkeypatch.setattr(ingest, "decode", decode_and_stop)

    assert ingest_chunk(stop)

    items = Item.objects.filter(upload=upload)
    assert items.filter(state=ItemState.ACCEPTED).count() == 3
    waiting = items.filter(state=ItemState.RECEIVED)
    assert set(waiting.values_list("attempts", "lease_token")) == {(0, None)}


def test_a_lease_that_was_lost_meanwhile_leaves_the_row_to_its_new_owner(
    upload_of: Send, noop: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = upload_of(radiographs(1))
    other = uuid4()

    def decode_too_long(item: Item, out: Path) -> ItemOutcome:
        Item.objects.filter(pk=item.pk).update(lease_token=other)
        return decode(item, out)

    monkeypatch.setattr(ingest, "decode", decode_too_long)

    assert ingest_chunk(Stop())

    item = Item.objects.get(upload=upload)
    assert (item.state, item.lease_token) == (ItemState.DECODING, other)
    assert not Image.objects.exists()


def test_the_services_own_fault_fails_the_item_for_a_retry_and_keeps_its_bytes(
    upload_of: Send, noop: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = upload_of(radiographs(1))
    monkeypatch.setattr(POOL, "ask", lambda request, seconds: {"failed": "storage_full", "cause": "OSError"})

    ingest_all()

    item = Item.objects.get(upload=upload)
    assert (item.state, item.code) == (ItemState.FAILED, "storage_full")
    assert (Path(settings.INCOMING_ROOT) / item.incoming).is_file()


def test_few_files_are_spread_over_the_hands(upload_of: Send, noop: ModelVersion) -> None:
    upload_of(radiographs(6))

    ingest_chunk(Stop())

    assert Item.objects.filter(state=ItemState.ACCEPTED).count() == 3
