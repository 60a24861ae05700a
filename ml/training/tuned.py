"""Fine-tune out of fold, and keep it only if it wins there."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.report import macro_auc
from ml.models.architectures import architecture_named
from ml.models.weights import HEAD_BIAS, HEAD_KERNEL, Weights, fill, read_weights, trunk_of, write_weights
from ml.training.board import Board
from ml.training.config import Training
from ml.training.data import Example
from ml.training.finetune import Lesson, Steps, Trail
from ml.training.head import Features, Floats, Head, fit_distance, fit_head, fit_temperature, scores_of
from ml.training.kept import key_of, load_arrays, refuse_other, save_arrays
from ml.training.linear import features_key
from ml.training.precision import policy
from ml.training.soup import state_of, tune
from ml.training.splits import balance
from ml.training.trained import Trained
from ml.training.views import rear_features, views_of

log = logging.getLogger(__name__)

WITHOUT_FOLDS: Final = "shortcut"  # in a run's folder: the trunks that were tuned without each of its folds

SETTLED: Final = (
    "by the out-of-fold figure, patience {patience}: the figures out of fold are a little too good for having chosen it"
)


def train_tuned(
    training: Training,
    linear: Trained,
    examples: Sequence[Example],
    passes: Features,
    fold: NDArray[np.int64],
    out: Path,
) -> Trained:
    """Tune once per fold, and on everything if that wins out of fold.

    The figure is the mean over sources of the AUC of the first label that flags. Without patience the number of
    epochs is fixed beforehand, so that nothing is chosen by it; with patience it is settled by that figure, and
    the card says so. `linear` is returned, with a note, if it is as good.
    """
    run = _Run(training, linear, examples, passes, out)
    measured = run.steps.epochs if run.steps.patience else 1
    logits = np.zeros((run.steps.epochs + run.mixed, *linear.scores.shape))
    distances = np.zeros((measured, 2, len(examples)))
    for number in np.unique(fold):
        held = fold == number
        logits[:, held], distances[:, :, held] = run.fold(fold, int(number))
    reached, before = [run.macro(one) for one in logits], run.macro(np.log(linear.scores))
    for epoch, one in enumerate(reached, 1):
        run.board.note("out_of_fold", epoch, macro_auc=one)
    epochs = settled_epochs(reached[: run.steps.epochs], run.steps.patience)
    released = epochs - 1 + run.mixed
    note = {
        "macro_auc_out_of_fold_by_epoch": [round(one, 4) for one in reached[: run.steps.epochs]],
        "macro_auc_out_of_fold_linear": round(before, 4),
        "epochs": epochs,
    }
    if run.steps.patience:
        note["epochs_settled"] = SETTLED.format(patience=run.steps.patience)
    if run.mixed:
        note["macro_auc_out_of_fold_of_the_mean"] = round(reached[released], 4)
    if not keeps(reached[released], before):
        return replace(linear, how=linear.how | note | {"fine_tuning": "tried; it did not win out of fold"})
    return run.final(epochs, logits[released], distances[epochs - 1 if run.steps.patience else 0], note)


def keeps(reached: float, before: float) -> bool:
    """Tell whether tuning is kept: only if it is better than the linear head out of fold."""
    return reached > before


def settled_epochs(reached: Sequence[float], patience: int) -> int:
    """Return after how many epochs to stop: at the best one that no better one follows within `patience` epochs.

    Args:
        reached: The out-of-fold figure after each epoch.
        patience: 0 for all epochs.
    """
    if not patience:
        return len(reached)
    best = 0
    for epoch, figure in enumerate(reached):
        if figure > reached[best]:
            best = epoch
        elif epoch - best >= patience:
            break
    return best + 1


def tuned_without(
    training: Training,
    linear: Trained,
    examples: Sequence[Example],
    passes: Features,
    fold: NDArray[np.int64],
    numbers: Sequence[int],
    kept: Path,
) -> Iterator[tuple[int, Weights, Head]]:
    """Yield some folds' numbers, each with the trunk and the head that were tuned without it.

    A tuned trunk has seen the labels of its pictures, so anything about it is asked on pictures held out.
    `kept` holds the trunks and the folder above it the views; a run that was stopped goes on there.
    """
    run = _Run(training, linear, examples, passes, kept.parent)
    kept.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        path = _place(kept, fold, number)
        if not path.exists():
            trunk, head = run.tuned_on(np.flatnonzero(fold != number))
            _save(path, trunk, head)
            log.info("tuned without fold %d", number)
        yield number, *_load(path)


def name_of_fold(fold: NDArray[np.int64], number: int) -> str:
    """Name a fold by its number and by what it holds out, so that no other split's work is taken for its own."""
    return f"{number}-{key_of(np.flatnonzero(fold == number).tolist())[:12]}"


def _place(kept: Path, fold: NDArray[np.int64], number: int) -> Path:
    return kept / f"without{name_of_fold(fold, number)}.safetensors"


def _save(path: Path, trunk: Weights, head: Head) -> None:
    part = path.with_suffix(".part")
    write_weights(part, trunk, {HEAD_KERNEL: _single(head.kernel), HEAD_BIAS: _single(head.bias)})
    part.replace(path)


def _load(path: Path) -> tuple[Weights, Head]:
    weights = read_weights(path)
    return trunk_of(weights), Head(weights[HEAD_KERNEL].astype(float), weights[HEAD_BIAS].astype(float))


def _single(array: Floats) -> NDArray[np.float32]:
    return array.astype(np.float32)


class _Run:
    def __init__(
        self, training: Training, linear: Trained, examples: Sequence[Example], passes: Features, out: Path
    ) -> None:
        self.training, self.linear, self.examples, self.passes, self.out = training, linear, examples, passes, out
        self.steps = training.fine_tune or Steps()
        self.mixed = int(self.steps.soup > 1)  # the released weights are a mean of several: a row behind the epochs
        self.architecture = architecture_named(training.architecture)
        self.board = Board(out / "board")
        refuse_other(out / "tuned.key", self._key(), out / "fold0.npz")
        self.views = views_of(training, self.steps, linear.trunk, examples, out)
        self.truth = np.array([training.labels.index(example.label) for example in examples])

    def macro(self, logits: Floats, places: NDArray[np.int64] | None = None) -> float:
        """Return the mean over sources of the AUC of the first label that flags."""
        label = self.training.flag_labels[0]
        own = scores_of(logits)[:, self.training.labels.index(label)]
        examples = self.examples if places is None else [self.examples[place] for place in places]
        return float(macro_auc(examples, label, own)["macro"] or 0.5)

    def fold(self, fold: NDArray[np.int64], number: int) -> tuple[Floats, Floats]:
        """Return what was held out: logits `(epochs, held, labels)`, distances `(epochs or 1, 2, held)`.

        The epochs are those of the first tuning; where several are averaged, the mean stands behind them.
        """
        train, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        kept = self.out / f"fold{number}.npz"
        if not kept.exists():
            logits, distances, trunk, head = self._tuned_fold(number, train, held)
            if not self.steps.patience:  # the released model is of as many epochs: what tests on what is held out needs
                (self.out / WITHOUT_FOLDS).mkdir(exist_ok=True)
                _save(_place(self.out / WITHOUT_FOLDS, fold, number), trunk, head)
            save_arrays(kept, logits=logits, distances=distances)
            self._forget(f"fold{number}")
        stored = load_arrays(kept)
        return stored["logits"], stored["distances"]

    def final(self, epochs: int, logits: Floats, distances: Floats, note: dict[str, Any]) -> Trained:
        """Tune on every training picture; what comes out is kept, so that exporting again gives the same."""
        places = np.arange(len(self.examples))
        kept = self.out / f"tuned{epochs}.safetensors"
        if not kept.exists():
            _save(kept, *self.tuned_on(places, "final", epochs))
            self._forget("final")
        trunk, head = _load(kept)
        features = self._features(trunk, places, views=2)
        temperature = fit_temperature(logits, self.truth)
        return Trained(
            trunk=trunk,
            head=head.cooled(temperature),
            distance=fit_distance(features, self.training.directions),
            threshold=float(np.percentile(distances, self.training.percentile)),
            scores=scores_of(logits / temperature),
            distances=distances[0],
            how=self.linear.how
            | note
            | {
                "method": "linear head, then the blocks from first_block on tuned with small steps",
                "steps": asdict(self.steps),
                "computed_in": policy(self.steps.mixed_precision),
                "temperature": round(temperature, 4),
            },
        )

    def tuned_on(
        self, places: NDArray[np.int64], name: str = "without", epochs: int | None = None
    ) -> tuple[Weights, Head]:
        """Tune on some pictures and return what the last epoch leaves; goes on from a stop if it is `final`."""

        def after_epoch(epoch: int, _trunk: Weights, _head: Head) -> None:
            log.info("epoch %d of %d, %d pictures", epoch, epochs or self.steps.epochs, len(places))

        state = self._state(name) if name == "final" else None
        trail = Trail(name, state, self.board, epochs)
        return tune(self._lesson(places), self.steps, self.training.seed, after_epoch, trail)

    def _tuned_fold(
        self, number: int, train: NDArray[np.int64], held: NDArray[np.int64]
    ) -> tuple[Floats, Floats, Weights, Head]:
        name = f"fold{number}"
        reached = self._state(name).with_suffix(".reached.npz")

        def after_epoch(epoch: int, trunk: Weights, head: Head) -> None:
            logits = head.logits(self._features(trunk, held, views=1)[0])
            kept = load_arrays(reached) | {f"logits{epoch}": logits}
            if self.steps.patience:
                kept[f"distances{epoch}"] = self._distances(trunk, train, held)
            save_arrays(reached, **kept)
            macro = self.macro(logits, held)
            self.board.note(name, epoch, macro_auc_held_out=macro)
            log.info("epoch %d of a fold: macro AUC %.4f", epoch, macro)

        trail = Trail(name, self._state(name), self.board)
        trunk, head = tune(self._lesson(train), self.steps, self.training.seed, after_epoch, trail)
        kept, epochs = load_arrays(reached), range(1, self.steps.epochs + 1)
        rows = [kept[f"logits{epoch}"] for epoch in epochs]
        if self.mixed:
            rows.append(head.logits(self._features(trunk, held, views=1)[0]))
            log.info("the mean of %d tunings: macro AUC %.4f", self.steps.soup, self.macro(rows[-1], held))
        logits = np.stack(rows)
        if self.steps.patience:
            return logits, np.stack([kept[f"distances{epoch}"] for epoch in epochs]), trunk, head
        return logits, self._distances(trunk, train, held)[np.newaxis], trunk, head

    def _distances(self, trunk: Weights, train: NDArray[np.int64], held: NDArray[np.int64]) -> Floats:
        distance = fit_distance(self._features(trunk, train, views=2), self.training.directions)
        return np.stack([distance.of(one) for one in self._features(trunk, held, views=2)])

    def _state(self, name: str) -> Path:
        return self.out / f"{name}.state.npz"

    def _forget(self, name: str) -> None:
        """Take away what only a run that was stopped midway needs."""
        first = self._state(name)
        further = [state_of(first, number) for number in range(2, self.steps.soup + 1)]
        for path in (first, first.with_suffix(".reached.npz"), *further):
            path.unlink(missing_ok=True)

    def _key(self) -> str:
        labels = [example.label for example in self.examples]
        how = (asdict(self.steps), self.training.folds, self.training.labels, self.training.directions, labels)
        sources = [(example.source, example.patient) for example in self.examples]
        features = features_key(self.training, self.linear.trunk, self.examples)
        return key_of(features, how, sources, self.linear.how["inverse_penalty"])

    def _lesson(self, places: NDArray[np.int64]) -> Lesson:
        training = self.training
        head = fit_head(
            self.passes[:, places],
            self.truth[places],
            balance([self.examples[place] for place in places], "source"),
            strength=float(self.linear.how["inverse_penalty"]),
            classes=len(training.labels),
        )
        return Lesson(
            architecture=self.architecture,
            side=training.input_side,
            trunk=self.linear.trunk,
            head=head,
            views=self.views,
            places=places,
            examples=self.examples,
            names=training.labels,
        )

    def _features(self, trunk: Weights, places: NDArray[np.int64], views: int) -> Features:
        """Return the tuned trunk's features `(views, places, features)` of the first views."""
        rear = self.architecture.build_rear(self.training.input_side, self.steps.first_block)
        fill(rear, trunk)
        return np.stack([rear_features(rear, self.views[view], places) for view in range(views)])
