"""A model that was loaded gives the answers of its card, and goes on giving them."""

import gc
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ml import inference
from ml.explain.explainer import Explainer
from ml.inference import Scorer, load_scorer
from ml.models.bundle import load_bundle, read_card
from ml.models.card import BundleError, Card, Reference
from ml.models.choosing import Choice, ways
from ml.models.reference import reference_planes
from ml.models.runtime import Raw, Way
from ml.vocabulary import Modality
from tests.shipped import bundle_of
from workers import choices

OPENVINO = Choice(Way("openvino", "fp32"), 16)


class Answering:
    """A runtime that gives the answers of a card, and on some planes others."""

    name, precision = "tensorflow", "fp32"

    def __init__(self, card: Card, wrong: set[int]) -> None:
        self._scores = np.array(card.reference.scores, np.float32)
        self._scores[list(wrong)] = np.roll(self._scores[list(wrong)], 1, axis=1)
        planes = reference_planes(card.reference.seeds, card.modality)
        self._places = {plane.tobytes(): place for place, plane in enumerate(planes)}
        self.asked: list[int] = []
        self.distance = 20.0

    def run(self, planes: NDArray[np.uint8]) -> Raw:
        return Raw(np.resize(self._scores, (len(planes), self._scores.shape[1])), np.zeros(len(planes), np.float32))

    def run_anew(self, planes: NDArray[np.uint8]) -> Raw:
        self.asked.append(len(planes))
        places = [self._places[plane.tobytes()] for plane in planes]
        return Raw(self._scores[places], np.full(len(planes), self.distance, np.float32))

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

    assert refused.value.code == inference.DEPARTS


def test_one_known_answer_is_asked_for_at_each_turn_until_all_were(xray_folder: Path) -> None:
    card = read_card(xray_folder)
    runtime = Answering(card, wrong={2})
    scorer = Scorer(card, runtime)

    told = [bool(scorer.departs(turn)) for turn in range(len(card.reference.seeds))]

    assert [turn for turn, one in enumerate(told) if one] == [2]
    assert runtime.asked == [1] * len(told)


def test_distances_are_held_against_those_at_the_load(xray_folder: Path) -> None:
    card = read_card(xray_folder)
    runtime = Answering(card, wrong=set())
    scorer = Scorer(card, runtime)

    assert scorer.departs() == ""
    assert scorer.departs(3) == ""
    runtime.distance = 40.0
    assert "elsewhere" in scorer.departs(3)
    runtime.distance = float("nan")
    assert "elsewhere" in scorer.departs(4)


def test_what_a_trunk_remembers_is_no_answer(xray_folder: Path) -> None:
    scorer, other = (load_scorer(bundle_of(slug)) for slug in ("xray-covid-3class", "xray-covid-normal"))
    shared: Any = scorer._runtime
    known = shared._trunk._known
    scorer.score([plane.tobytes() for plane in reference_planes(scorer.card.reference.seeds[:2], Modality.XRAY)])

    for name in list(known):
        known[name] = np.zeros_like(known[name])

    assert other._runtime._trunk is shared._trunk
    assert (len(known) > 0, scorer.departs()) == (True, "")


def test_a_card_without_known_answers_is_not_loaded(xray_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = load_bundle(xray_folder)
    bare = replace(bundle, card=replace(bundle.card, reference=Reference(tolerance={}, seeds=(), scores=())))
    monkeypatch.setattr(inference, "load_bundle", lambda _: bare)

    with pytest.raises(BundleError) as refused:
        load_scorer(xray_folder)

    assert refused.value.code == "reference_missing"


def test_a_choice_that_no_longer_holds_is_forgotten_for_the_model_and_its_trunk(
    xray_folder: Path, tmp_path: Path, settings: Any
) -> None:
    settings.CONFIG = replace(settings.CONFIG, state_dir=tmp_path, runtime="auto", precision="auto", batch_size=0)
    bundle, candidates = load_bundle(xray_folder), ways()
    places = choices._place(bundle.card.model_sha256, candidates), choices._place_of_trunk(bundle, candidates)
    for place in places:
        choices._keep(place, {"way": asdict(OPENVINO.way), "batch_size": 16})
    remembered = choices.chosen(bundle)

    choices.forget(xray_folder)

    assert (remembered.way, [place.exists() for place in places]) == (OPENVINO.way, [False, False])
