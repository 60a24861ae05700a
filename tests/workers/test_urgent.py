"""Urgent work goes past what waits, and past what a worker holds already."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from ml.inference import NoopScorer
from ml.vocabulary import PLANE_SIDE
from screening.results.leases import claim_batch, lanes_with_work
from screening.results.models import Screening
from screening.uploads.leases import claim_items, urgent_items_wait
from screening.uploads.models import Item, ItemState
from screening.uploads.ranks import HEAD_START
from tests.factories import ItemFactory, ModelVersionFactory, ScreeningFactory
from workers import inference, ingest, lifecycle
from workers.crew import Stop
from workers.device import PASSES, Device
from workers.pace import LEAST, TURN, Pace

pytestmark = pytest.mark.django_db


def rank_now() -> float:
    """The rank of what comes in at this moment."""
    return timezone.now().timestamp()


def rank_urgent() -> float:
    return rank_now() - HEAD_START


def received(rank: float) -> Item:
    return ItemFactory(state=ItemState.RECEIVED, rank=rank)


def test_urgent_files_are_taken_by_themselves_and_others_only_when_none_is_left() -> None:
    usual = [received(rank_now() + number) for number in range(3)]
    urgent = [received(rank_urgent() + number) for number in range(2)]

    assert urgent_items_wait()
    assert [item.pk for item in claim_items(8, urgent=True)[1]] == [item.pk for item in urgent]
    assert not urgent_items_wait()
    assert claim_items(8, urgent=True)[1] == []
    assert [item.pk for item in claim_items(8)[1]] == [item.pk for item in usual]


def test_a_file_that_has_waited_for_an_hour_counts_as_urgent() -> None:
    late = received((timezone.now() - timedelta(hours=1, minutes=1)).timestamp())

    assert [item.pk for item in claim_items(8, urgent=True)[1]] == [late.pk]


def test_urgent_screenings_are_a_batch_of_their_own() -> None:
    version = ModelVersionFactory()
    usual = [ScreeningFactory(model_version=version, rank=rank_now()) for _ in range(3)]
    assert (lanes_with_work(urgent=True), lanes_with_work()) == ([], [version.pk])
    urgent = ScreeningFactory(model_version=version, rank=rank_urgent())

    assert lanes_with_work(urgent=True) == [version.pk]
    assert [row.pk for row in claim_batch(model_version_id=version.pk, limit=8, urgent=True)[1]] == [urgent.pk]
    assert {row.pk for row in claim_batch(model_version_id=version.pk, limit=8)[1]} == {row.pk for row in usual}


def test_a_batch_of_others_leaves_alone_what_becomes_urgent_while_it_is_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = ModelVersionFactory()
    usual = ScreeningFactory(model_version=version, rank=rank_now())
    urgent_row, urgent_file = ScreeningFactory(model_version=version, rank=rank_urgent()), received(rank_urgent())
    usual_file = received(rank_now())
    taken: list[object] = []
    seen = monkeypatch.setattr
    seen(inference, "screen_urgent", lambda _stop: False)  # both steps look for it first: it comes right after
    seen(ingest, "ingest_urgent", lambda _stop: False)
    seen(inference, "_screen", lambda _lane, _lease, rows, *_, **__: taken.extend(row.pk for row in rows))
    seen(ingest, "_ingest", lambda _lease, items, _stop: taken.extend(item.pk for item in items))

    assert inference.screen_somewhere(Stop())
    assert ingest.ingest_chunk(Stop())

    assert taken == [usual.pk, usual_file.pk]
    assert lanes_with_work(urgent=True) == [version.pk]
    assert lanes_with_work(urgent=False) == []
    assert [row.pk for row in claim_batch(model_version_id=version.pk, limit=8)[1]] == [urgent_row.pk]
    assert [item.pk for item in claim_items(8)[1]] == [urgent_file.pk]


def test_the_hand_that_is_kept_free_takes_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    received(rank_now())
    ScreeningFactory(rank=rank_now())

    assert not ingest.ingest_urgent(Stop())
    assert not inference.screen_urgent(Stop())
    assert Item.objects.filter(lease_token__isnull=False).count() == 0
    assert Screening.objects.filter(lease_token__isnull=False).count() == 0


def test_each_worker_keeps_one_hand_free_for_urgent_work() -> None:
    assert ingest.EXPRESS in lifecycle.CREWS["ingest"]
    assert inference.EXPRESS in lifecycle.CREWS["inference"]
    assert {ingest.EXPRESS, inference.EXPRESS} <= set(lifecycle.ALONE)


def waiting_for(device: Device, took: list[str], name: str, *, hurried: bool) -> threading.Thread:
    def take() -> None:
        device.acquire(hurried=hurried)
        took.append(name)
        device.release()

    thread = threading.Thread(target=take)
    thread.start()
    return thread


def eventually(true: Callable[[], bool]) -> None:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < 20
        time.sleep(0.005)


def test_the_device_goes_to_whoever_is_in_a_hurry_before_all_others_that_wait() -> None:
    device, took = Device(), []
    with device:
        usual = [waiting_for(device, took, "usual", hurried=False) for _ in range(3)]
        hurried = waiting_for(device, took, "hurried", hurried=True)
        eventually(lambda: device._hurried == 1)
        assert device.locked()
    for thread in [*usual, hurried]:
        thread.join(20)

    assert took == ["hurried", "usual", "usual", "usual"]
    assert not device.locked()


def test_a_stream_in_a_hurry_keeps_nobody_from_the_device_for_ever() -> None:
    device, took, ended = Device(), [], threading.Event()

    def stream() -> None:
        while not ended.is_set():
            device.acquire(hurried=True)
            took.append("hurried")
            device.release()

    with device:
        hands = [threading.Thread(target=stream) for _ in range(4)]
        for hand in hands:
            hand.start()
        usual = waiting_for(device, took, "usual", hurried=False)
        eventually(lambda: device._usual == 1)
    usual.join(20)
    ended.set()
    for hand in hands:
        hand.join(20)

    assert "usual" in took
    assert took.index("usual") <= PASSES


def test_between_two_chunks_the_device_goes_to_whoever_is_in_a_hurry_and_comes_back() -> None:
    device, took = Device(), []
    with device:
        usual = waiting_for(device, took, "usual", hurried=False)
        eventually(lambda: device._usual == 1)
        device.let_pass()  # nobody is in a hurry: it stays here
        assert took == []
        hurried = waiting_for(device, took, "hurried", hurried=True)
        eventually(lambda: device._hurried == 1)
        device.let_pass()
        assert took == ["hurried"]  # and not the other that waits: it comes back here first
        assert device.locked()
    for thread in (usual, hurried):
        thread.join(20)

    assert took == ["hurried", "usual"]
    assert not device.locked()


@pytest.mark.parametrize("let_pass", [True, False])
def test_a_large_batch_lets_urgent_rows_pass_between_its_chunks_and_urgent_ones_let_nobody(
    *, let_pass: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    monkeypatch.setattr(inference.DEVICE, "let_pass", lambda: done.append("let pass"))
    scorer = NoopScorer(batch_size=4)
    monkeypatch.setattr(scorer, "score", lambda planes: (done.append(len(planes)), NoopScorer.score(scorer, planes))[1])

    outcomes, _ = inference._compute(scorer, [bytes(PLANE_SIDE**2)] * 10, let_pass=let_pass)

    assert done == ([4, "let pass", 4, "let pass", 2] if let_pass else [4, 4, 2])
    assert len(outcomes) == 10


def test_a_slow_model_is_given_fewer_planes_at_once_until_a_call_fits_a_turn_or_is_of_the_fewest() -> None:
    pace, scorer = Pace(), NoopScorer(batch_size=64)
    sizes = []
    for each in (TURN / 64, TURN / 63, TURN / 10, TURN * 10, TURN / 1000):  # seconds that a plane takes
        pace.note(scorer, [b""] * 64, each * 64)
        sizes.append(pace.chunk(scorer))

    assert sizes == [64, 32, 8, LEAST, 64]


def test_a_call_of_few_planes_says_nothing_of_the_pace() -> None:
    pace, scorer = Pace(), NoopScorer(batch_size=64)
    pace.note(scorer, [b""] * 64, 0.0)
    pace.note(scorer, [b""] * (LEAST - 1), 1000.0)

    assert pace.chunk(scorer) == 64


def test_the_first_call_of_a_model_is_of_few_planes_since_nobody_knows_how_slow_it_is() -> None:
    assert Pace().chunk(NoopScorer(batch_size=64)) == LEAST


def test_a_model_that_is_fastest_with_few_planes_is_never_given_fewer() -> None:
    pace, scorer = Pace(), NoopScorer(batch_size=4)
    pace.note(scorer, [b""] * 4, 1000.0)

    assert pace.chunk(scorer) == 4


def test_a_large_batch_of_a_slow_model_is_computed_in_more_calls_and_an_urgent_one_in_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inference, "PACE", Pace())
    done: list[int] = []
    scorer = NoopScorer(batch_size=32)
    monkeypatch.setattr(scorer, "score", lambda planes: (done.append(len(planes)), NoopScorer.score(scorer, planes))[1])
    inference.PACE.note(scorer, [b""] * 32, TURN * 2)
    monkeypatch.setattr(inference.PACE, "note", lambda *_: None)

    for let_pass in (True, False):
        outcomes, _ = inference._compute(scorer, [bytes(PLANE_SIDE**2)] * 40, let_pass=let_pass)
        assert len(outcomes) == 40

    assert done == [16, 16, 8, 32, 8]


def test_lanes_take_turns_with_urgent_work_too(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = [ModelVersionFactory().pk for _ in range(2)]
    screened = []
    monkeypatch.setattr(inference, "lanes_with_work", lambda **_: sorted(lanes, key=str))
    monkeypatch.setattr(inference, "screen_batch", lambda lane, *_, **__: screened.append(lane) or True)

    for _ in range(6):
        assert inference.screen_somewhere(Stop())

    assert [screened.count(lane) for lane in lanes] == [3, 3]


def test_when_another_hand_took_the_urgent_files_the_free_hand_takes_none_and_the_others_take_what_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = received(rank_now())
    monkeypatch.setattr(ingest, "urgent_items_wait", lambda: True)  # so it was, a moment ago
    taken = []
    monkeypatch.setattr(ingest, "_ingest", lambda _lease, items, _stop: taken.extend(item.pk for item in items))

    assert not ingest.ingest_urgent(Stop())
    assert taken == []
    assert ingest.ingest_chunk(Stop())
    assert taken == [usual.pk]
