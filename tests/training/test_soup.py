"""Several tunings, one model: the mean of their weights, repeatable, and gone on with after a stop."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from ml.models.architectures import architecture_named
from ml.models.base import base_weights
from ml.models.bundle import load_bundle, read_card
from ml.training import soup
from ml.training.finetune import Lesson, Steps, Trail, fine_tune
from ml.training.head import Head
from ml.training.soup import mean_of, tune
from tests.evaluation.drawn import example
from tests.training.tiny import STEPS, collection, run, tiny

THREE = Steps(epochs=2, batch=8, first_block=1, rate=1e-3, mixed_precision="off", soup=3)


def lesson() -> Lesson:
    architecture = architecture_named("smallcnn+pool2+dense16")
    rng = np.random.Generator(np.random.PCG64(1))
    shape = architecture.build_front(32, 1).output_shape[1:]
    return Lesson(
        architecture=architecture,
        side=32,
        trunk=base_weights(Path("none"), architecture.name, 32),
        head=Head(np.zeros((16, 2)), np.zeros(2)),
        views=[rng.random((16, *shape)).astype(np.float16) for _ in range(3)],
        places=np.arange(16),
        examples=[example(number, label="covid" if number % 2 else "normal") for number in range(16)],
        names=("covid", "normal"),
    )


def test_a_soup_is_the_mean_of_what_its_seeds_give_alone():
    asked, epochs = lesson(), []
    alone = [fine_tune(asked, THREE, seed, lambda *_: None) for seed in (7, 8, 9)]

    trunk, head = tune(asked, THREE, 7, lambda epoch, *_: epochs.append(epoch))

    assert epochs == [1, 2]  # of the first alone
    tuned = [name for name in trunk if not np.array_equal(trunk[name], asked.trunk[name])]
    assert tuned
    for name in tuned:
        mean = np.mean([one[name] for one, _ in alone], axis=0)
        np.testing.assert_allclose(trunk[name], mean, rtol=1e-3, atol=1e-6)
        assert any(not np.array_equal(one[name], alone[0][0][name]) for one, _ in alone)
    np.testing.assert_allclose(head.kernel, np.mean([one.kernel for _, one in alone], axis=0))


def test_what_was_not_tuned_stays_as_it_was_to_the_last_bit():
    asked = lesson()
    members = [(asked.trunk | {}, Head(np.zeros((2, 2)), np.zeros(2))) for _ in range(2)]

    trunk, _ = mean_of(members)

    assert all(trunk[name] is asked.trunk[name] for name in trunk)


def test_a_soup_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = lesson()
    whole = tune(asked, THREE, 7, lambda *_: None)
    trail = Trail("final", tmp_path / "final.state.npz")

    def stopped(*args: object, **kwargs: object) -> object:
        if args[2] == 9:
            raise KeyboardInterrupt
        return fine_tune(*args, **kwargs)

    monkeypatch.setattr(soup, "fine_tune", stopped)
    with pytest.raises(KeyboardInterrupt):
        tune(asked, THREE, 7, lambda *_: None, trail)
    monkeypatch.undo()
    again = []
    trunk, head = tune(asked, THREE, 7, lambda epoch, *_: again.append(epoch), trail)

    assert again == []  # the first was finished
    assert all(np.allclose(trunk[name], whole[0][name], atol=1e-6) for name in trunk)
    np.testing.assert_allclose(head.kernel, whole[1].kernel, atol=1e-6)


def test_a_run_releases_the_mean_and_its_card_says_so(tmp_path: Path):
    (tmp_path / "data").mkdir()
    steps = replace(STEPS, soup=2)

    run(tiny(steps), collection(tmp_path / "data"), tmp_path / "run")

    how = read_card(tmp_path / "run" / "bundle").training_data["how"]
    assert len(how["macro_auc_out_of_fold_by_epoch"]) == steps.epochs
    assert 0 <= how["macro_auc_out_of_fold_of_the_mean"] <= 1
    assert how["steps"] == asdict(steps)
    assert load_bundle(tmp_path / "run" / "bundle").card.labels == ("covid", "normal")
    assert not list((tmp_path / "run").glob("*.state.npz"))


@pytest.mark.parametrize("wrong", [{"soup": 0}, {"soup": 2, "patience": 1}])
def test_a_soup_of_none_or_of_tunings_that_stop_apart_is_refused(wrong: dict[str, int]):
    with pytest.raises(ValueError, match="soup is 1 or more"):
        Steps(**wrong)
