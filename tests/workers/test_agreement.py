"""A worker whose model no longer gives the answers of its card writes nothing more and ends."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import pytest
import structlog

from ml.inference import DEPARTS, NoopScorer
from ml.models.card import BundleError
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.uploads.models import Upload
from tests.workers.test_ingest import ingest_all, radiographs
from workers import agreement
from workers.agreement import EVERY, Agreement
from workers.crew import Crew, Stop, stop_all
from workers.device import DEVICE
from workers.engine import ENGINE
from workers.inference import screen_batch

pytestmark = pytest.mark.django_db(transaction=True)


class Ended(BaseException):
    """In place of the end of the process."""


@pytest.fixture(autouse=True)
def at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(status: int) -> NoReturn:
        raise Ended(status)

    monkeypatch.setattr(agreement.os, "_exit", end)
    monkeypatch.setattr(agreement, "stop_all", lambda: None)  # or no hand of another test would take anything
    monkeypatch.setattr(agreement, "AGREEMENT", Agreement())


def rows() -> list[Any]:
    return list(Screening.objects.values_list("state", "scores", "attempts", "deaths", "lease_token"))


def test_what_a_model_computed_that_departs_from_its_card_is_never_written(
    upload_of: Callable[..., Upload], noop: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_of(radiographs(3))
    ingest_all()
    monkeypatch.setattr(NoopScorer, "departs", lambda *_: "a reference score is off by 0.9")

    with structlog.testing.capture_logs() as logs, pytest.raises(Ended) as ended:
        screen_batch(noop.pk, Stop())

    assert rows() == [(ScreeningState.WAITING, {}, 0, 0, None)] * 3
    assert not DEVICE.locked()
    assert ended.value.args == (70,)
    [told] = [line for line in logs if line["event"] == "model_departed"]
    assert (told["what"], told["agreed"]) == ("a reference score is off by 0.9", {})


FAILS = [(MemoryError(), ScreeningState.SCORED), (RuntimeError("the device is gone"), ScreeningState.WAITING)]


@pytest.mark.parametrize(("problem", "state"), FAILS)
def test_a_question_that_fails_for_memory_alone_ends_nothing(
    upload_of: Callable[..., Upload],
    noop: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
    problem: Exception,
    state: ScreeningState,
) -> None:
    def fails(*_: object) -> NoReturn:
        raise problem

    upload_of(radiographs(2))
    ingest_all()
    monkeypatch.setattr(NoopScorer, "departs", fails)

    if state == ScreeningState.SCORED:
        assert screen_batch(noop.pk, Stop())
    else:
        with pytest.raises(Ended):
            screen_batch(noop.pk, Stop())

    assert [(row[0], row[3]) for row in rows()] == [(state, 0)] * 2


def test_a_suspect_after_which_a_model_departs_is_not_given_back(
    upload_of: Callable[..., Upload], noop: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_of(radiographs(1))
    ingest_all()
    Screening.objects.update(alone=True)
    monkeypatch.setattr(NoopScorer, "departs", lambda *_: "off")

    with pytest.raises(Ended):
        screen_batch(noop.pk, Stop())

    [(state, scores, _, _, token)] = rows()
    assert (state, scores, token is None) == (ScreeningState.LEASED, {}, False)
    assert Screening.objects.get().computing


def test_all_hands_are_told_to_take_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.crew._AT_WORK", [])
    crew = Crew("test", lambda _: False, poll=60)
    crew.start(1)

    stop_all()

    assert crew.join(10)


def test_a_model_is_asked_at_its_first_batch_and_then_every_few_seconds_by_turns_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, asked = [1000.0], Agreement()
    monkeypatch.setattr(agreement.time, "monotonic", lambda: now[0])
    turns: dict[str, list[int | None]] = {"first": [], "second": []}

    class Model:
        def __init__(self, name: str) -> None:
            self.identity = replace(NoopScorer().identity, sha256=name)

        def departs(self, turn: int | None = None) -> str:
            turns[self.identity.sha256].append(turn)
            return ""

    for later in (0.0, EVERY / 2, EVERY, EVERY * 1.5, EVERY * 2):
        now[0] = 1000.0 + later
        for name in turns:
            asked.departs(Model(name))

    assert turns == {"first": [1, 2, 3], "second": [1, 2, 3]}


@pytest.fixture
def departing(noop: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> tuple[ModelVersion, list[object]]:
    """A model that departs from its card as it was chosen to be computed; and what was asked for, in turn."""
    asked: list[object] = []

    def load(folder: Path, *chosen: object) -> NoopScorer:
        asked.append("as chosen" if chosen else "as written")
        if chosen:
            raise BundleError(DEPARTS, "It is off by 0.9.", "Restore the bundle.")
        return NoopScorer()

    monkeypatch.setattr("workers.engine.load_scorer", load)
    monkeypatch.setattr("workers.engine.forget", lambda _: asked.append("forgotten"))
    return noop, asked


def test_a_model_that_departs_as_it_was_chosen_is_computed_as_its_card_was_written(
    departing: tuple[ModelVersion, list[object]],
) -> None:
    lane, asked = departing

    ENGINE.get(lane.pk)

    assert asked == ["as chosen", "forgotten", "as written"]
    ENGINE._loaded.clear()


def test_a_model_that_departs_beside_one_that_does_now_ends_the_worker(
    departing: tuple[ModelVersion, list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lane, asked = departing
    ENGINE._loaded[uuid4()] = NoopScorer()
    monkeypatch.setattr(NoopScorer, "departs", lambda *_: "off")

    with pytest.raises(Ended):
        ENGINE.get(lane.pk)

    assert asked == ["as chosen"]
    assert not DEVICE.locked()
    ENGINE._loaded.clear()
