"""A model that was loaded gives the answers of its card, and goes on giving them."""

import gc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ml import inference
from ml.explain.explainer import Explainer
from ml.inference import Scorer, load_scorer
from ml.models.bundle import load_bundle, read_card
from ml.models.card import BundleError, Card
from ml.models.choosing import Choice
from ml.models.runtime import Raw, Way

OPENVINO = Choice(Way("openvino", "fp32"), 16)


class Answering:
    """A runtime that gives the answers of a card, and on some planes others."""

    name, precision = "tensorflow", "fp32"

    def __init__(self, card: Card, wrong: set[int]) -> None:
        self._scores = np.array(card.reference.scores, np.float32)
        self._scores[list(wrong)] = np.roll(self._scores[list(wrong)], 1, axis=1)
        self.asked: list[int] = []

    def run(self, planes: NDArray[np.uint8]) -> Raw:
        return Raw(np.resize(self._scores, (len(planes), self._scores.shape[1])), np.zeros(len(planes), np.float32))

    def run_anew(self, planes: NDArray[np.uint8]) -> Raw:
        first = sum(self.asked) % len(self._scores)
        self.asked.append(len(planes))
        return Raw(self._scores[first : first + len(planes)], np.zeros(len(planes), np.float32))

    def compute(self, planes: NDArray[np.uint8]) -> None: ...


def test_openvino_keeps_its_answers_when_the_memory_of_tensorflow_goes_to_others(xray_folder: Path) -> None:
    scorer = load_scorer(xray_folder, lambda _: OPENVINO)
    asked = np.stack([np.frombuffer(bytes([shade]) * 512 * 512, np.uint8).reshape(512, 512) for shade in (40, 200)])

    for _ in range(2):  # a trunk of the same size comes and goes where the first one was
        explainer = Explainer(load_bundle(xray_folder))
        explainer.explain(asked, explainer.labels[0])
        del explainer
        gc.collect()

    assert scorer.departs() == ""


def test_a_model_that_does_not_give_the_answers_of_its_card_is_not_loaded(
    xray_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "open_runtime", lambda bundle, _: Answering(bundle.card, wrong={11}))

    with pytest.raises(BundleError) as refused:
        load_scorer(xray_folder)

    assert refused.value.code == "reference_differs"


def test_one_known_answer_is_asked_for_at_each_turn_until_all_were(xray_folder: Path) -> None:
    card = read_card(xray_folder)
    runtime = Answering(card, wrong={2})
    scorer = Scorer(card, runtime)

    told = [bool(scorer.departs(turn)) for turn in range(len(card.reference.seeds))]

    assert [turn for turn, one in enumerate(told) if one] == [2]
    assert runtime.asked == [1] * len(told)
