import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections

from ml.inference import NoopScorer, Outcome
from ml.models.bundle import WEIGHTS_FILE, list_bundles
from screening.flows.integrity import find_violations
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.studies.models import Image
from screening.uploads.models import Upload, UploadState
from screening.uploads.storage import blob_folder
from tests.factories import ModelVersionFactory
from tests.workers.processes import until
from tests.workers.test_ingest import ingest_all, radiographs
from workers import inference
from workers.crew import Stop
from workers.device import DEVICE
from workers.engine import ENGINE, ModelUnavailable, Shelf, _load_scorer
from workers.inference import Turns, screen_batch, screen_somewhere

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def waiting(upload_of: Callable[..., Upload], noop: ModelVersion) -> Callable[[int], Upload]:
    """Radiographs that were read and wait to be screened."""

    def build(count: int) -> Upload:
        upload = upload_of(radiographs(count))
        ingest_all()
        return upload

    return build


def plane_of(image: Image) -> Path:
    return blob_folder(image.site_id, image.sha256) / f"{image.frame}.plane"


def outcomes() -> list[tuple[str, str]]:
    return sorted(Screening.objects.values_list("state", "code"))


def test_a_batch_is_scored_across_uploads_and_the_uploads_are_finished(
    waiting: Callable[[int], Upload], upload_of: Callable[..., Upload], noop: ModelVersion
) -> None:
    first = waiting(2)
    second = upload_of({"late.dcm": radiographs(3)["2.dcm"]})
    ingest_all()

    assert screen_batch(noop.pk, Stop())

    rows = Screening.objects.all()
    assert [(row.state, row.scores, row.timings["batch"]) for row in rows] == [
        (ScreeningState.SCORED, {"covid": 0.5, "other": 0.5}, 3.0)
    ] * 3
    assert {row.model_sha256 for row in rows} == {NoopScorer().identity.sha256}
    assert set(Upload.objects.values_list("pk", "state")) == {
        (first.pk, UploadState.FINISHED),
        (second.pk, UploadState.FINISHED),
    }
    assert list(find_violations()) == []


@pytest.mark.parametrize("harm", ["gone", "rotted", "cut"])
def test_a_plane_that_is_gone_or_rotted_is_made_again_from_the_source(
    waiting: Callable[[int], Upload], noop: ModelVersion, harm: str
) -> None:
    waiting(1)
    image = Image.objects.get()
    plane = plane_of(image)
    whole = plane.read_bytes()
    if harm == "gone":
        plane.unlink()
    else:
        plane.write_bytes(whole[:100] if harm == "cut" else bytes([whole[0] ^ 1]) + whole[1:])

    screen_batch(noop.pk, Stop())

    assert outcomes() == [(ScreeningState.SCORED, "")]
    assert hashlib.sha256(plane.read_bytes()).hexdigest() == image.plane_sha256


def test_without_plane_and_source_only_that_picture_fails_and_says_why(
    waiting: Callable[[int], Upload], noop: ModelVersion
) -> None:
    waiting(2)
    image = Image.objects.first()
    assert image is not None
    plane_of(image).unlink()
    (plane_of(image).parent / image.source_name).unlink()

    screen_batch(noop.pk, Stop())

    assert outcomes() == [(ScreeningState.FAILED, "plane_missing"), (ScreeningState.SCORED, "")]


def test_a_source_that_rotted_too_is_never_scored(waiting: Callable[[int], Upload], noop: ModelVersion) -> None:
    waiting(1)
    image = Image.objects.get()
    source = plane_of(image).parent / image.source_name
    raw = bytearray(source.read_bytes())
    raw[-2000:-1000] = bytes(value ^ 0x55 for value in raw[-2000:-1000])
    source.write_bytes(raw)
    plane_of(image).unlink()

    screen_batch(noop.pk, Stop())

    assert outcomes() == [(ScreeningState.FAILED, "plane_missing")]


def test_a_stop_before_computing_gives_the_batch_back_uncounted(
    waiting: Callable[[int], Upload], noop: ModelVersion
) -> None:
    waiting(2)
    stop = Stop()
    stop.set()

    assert screen_batch(noop.pk, stop)

    assert outcomes() == [(ScreeningState.WAITING, "")] * 2
    assert set(Screening.objects.values_list("attempts", "lease_token")) == {(0, None)}


def test_a_worker_that_lost_its_lease_before_computing_does_not_compute(
    waiting: Callable[[int], Upload], noop: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(1)
    other, scored = uuid4(), []
    monkeypatch.setattr(inference, "score_carefully", lambda *_: scored.append(1))
    load = inference.load_planes

    def load_slowly(images: list[Image], **more: bool) -> list[bytes | None]:
        Screening.objects.update(lease_token=other)
        return load(images, **more)

    monkeypatch.setattr(inference, "load_planes", load_slowly)

    assert screen_batch(noop.pk, Stop())

    assert scored == []
    assert list(Screening.objects.values_list("state", "lease_token")) == [(ScreeningState.LEASED, other)]


@pytest.fixture
def beside() -> Iterator[Callable[[UUID], threading.Thread]]:
    """Screen a batch in a hand of its own while the test holds the device."""
    hands: list[threading.Thread] = []

    def screen(lane: UUID) -> threading.Thread:
        def work() -> None:
            screen_batch(lane, Stop())
            connections.close_all()

        hands.append(threading.Thread(target=work))
        hands[-1].start()
        return hands[-1]

    with DEVICE:
        yield screen
    for hand in hands:
        hand.join(30)


def test_the_next_batch_has_begun_before_the_device_is_free_so_that_it_never_waits_for_the_database(
    waiting: Callable[[int], Upload], noop: ModelVersion, beside: Callable[[UUID], threading.Thread]
) -> None:
    waiting(2)

    hand = beside(noop.pk)

    begun = Screening.objects.filter(computing=True, attempts=1)
    until(lambda: begun.count() == 2, 20, "the batch did not begin while the device was taken")
    assert hand.is_alive()


def test_a_suspect_begins_only_once_the_device_is_its_own(
    waiting: Callable[[int], Upload],
    noop: ModelVersion,
    beside: Callable[[UUID], threading.Thread],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting(1)
    Screening.objects.update(alone=True)
    loaded = threading.Event()
    load = inference.load_planes

    def load_and_say(images: list[Image], **more: bool) -> list[bytes | None]:
        loaded.set()
        return load(images, **more)

    monkeypatch.setattr(inference, "load_planes", load_and_say)
    hand = beside(noop.pk)
    assert loaded.wait(20)
    hand.join(0.5)

    assert hand.is_alive()
    assert not Screening.objects.filter(computing=True).exists()


def test_nothing_else_computes_before_the_outcome_of_a_suspect_is_written(
    waiting: Callable[[int], Upload], noop: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(1)
    Screening.objects.update(alone=True)
    taken: list[bool] = []
    record = inference.record_outcomes

    def look_and_record(**named: Any) -> int:
        taken.append(DEVICE.locked())
        return record(**named)

    monkeypatch.setattr(inference, "record_outcomes", look_and_record)

    screen_batch(noop.pk, Stop())

    assert taken == [True]
    assert outcomes() == [(ScreeningState.SCORED, "")]


def test_a_model_that_is_not_the_registered_one_scores_nothing(
    waiting: Callable[[int], Upload], noop: ModelVersion
) -> None:
    waiting(2)
    ModelVersion.objects.update(sha256="f" * 64)
    ENGINE._loaded.clear()

    screen_batch(noop.pk, Stop())

    assert outcomes() == [(ScreeningState.FAILED, "model_unavailable")] * 2
    assert set(Screening.objects.values_list("runtime", flat=True)) == {""}


def test_a_bundle_that_is_gone_is_named_and_nothing_is_loaded() -> None:
    version = ModelVersionFactory(folder="no/such/bundle")

    with pytest.raises(ModelUnavailable) as refusal:
        Shelf(_load_scorer, most=1).get(version.pk)

    assert refusal.value.code == "card_missing"


def test_a_changed_byte_in_the_weights_refuses_the_lane(tmp_path: Path, settings) -> None:
    shipped = [path for path in list_bundles(settings.CONFIG.model_root) if path.parent.name != "modality-gate"]
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name in ("card.json", WEIGHTS_FILE):
        (folder / name).write_bytes((shipped[0] / name).read_bytes())
    raw = bytearray((folder / WEIGHTS_FILE).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(raw)
    version = ModelVersionFactory(
        folder=str(folder), sha256=json.loads((folder / "card.json").read_text())["model_sha256"]
    )

    with pytest.raises(ModelUnavailable) as refusal:
        Shelf(_load_scorer, most=1).get(version.pk)

    assert refusal.value.code == "file_changed"


def test_the_model_used_longest_ago_makes_room(noop: ModelVersion) -> None:
    versions = [noop, *(ModelVersionFactory(sha256=noop.sha256) for _ in range(2))]
    engine = Shelf(_load_scorer, most=2)

    for number in (0, 1, 0, 2):
        engine.get(versions[number].pk)

    assert list(engine._loaded) == [versions[0].pk, versions[2].pk]


def test_a_busy_lane_does_not_starve_another() -> None:
    busy, quiet = UUID(int=1), UUID(int=2)
    turns = Turns()
    served = []
    for _ in range(4):
        lane = turns.order([busy, quiet])[0]
        turns.took(lane)
        served.append(lane)

    assert served == [busy, quiet, busy, quiet]


def test_the_lane_that_was_called_for_comes_first() -> None:
    turns = Turns()
    for number in (1, 2, 3):
        turns.took(UUID(int=number))
    turns.ask_for(UUID(int=3))

    assert turns.order([UUID(int=1), UUID(int=2), UUID(int=3)])[0] == UUID(int=3)


def test_with_nothing_waiting_no_model_is_loaded(noop: ModelVersion) -> None:
    assert not screen_somewhere(Stop())
    assert not ENGINE._loaded


def test_scores_of_a_poison_picture_do_not_reach_its_neighbours(
    waiting: Callable[[int], Upload], noop: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(3)
    poison = hashlib.sha256(plane_of(Image.objects.order_by("pk")[1]).read_bytes()).digest()

    def score(self: NoopScorer, planes: list[bytes | None]) -> list[Outcome]:
        if any(plane and hashlib.sha256(plane).digest() == poison for plane in planes):
            raise RuntimeError("a kernel failed")
        return [Outcome("scored", scores={"covid": 0.9, "other": 0.1}) for _ in planes]

    monkeypatch.setattr(NoopScorer, "score", score)

    screen_batch(noop.pk, Stop())

    assert outcomes() == [(ScreeningState.FAILED, "model_error"), *[(ScreeningState.SCORED, "")] * 2]
    assert Screening.objects.filter(flagged=True).count() == 2
