"""Heat of a model whose features are the means of several maps: its parts add up to the logit."""

import gc
import weakref

import numpy as np
import pytest

from ml.explain.explainer import Explainer
from ml.explain.heat import on_plane
from ml.explain.levels import Levels, parts_of
from ml.models import weights as w
from ml.models.architectures import architecture_named
from ml.models.bundle import load_bundle, read_card
from ml.models.frozen import FrozenGraph, filled_trunk, input_stage
from ml.models.reference import reference_planes
from ml.vocabulary import Modality
from tests.shipped import bundle_of

XRAY = bundle_of("xray-covid-3class")


def test_what_the_places_add_is_the_logit_less_that_of_the_mean_training_picture():
    bundle, card = load_bundle(XRAY), read_card(XRAY)
    weights, planes = w.read_bundle(bundle), reference_planes((3, 4, 5), Modality.XRAY)
    architecture = architecture_named(card.architecture)
    trunk = filled_trunk(architecture, card.input_side, w.trunk_of(weights))
    explaining = Levels(trunk, input_stage(architecture, card.input_side))
    kernel, mean = weights[w.HEAD_KERNEL], weights[w.OOD_MEAN]

    parts = np.stack([parts_of(explaining.maps(planes), kernel[:, k], mean) for k in range(3)], axis=1)

    scores = FrozenGraph(bundle).run(planes).scores
    at_mean = mean @ kernel + weights[w.HEAD_BIAS]
    logits = parts.mean(axis=(2, 3)) + at_mean
    expected = np.log(scores) - np.log(scores).mean(axis=1, keepdims=True)
    assert np.abs((logits - logits.mean(axis=1, keepdims=True)) - expected).max() < 0.02 * np.abs(expected).max()


def test_parts_of_several_maps_are_added_where_they_lie():
    fine, coarse = np.zeros((1, 4, 4, 1), np.float32), np.zeros((1, 2, 2, 2), np.float32)
    fine[0, 0, 0, 0], coarse[0, 1, 1] = 8.0, (1.0, 3.0)
    column = np.array([0.5, 1.0, -1.0], np.float32)

    parts = parts_of([fine, coarse], column, np.zeros(3, np.float32))

    assert parts[0, 40, 40] == pytest.approx(4.0)
    assert parts[0, 480, 480] == pytest.approx(-2.0)
    assert parts[0, 480, 40] == pytest.approx(0.0)


def test_what_is_as_in_the_mean_training_picture_adds_nothing():
    maps = [np.full((1, 2, 2, 2), 7.0, np.float32)]

    assert not parts_of(maps, np.array([3.0, -2.0], np.float32), np.full(2, 7.0, np.float32)).any()


def test_resampling_keeps_the_mean_of_a_map():
    maps = np.random.Generator(np.random.PCG64(1)).uniform(0, 1, (2, 8, 8))

    assert on_plane(maps).mean() == pytest.approx(maps.mean(), rel=0.02)


def test_models_on_one_trunk_share_its_graph_while_one_of_them_is_in_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ml.explain.explainer._WAYS", weakref.WeakValueDictionary())
    first, second = (Explainer(load_bundle(bundle_of(slug))) for slug in ("xray-covid-3class", "xray-covid-normal"))

    assert first._way is second._way
    assert not np.array_equal(first._kernel[:, 0], second._kernel[:, 0])
    left = weakref.ref(first._way)
    del first, second
    gc.collect()
    assert left() is None
