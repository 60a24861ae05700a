import subprocess
import sys

import numpy as np
import pytest

from ml.images.plane import make_plane
from ml.inference import PLANE_BYTES, NoopScorer, Outcome, Scorer
from ml.models.reference import reference_plane, reference_planes
from ml.models.runtime import Raw
from ml.training.augment import generator_for
from ml.training.negatives.drawn_unseen import limb
from ml.vocabulary import Modality
from tests.environment import ROOT
from tests.shipped import name_of


class Fake:
    """A runtime that answers what it is told, whatever the planes show."""

    name, precision = "fake", "fp32"

    def __init__(self, scores: list[list[float]], distances: list[float]) -> None:
        self.scores, self.distances = np.array(scores, np.float32), np.array(distances, np.float32)
        self.batches: list[int] = []

    def run(self, planes):
        self.batches.append(len(planes))
        return Raw(self.scores[: len(planes)], self.distances[: len(planes)])


@pytest.fixture(scope="module")
def planes(scorer: Scorer) -> list[bytes]:
    """Phantoms that the model scores or refuses, three of them."""
    return [reference_plane(seed, Modality.XRAY).tobytes() for seed in scorer.card.reference.seeds[:3]]


@pytest.mark.parametrize("module", ["ml.inference", "ml.images.gate", "ml.models.verify", "ml.models.runtime"])
def test_importing_leaves_tensorflow_out(module: str):
    code = f"import sys, {module}; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"

    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)

    assert finished.returncode == 0


@pytest.mark.parametrize("module", ["ml.models.bundle", "ml.statistics"])
def test_cards_and_statistics_need_the_standard_library_alone(module: str):
    code = f"import sys, {module}; sys.exit('numpy' in sys.modules)"

    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)

    assert finished.returncode == 0


def test_every_label_of_a_scored_plane_has_a_score_and_they_sum_to_one(scorer: Scorer):
    raw = Fake([[0.2, 0.3, 0.5]], [0.0])

    [outcome] = Scorer(scorer.card, raw).score([bytes(PLANE_BYTES)])

    assert outcome.kind == "scored"
    assert outcome.code is None
    assert outcome.scores == {"covid": pytest.approx(0.2), "pneumonia": pytest.approx(0.3), "normal": 0.5}


@pytest.mark.parametrize("bad", [None, b"", b"\x00", bytes(PLANE_BYTES - 1), bytes(PLANE_BYTES + 1)])
def test_one_bad_plane_costs_only_itself(scorer: Scorer, planes: list[bytes], bad: bytes | None):
    alone = scorer.score(planes)

    first, broken, second, third = scorer.score([planes[0], bad, planes[1], planes[2]])

    assert broken == Outcome("failed", code="plane_missing")
    for outcome, expected in zip((first, second, third), alone, strict=True):
        assert (outcome.kind, outcome.code) == (expected.kind, expected.code)
        assert outcome.scores == pytest.approx(expected.scores, abs=1e-6)
        assert outcome.distance == pytest.approx(expected.distance, abs=1e-3)


def test_a_score_that_is_not_finite_fails_its_image_alone(scorer: Scorer):
    raw = Fake([[np.nan, 0.5, 0.5], [0.2, 0.3, 0.5], [0.2, 0.3, 0.5]], [0.0, 0.0, np.inf])

    first, second, third = Scorer(scorer.card, raw).score([bytes(PLANE_BYTES)] * 3)

    assert first == third == Outcome("failed", code="not_finite")
    assert second.kind == "scored"


def test_a_picture_unlike_the_training_pictures_is_inconclusive_and_has_no_score(scorer: Scorer):
    far = scorer.card.ood.threshold + 0.5

    [outcome] = Scorer(scorer.card, Fake([[1.0, 0.0, 0.0]], [far])).score([bytes(PLANE_BYTES)])

    assert outcome.kind == "inconclusive"
    assert outcome.code == "out_of_distribution"
    assert outcome.scores == {}
    assert outcome.distance == pytest.approx(far)


def test_a_drawn_limb_gets_no_score(scorer: Scorer):
    plane = make_plane(limb(generator_for(3)))

    [outcome] = scorer.score([plane.tobytes()])

    assert (outcome.kind, outcome.code, outcome.scores) == ("inconclusive", "out_of_distribution", {})


def test_more_planes_than_a_batch_are_computed_in_several_calls(scorer: Scorer):
    raw = Fake([[0.2, 0.3, 0.5]] * 32, [0.0] * 32)

    outcomes = Scorer(scorer.card, raw).score([bytes(PLANE_BYTES), None] * 35)

    assert raw.batches == [32, 3]
    assert [outcome.kind for outcome in outcomes] == ["scored", "failed"] * 35


def test_no_planes_are_no_work(scorer: Scorer):
    raw = Fake([], [])

    assert Scorer(scorer.card, raw).score([]) == []
    assert raw.batches == []


def test_a_plane_scores_the_same_in_any_company(scorer: Scorer, planes: list[bytes]):
    runtime = scorer._runtime
    seeds = scorer.card.reference.seeds[:5]
    together = runtime.run(reference_planes(seeds, Modality.XRAY)).scores

    alone = [runtime.run(reference_planes((seed,), Modality.XRAY)).scores[0] for seed in seeds]

    assert np.abs(together - np.array(alone)).max() < 1e-5


def test_the_identity_names_model_hash_runtime_and_precision(scorer: Scorer):
    identity = scorer.identity

    assert identity.name == name_of("xray-covid-3class")
    assert identity.sha256 == scorer.card.model_sha256
    assert (identity.runtime, identity.precision) == ("tensorflow", "fp32")


def test_the_model_that_does_nothing_answers_one_half_and_never_flags():
    noop = NoopScorer()

    whole, missing = noop.score([bytes(PLANE_BYTES), None])

    assert whole.scores == {"covid": 0.5, "other": 0.5}
    assert missing == Outcome("failed", code="plane_missing")
    assert noop.identity.name == "noop@1"
    assert whole.scores["covid"] < noop.card.operating_points["covid"].value


def test_a_reference_plane_is_the_same_every_time_and_differs_by_seed_and_modality():
    first = reference_plane(7, Modality.XRAY)

    assert first.shape == (512, 512)
    assert first.dtype == np.uint8
    assert np.array_equal(first, reference_plane(7, Modality.XRAY))
    assert not np.array_equal(first, reference_plane(8, Modality.XRAY))
    assert not np.array_equal(first, reference_plane(7, Modality.CT))


def test_there_is_no_reference_plane_for_an_unknown_modality():
    with pytest.raises(ValueError, match="xray or ct"):
        reference_plane(0, Modality.UNKNOWN)
