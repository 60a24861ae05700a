import threading
from uuid import UUID

import pytest

from ml.inference import NoopScorer
from screening.results.models import ModelVersion
from tests.factories import ModelVersionFactory
from workers import lifecycle
from workers.crew import PROGRESS
from workers.engine import ENGINE, MOST_LOADED, Shelf
from workers.warming import warm

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_models_that_uploads_ask_for_by_themselves_are_loaded_before_the_first_one_comes(
    noop: ModelVersion,
) -> None:
    chosen_only = ModelVersionFactory(sha256=noop.sha256, card={**noop.card, "default": False})
    retired = ModelVersionFactory(sha256=noop.sha256, active=False)

    warm(threading.Event())

    assert list(ENGINE._loaded) == [noop.pk]
    assert not {chosen_only.pk, retired.pk} & set(ENGINE._loaded)


def test_no_more_are_loaded_than_stay_in_memory(noop: ModelVersion) -> None:
    for _ in range(MOST_LOADED + 2):
        ModelVersionFactory(sha256=noop.sha256)

    warm(threading.Event())

    newest = ModelVersion.objects.order_by("-registered_at")[:MOST_LOADED]
    assert set(ENGINE._loaded) == {version.pk for version in newest}


def test_a_model_that_cannot_be_loaded_keeps_no_other_from_it(noop: ModelVersion) -> None:
    ModelVersionFactory(sha256="f" * 64)

    warm(threading.Event())

    assert list(ENGINE._loaded) == [noop.pk]


def test_a_worker_settles_what_it_has_loaded_before_any_hand_or_model_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(lifecycle, "settle", lambda: done.append("settled"))
    monkeypatch.setattr(lifecycle, "CREWS", {})
    monkeypatch.setattr(lifecycle.warming, "start", lambda _: done.append("models"))
    monkeypatch.setattr(lifecycle.heartbeat, "start", lambda: done.append("beats"))

    lifecycle.start(["inference"], 1)

    assert done == ["settled", "models", "beats"]


def test_the_thread_that_loads_them_is_watched_by_nobody_once_it_has_ended(
    noop: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.engine.load_scorer", lambda *_: (PROGRESS.note(), NoopScorer())[1])
    before = dict(PROGRESS._last)

    loading = threading.Thread(target=warm, args=(threading.Event(),))
    loading.start()
    loading.join(20)

    assert list(ENGINE._loaded) == [noop.pk]
    assert dict(PROGRESS._last).keys() == before.keys()


def test_a_worker_that_ends_loads_nothing_more(noop: ModelVersion) -> None:
    ending = threading.Event()
    ending.set()

    warm(ending)

    assert list(ENGINE._loaded) == []


def test_a_model_is_loaded_once_for_all_hands_and_no_hand_waits_for_another_s_model() -> None:
    slow, quick = UUID(int=1), UUID(int=2)
    let_go, loads = threading.Event(), []

    def load(lane: UUID) -> str:
        loads.append(lane)
        if lane == slow:
            assert let_go.wait(20)
        return str(lane)

    shelf = Shelf(load, most=2)
    hands = [threading.Thread(target=shelf.get, args=(slow,)) for _ in range(2)]
    for hand in hands:
        hand.start()

    assert shelf.get(quick) == str(quick)  # while the other is still being loaded
    let_go.set()
    for hand in hands:
        hand.join(20)
    assert sorted(loads) == [slow, quick]
