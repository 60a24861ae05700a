import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.images.gate import CLASSES, GateWeights, decide, load_gate, packed
from ml.images.gate_features import FEATURES
from ml.training import gate
from ml.training.gate import FAMILY_AND_PATIENTS_UNSEEN, FAMILY_UNSEEN
from ml.training.gate_card import Seen, against_target, chest_figures, family_figures, remedy_figures, write_gate
from ml.training.gate_fit import GateTraining, distances_of, fit_gate, scores_of
from ml.training.gate_rows import CLEAN, NO_GROUP, PHANTOM, Rows
from ml.training.negatives.canvas import SIDE
from ml.training.negatives.drawn import DRAWN
from ml.training.negatives.drawn_unseen import DRAWN_UNSEEN
from ml.training.negatives.misused import MISUSED, MISUSED_UNSEEN, ORIENTATION, POLARITY
from ml.vocabulary import NotAssessed
from tests.training.test_data import example

SMALL = GateTraining(passes=2, hidden=8, axes=4, typical=3, typical_drawn=2)


@pytest.fixture
def rows() -> Rows:
    """Sixty rows, each class around a point of its own."""
    dice = np.random.default_rng(3)
    truth = np.arange(60) % len(CLASSES)
    features = dice.normal(0, 0.1, (60, FEATURES)).astype(np.float32)
    features[np.arange(60), truth] += 3
    chest = np.where(np.arange(60) < 30, CLEAN, PHANTOM)
    family = np.where(truth < 2, chest, np.where(truth == 2, "noise", "inverted"))
    group = np.where(family == "noise", 1, NO_GROUP)
    return Rows(features, truth, family, np.arange(60) % 5, group, np.arange(60) != 10)


def test_the_same_rows_give_the_same_weights_to_the_last_bit(rows):
    once, again = (packed(fit_gate(rows, rows.taught, SMALL)) for _ in range(2))

    assert all(np.array_equal(once[name], again[name]) for name in once)


def test_another_seed_gives_other_weights(rows):
    once, other = (fit_gate(rows, rows.taught, replace(SMALL, seed=seed)) for seed in (1, 2))

    assert not np.array_equal(once.first, other.first)


def test_a_fold_teaches_its_gate_neither_its_patients_nor_its_families(rows):
    taught = rows.taught_without(1)

    assert not taught[rows.fold == 1].any()
    assert not taught[rows.family == "noise"].any()
    assert not taught[10]  # one of those that nothing is taught by
    assert taught[(rows.fold != 1) & (rows.family == "inverted")].all()


class Remembering:
    """Gates that let through just the rows they know something of; column 0 of the features is the row's number."""

    def __init__(self, rows: Rows, known: Callable[[np.ndarray, int], bool]) -> None:
        self.rows, self.known = rows, known
        self.taught: list[tuple[GateWeights, np.ndarray]] = []

    def fit(self, rows: Rows, taught: np.ndarray, training: GateTraining) -> GateWeights:
        self.taught.append((fit_gate(rows, taught, training), taught))
        return self.taught[-1][0]

    def scores(self, features: np.ndarray, weights: GateWeights) -> np.ndarray:
        taught = next(mask for fitted, mask in self.taught if fitted is weights)
        kinds = [self._answer(taught, int(number)) for number in features[:, 0]]
        return np.eye(len(CLASSES))[kinds]

    def _answer(self, taught: np.ndarray, row: int) -> int:
        if self.rows.truth[row] < 2:
            return int(self.rows.truth[row])
        return 0 if self.known(taught, row) else 2


@pytest.fixture
def mixed() -> Rows:
    """As families really lie: chest pictures first, then each family to refuse with two rows in every fold."""
    families = ("noise", "half", "spliced")
    family = np.array([CLEAN] * 20 + [PHANTOM] * 20 + [name for name in families for _ in range(10)])
    count, chests = len(family), np.isin(family, (CLEAN, PHANTOM))
    truth = np.where(chests, np.arange(count) % 2, 2)
    features = np.random.default_rng(5).normal(0, 0.1, (count, FEATURES)).astype(np.float32)
    features[:, 0] = np.arange(count)
    group = np.array([{"noise": 0, "half": 1, "spliced": 3}.get(name, NO_GROUP) for name in family])
    fold = np.where(chests, np.arange(count) // 2, np.arange(count)) % 5
    return Rows(features, truth, family, fold, group, np.ones(count, np.bool_))


def let_through(rows: Rows, known: Callable[[np.ndarray, int], bool], monkeypatch) -> dict[str, dict]:
    gates = Remembering(rows, known)
    monkeypatch.setattr(gate, "rows_of", lambda *_: rows)
    monkeypatch.setattr(gate, "fit_gate", gates.fit)
    monkeypatch.setattr(gate, "scores_of", gates.scores)
    monkeypatch.setattr(gate, "distances_of", lambda features, _: np.ones((len(features), 2)))
    examples = [example(modality=("xray", "ct")[number % 2]) for number in range(20)]
    return gate.fit_and_judge(examples, SMALL)[1]


def test_no_row_of_a_family_is_judged_by_a_gate_that_was_taught_the_family(mixed, monkeypatch):
    def knows_family(taught: np.ndarray, row: int) -> bool:
        return mixed.family[row] in mixed.family[taught]

    told = let_through(mixed, knows_family, monkeypatch)[FAMILY_UNSEEN]

    assert {name: (one["value"], one["n"]) for name, one in told.items()} == dict.fromkeys(
        ("half", "noise", "spliced"), (0.0, 10)
    )


def test_the_stricter_figure_comes_from_gates_that_saw_neither_family_nor_patients(mixed, monkeypatch):
    def knows_either(taught: np.ndarray, row: int) -> bool:
        return mixed.family[row] in mixed.family[taught] or mixed.fold[row] in mixed.fold[taught]

    figures = let_through(mixed, knows_either, monkeypatch)

    strict = figures[FAMILY_AND_PATIENTS_UNSEEN]
    assert {name: (one["value"], one["n"]) for name, one in strict.items()} == dict.fromkeys(
        ("half", "noise", "spliced"), (0.0, 2)
    )
    assert all(one["value"] == 0.8 for one in figures[FAMILY_UNSEEN].values())  # whose patients the gate may know


def test_rows_score_and_lie_as_single_pictures_do(rows):
    weights = fit_gate(rows, rows.taught, SMALL)

    scores, away = scores_of(rows.features, weights), distances_of(rows.features, weights)

    one = decide(rows.features[7], weights)
    kind = int(scores[7, :2].argmax())
    assert (scores.shape, away.shape) == ((60, 5), (60, 2))
    assert list(one.scores.values()) == pytest.approx(list(scores[7]), abs=1e-5)
    assert one.distance == pytest.approx(away[7, kind], abs=1e-4)


def test_what_is_written_is_what_is_read_back(rows, tmp_path: Path):
    weights = replace(fit_gate(rows, rows.taught, SMALL), threshold=0.5, limits=(1.0, 2.0))

    card = write_gate(tmp_path, weights, {"val": {}}, SMALL)
    back = load_gate(tmp_path)

    assert (back.threshold, back.limits) == (0.5, (1.0, 2.0))
    assert all(np.array_equal(array, packed(back)[name]) for name, array in packed(weights).items())
    assert json.loads((tmp_path / "gate.json").read_text())["how"] == card["how"]


def test_every_family_is_told_by_itself_with_its_exact_interval():
    seen = [("plot", Seen("xray", None)), *[("plot", Seen("unknown", NotAssessed.NOT_CHEST))] * 9]

    figures = family_figures([*seen, ("limb", Seen("unknown", NotAssessed.NOT_CHEST))], targets=True)

    assert figures["plot"] == {
        "value": 0.1,
        "low": 0.0025,
        "high": 0.445,
        "n": 10,
        "easy": True,
        "target": 0.02,
        "met": False,
    }
    assert (figures["limb"]["value"], figures["limb"]["met"], figures["limb"]["easy"]) == (0.0, True, False)


def test_refusals_are_told_by_source_with_their_reasons():
    examples = [example(source="one", modality="xray"), example(source="two", modality="ct")]

    figures = chest_figures(examples, [Seen("ct", None), Seen("unknown", NotAssessed.POLARITY)])

    assert (figures["one"]["refused"]["value"], figures["one"]["taken_for_the_other_kind"]) == (0.0, 1)
    assert (figures["two"]["refused"]["value"], figures["two"]["reasons"]) == (1.0, {"polarity": 1})
    assert figures["all"]["refused"]["n"] == 2


@pytest.mark.parametrize(("value", "met"), [(0.02, True), (0.0201, False)])
def test_a_missed_target_is_told_as_missed(value, met):
    assert against_target({"value": value}) == {"target": 0.02, "met": met}


def test_a_turned_picture_counts_as_told_only_with_its_own_reason():
    reasons = [NotAssessed.ORIENTATION, NotAssessed.POLARITY, NotAssessed.NOT_CHEST, None]
    seen = [("sideways", Seen("unknown" if reason else "xray", reason)) for reason in reasons]

    figures = remedy_figures(seen)

    assert (figures["sideways"]["value"], figures["sideways"]["right_reason"]["value"]) == (0.25, 0.25)


@pytest.mark.parametrize("family", [*DRAWN.items(), *DRAWN_UNSEEN.items()], ids=lambda pair: pair[0])
def test_drawings_repeat_and_are_pictures(family):
    once, again = (family[1](np.random.default_rng(4)) for _ in range(2))

    assert once.dtype == np.uint8
    assert once.ndim == 2
    assert min(once.shape) >= 180
    assert np.array_equal(once, again)


@pytest.mark.parametrize(
    "family", [*(MISUSED | MISUSED_UNSEEN | POLARITY | ORIENTATION).items()], ids=lambda pair: pair[0]
)
def test_misused_pictures_repeat_and_are_no_longer_what_they_were(family):
    pictures = [np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE)).astype(np.uint8) for seed in range(3)]

    once, again = (family[1](pictures, np.random.default_rng(4)) for _ in range(2))

    assert once.dtype == np.uint8
    assert np.array_equal(once, again)
    assert not any(np.array_equal(once, picture) for picture in pictures)
