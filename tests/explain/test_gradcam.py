"""Sanity of heat maps, after Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018 (arXiv:1810.03292)."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import keras
import numpy as np
import pytest

from ml.explain.explainer import Explainer, Explanation, explain_all, outside_of
from ml.explain.gradcam import heat_of
from ml.models import weights as w
from ml.models.architectures import FAMILIES, architecture_named
from ml.models.bundle import WEIGHTS_FILE, Bundle, load_bundle, read_card
from ml.models.card import BundleError
from ml.models.reference import reference_planes
from ml.models.weights import drawn
from ml.training.features import extractor
from ml.training.head import fit_head
from ml.vocabulary import Modality
from tests.shipped import bundle_of

SHIPPED = bundle_of("xray-covid-3class")
LABELS = ("covid", "pneumonia", "normal")


@pytest.fixture(scope="module")
def planes() -> np.ndarray:
    return reference_planes((3, 4), Modality.XRAY)


@pytest.fixture(scope="module")
def shipped() -> Explainer:
    return Explainer(load_bundle(SHIPPED))


@pytest.fixture(autouse=True)
def forget_graphs() -> Iterator[None]:
    yield
    keras.utils.clear_session()


def with_weights(
    folder: Path, trunk: w.Weights, kernel: np.ndarray, bias: np.ndarray, mean: np.ndarray | None = None, **card: object
) -> Bundle:
    """A bundle of the shipped one's labels with other weights, not released and not hashed."""
    copytree(SHIPPED, folder)
    rest = {
        w.HEAD_KERNEL: kernel,
        w.HEAD_BIAS: bias,
        w.OOD_MEAN: np.zeros(len(kernel), np.float32) if mean is None else mean,
        w.OOD_PROJECTION: np.zeros((len(kernel), 1), np.float32),
    }
    w.write_weights(folder / WEIGHTS_FILE, trunk, rest)
    shown = read_card(SHIPPED)
    for name, value in ({"files": {}} | card).items():  # the trunk lies with the rest, in no file of its own
        object.__setattr__(shown, name, value)
    return Bundle(folder, shown)


def drawn_bundle(folder: Path, name: str, side: int, seed: int) -> Bundle:
    trunk = architecture_named(name).build(side)
    rng = np.random.Generator(np.random.PCG64(seed))
    kernel = rng.normal(0, 1, (trunk.output_shape[-1], 3)).astype(np.float32)
    return with_weights(folder, drawn(trunk, seed), kernel, np.zeros(3, np.float32), architecture=name, input_side=side)


def likeness(one: Explanation, other: Explanation) -> float:
    return float(np.corrcoef(one.heat.ravel(), other.heat.ravel())[0, 1])


def test_a_map_is_of_the_plane_and_from_0_to_1(shipped: Explainer, planes: np.ndarray):
    first, second = explain_all(shipped, [plane.tobytes() for plane in planes], "normal")

    for one in (first, second):
        assert (one.heat.shape, one.heat.dtype) == ((512, 512), np.float32)
        assert (one.heat.min(), one.heat.max()) >= (0.0, 0.5)
        assert one.heat.max() <= 1.0
        assert 0.0 <= one.outside <= 1.0
        assert (one.label, one.method, one.field) == ("normal", "grad-cam-levels-2", "field-1")
    assert likeness(first, second) < 0.999


def test_the_same_plane_gives_the_same_map_in_any_company(shipped: Explainer, planes: np.ndarray):
    together = shipped.explain(planes, "covid")

    again, alone = shipped.explain(planes, "covid"), shipped.explain(planes[1:], "covid")

    assert np.array_equal(together[0].heat, again[0].heat)
    assert all(np.array_equal(alone[0].heat, shipped.explain(planes[1:], "covid")[0].heat) for _ in range(10))
    assert np.abs(together[1].heat - alone[0].heat).max() < 1e-4


def test_another_label_has_another_map(shipped: Explainer, planes: np.ndarray):
    covid, normal = (shipped.explain(planes[:1], label)[0] for label in ("covid", "normal"))

    assert likeness(covid, normal) < 0.9


def test_an_unknown_label_is_refused(shipped: Explainer, planes: np.ndarray):
    with pytest.raises(BundleError) as refused:
        shipped.explain(planes, "fracture")

    assert refused.value.code == "label_unknown"


def test_randomised_weights_change_the_map_of_the_shipped_model(shipped: Explainer, planes: np.ndarray, tmp_path: Path):
    weights, card = w.read_bundle(load_bundle(SHIPPED)), read_card(SHIPPED)
    trunk = drawn(architecture_named(card.architecture).build(card.input_side), 1)
    head = (weights[w.HEAD_KERNEL], weights[w.HEAD_BIAS], weights[w.OOD_MEAN])
    random = Explainer(with_weights(tmp_path / "b", trunk, *head))

    before, after = shipped.explain(planes, "normal"), random.explain(planes, "normal")

    assert np.mean([likeness(one, other) for one, other in zip(before, after, strict=True)]) < 0.5


@pytest.mark.parametrize("name", FAMILIES)
def test_every_architecture_gives_maps_that_its_weights_decide(name: str, planes: np.ndarray, tmp_path: Path):
    first, other = (maps_of(drawn_bundle(tmp_path / str(seed), name, 128, seed), planes) for seed in (1, 2))

    assert np.isfinite(first).all()
    assert first.max() > 0.5
    assert not np.array_equal(first, other)
    assert np.corrcoef(first.ravel(), other.ravel())[0, 1] < 0.9


def maps_of(bundle: Bundle, planes: np.ndarray) -> np.ndarray:
    explainer = Explainer(bundle)
    return np.stack([one.heat for label in LABELS for one in explainer.explain(planes, label)])


@pytest.mark.parametrize("name", ["efficientnetlite0", "efficientnetlite0+levels5"])
def test_a_model_that_learned_a_marker_in_a_corner_shows_that_corner(name: str, tmp_path: Path):
    """A linear head on the shipped trunk, taught to tell pictures by a white square at the upper left."""
    clean = reference_planes(tuple(range(24)), Modality.XRAY)
    marked = clean.copy()
    marked[:, 20:90, 20:90] = 255
    weights, architecture = w.read_bundle(load_bundle(SHIPPED)), architecture_named(name)
    side = read_card(SHIPPED).input_side
    trunk = architecture.build(side)
    w.fill(trunk, w.trunk_of(weights))
    features = extractor(trunk, architecture, side)(np.concatenate([clean[:16], marked[:16]]))
    truth = np.repeat([1, 0], 16)
    head = fit_head(features[None], truth, np.ones(32), strength=0.01, classes=2)
    kernel, bias = head.kernel.astype(np.float32), head.bias.astype(np.float32)
    changed = {"labels": ("marked", "clean"), "architecture": name}
    bundle = with_weights(tmp_path / "b", w.trunk_of(weights), kernel, bias, features.mean(axis=0), **changed)

    shown = Explainer(bundle).explain(marked[16:], "marked")

    heat = np.mean([one.heat for one in shown], axis=0)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert max(row, column) < 150
    assert heat[:170, :170].sum() > 0.4 * heat.sum()
    assert np.mean([one.outside for one in shown]) > 0.5


def test_heat_is_the_sum_of_channels_weighed_by_the_mean_of_their_slopes():
    maps = np.zeros((1, 2, 2, 2), np.float32)
    maps[0, 0, 0], maps[0, 1, 1] = (4, 0), (2, 8)
    slopes = np.ones((1, 2, 2, 2), np.float32) * np.array([1.0, -0.125], np.float32)

    assert np.array_equal(heat_of(maps, slopes)[0], np.array([[1, 0], [0, 0.25]], np.float32))


def test_a_score_that_nothing_raises_has_no_heat_and_no_share_outside():
    heat = heat_of(np.ones((1, 3, 3, 2), np.float32), -np.ones((1, 3, 3, 2), np.float32))[0]

    assert not heat.any()
    assert outside_of(heat) is None


def test_heat_everywhere_lies_outside_the_field_by_what_the_field_leaves():
    assert outside_of(np.ones((512, 512), np.float32)) == pytest.approx(0.42, abs=0.002)
