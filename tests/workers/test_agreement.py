"""A worker whose model no longer gives the answers of its card writes nothing more and ends."""

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
import structlog

from ml.inference import NoopScorer
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.uploads.models import Upload
from tests.workers.test_ingest import ingest_all, radiographs
from workers import agreement
from workers.agreement import AGREEMENT, EVERY, Agreement
from workers.crew import Stop
from workers.inference import screen_batch

pytestmark = pytest.mark.django_db(transaction=True)


class Ended(BaseException):
    """In place of the end of the process."""


@pytest.fixture(autouse=True)
def at_the_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def end(status: int) -> NoReturn:
        raise Ended(status)

    monkeypatch.setattr(agreement.os, "_exit", end)
    AGREEMENT._agreed.clear()
    yield
    AGREEMENT._agreed.clear()


def test_what_a_model_computed_that_departs_from_its_card_is_never_written(
    upload_of: Callable[..., Upload], noop: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_of(radiographs(3))
    ingest_all()
    monkeypatch.setattr(NoopScorer, "departs", lambda *_: "a reference score is off by 0.9")

    with structlog.testing.capture_logs() as logs, pytest.raises(Ended) as ended:
        screen_batch(noop.pk, Stop())

    rows = list(Screening.objects.values_list("state", "scores", "attempts", "lease_token"))
    assert rows == [(ScreeningState.WAITING, {}, 0, None)] * 3
    assert ended.value.args == (70,)
    [told] = [line for line in logs if line["event"] == "model_departed"]
    assert (told["what"], told["agreed"]) == ("a reference score is off by 0.9", "")


def test_a_model_is_asked_at_its_first_batch_and_then_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now, turns = [1000.0], []
    monkeypatch.setattr(agreement.time, "monotonic", lambda: now[0])
    scorer: Any = NoopScorer()
    monkeypatch.setattr(NoopScorer, "departs", lambda _, turn: turns.append(turn) or "")
    asked = Agreement()

    for later in (0.0, EVERY / 2, EVERY, EVERY * 1.5, EVERY * 2):
        now[0] = 1000.0 + later
        asked.departs(scorer)

    assert turns == [1, 2, 3]
