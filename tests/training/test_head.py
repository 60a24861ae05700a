import numpy as np
import pytest

from ml.training.config import read_training
from ml.training.data import DataError
from ml.training.export import spread
from ml.training.head import (
    fit_distance,
    fit_head,
    fit_temperature,
    log_loss,
    out_of_fold_logits,
    scores_of,
)
from ml.training.linear import out_of_fold_distances
from ml.training.splits import grouped_folds
from tests.environment import ROOT
from tests.training.test_data import crowd

CONFIGS = ROOT / "ml" / "training" / "configs"


def clouds(truth: np.ndarray, apart: float, seed: int = 0) -> np.ndarray:
    """Two passes of features whose first direction tells the class."""
    rng = np.random.Generator(np.random.PCG64(seed))
    features = rng.normal(0, 1, (2, len(truth), 12)).astype(np.float32)
    features[:, :, 0] += apart * truth
    return features


@pytest.mark.parametrize("classes", [2, 3])
def test_a_head_finds_what_tells_the_classes_apart(classes: int):
    truth = np.arange(150) % classes
    passes = clouds(truth, apart=6.0)

    head = fit_head(passes, truth, np.ones(150), strength=1.0, classes=classes)

    assert head.kernel.shape == (12, classes)
    assert (head.logits(passes[0]).argmax(axis=1) == truth).mean() > 0.97


def test_features_that_tell_nothing_score_no_better_than_chance_out_of_fold():
    examples = crowd(300)
    truth = np.array([example.label == "normal" for example in examples]).astype(np.int64)
    passes = clouds(truth, apart=0.0)
    fold = grouped_folds(examples, 5, 1)

    logits = out_of_fold_logits(passes, examples, ("covid", "normal"), fold, strength=1.0, balanced_by="label")

    share = scores_of(logits)[:, 1]
    assert abs(share[truth == 1].mean() - share[truth == 0].mean()) < 0.1


def test_a_temperature_undoes_overconfidence():
    rng = np.random.Generator(np.random.PCG64(0))
    honest = rng.normal(0, 1.5, (4000, 2))
    truth = (rng.random(4000) < scores_of(honest)[:, 1]).astype(np.int64)

    temperature = fit_temperature(honest * 3.0, truth)

    assert temperature == pytest.approx(3.0, rel=0.1)
    assert log_loss(honest * 3.0 / temperature, truth) < log_loss(honest * 3.0, truth)


def test_cooling_a_head_divides_its_logits():
    truth = np.arange(60) % 2
    passes = clouds(truth, apart=2.0)
    head = fit_head(passes, truth, np.ones(60), strength=1.0, classes=2)

    assert head.cooled(4.0).logits(passes[0]) == pytest.approx(head.logits(passes[0]) / 4.0)


def test_the_distance_of_what_is_unlike_is_larger():
    passes = clouds(np.zeros(400), apart=0.0)

    distance = fit_distance(passes, directions=12)

    own = distance.of(passes[0])
    assert np.mean(own**2) == pytest.approx(12, rel=0.1)  # one per direction
    assert distance.of(passes[0] + 5.0).min() > np.percentile(own, 99)


def test_distances_out_of_fold_come_from_other_patients():
    passes = clouds(np.zeros(40), apart=0.0)
    passes[:, :20] += 50.0  # fold 0 looks like nothing in fold 1

    distances = out_of_fold_distances(passes, np.repeat([0, 1], 20), directions=3)

    assert distances.shape == (2, 40)
    assert distances.min() > fit_distance(passes, 3).of(passes[0]).max()


def test_reference_scores_are_spread_evenly():
    scores = np.random.Generator(np.random.PCG64(0)).random(2000).astype(np.float32)

    chosen = scores[list(spread(scores))]

    assert len(set(chosen.tolist())) == 16
    assert chosen == pytest.approx(np.linspace(0.02, 0.98, 16), abs=0.01)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_configuration_names_the_model_it_made(path):
    training = read_training(path)

    assert path.stem in (training.slug, f"{training.slug}-tuned")
    assert set(training.flag_labels) <= set(training.labels)
    assert (ROOT / training.base).is_file()
    assert (ROOT / "models" / training.slug / training.version / "card.json").is_file()


def test_a_configuration_with_an_unknown_word_is_refused(tmp_path):
    text = (CONFIGS / "ct-covid.toml").read_text().replace("folds = 3", "folds = 3\nluck = 7")
    (tmp_path / "run.toml").write_text(text)

    with pytest.raises(DataError, match="luck") as refused:
        read_training(tmp_path / "run.toml")

    assert refused.value.code == "config_unreadable"
