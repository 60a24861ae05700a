"""Fine-tune out of fold, and keep it only if it wins there."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.evaluation.report import macro_auc
from ml.models.architectures import architecture_named
from ml.models.weights import HEAD_BIAS, HEAD_KERNEL, Weights, fill, read_weights, trunk_of, write_weights
from ml.training.config import Training
from ml.training.data import Example
from ml.training.features import clean_planes, degraded_planes, extract_all, extractor
from ml.training.finetune import Lesson, Steps, fine_tune
from ml.training.head import Features, Floats, Head, fit_distance, fit_head, fit_temperature, scores_of
from ml.training.splits import balance
from ml.training.trained import Trained

log = logging.getLogger(__name__)


def train_tuned(
    training: Training,
    linear: Trained,
    examples: Sequence[Example],
    passes: Features,
    fold: NDArray[np.int64],
    out: Path,
) -> Trained:
    """Tune once per fold, and on everything if that wins out of fold.

    The figure is the mean over sources of the AUC of the first label that flags. The number of epochs is
    fixed beforehand, so that nothing is chosen by it. `linear` is returned, with a note, if it is as good.
    """
    run = _Run(training, linear, examples, passes, out)
    logits = np.zeros((run.steps.epochs, *linear.scores.shape))
    distances = np.zeros((2, len(examples)))
    for number in np.unique(fold):
        held = fold == number
        logits[:, held], distances[:, held] = run.fold(fold, int(number))
    reached, before = [run.macro(one) for one in logits], run.macro(np.log(linear.scores))
    note = {
        "macro_auc_out_of_fold_by_epoch": [round(one, 4) for one in reached],
        "macro_auc_out_of_fold_linear": round(before, 4),
    }
    if reached[-1] <= before:
        return replace(linear, how=linear.how | note | {"fine_tuning": "tried; it did not win out of fold"})
    return run.final(logits[-1], distances, note)


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
        path = kept / f"without{number}.safetensors"
        if not path.exists():
            trunk, head = run.tuned_on(np.flatnonzero(fold != number))
            part = path.with_suffix(".part")
            write_weights(part, trunk, {HEAD_KERNEL: _single(head.kernel), HEAD_BIAS: _single(head.bias)})
            part.replace(path)
            log.info("tuned without fold %d", number)
        weights = read_weights(path)
        yield number, trunk_of(weights), Head(weights[HEAD_KERNEL].astype(float), weights[HEAD_BIAS].astype(float))


def _single(array: Floats) -> NDArray[np.float32]:
    return array.astype(np.float32)


class _Run:
    def __init__(
        self, training: Training, linear: Trained, examples: Sequence[Example], passes: Features, out: Path
    ) -> None:
        self.training, self.linear, self.examples, self.passes, self.out = training, linear, examples, passes, out
        self.steps = training.fine_tune or Steps()
        self.architecture = architecture_named(training.architecture)
        self.views = views_of(training, self.steps, linear.trunk, examples, out)
        self.truth = np.array([training.labels.index(example.label) for example in examples])

    def macro(self, logits: Floats, places: NDArray[np.int64] | None = None) -> float:
        """Return the mean over sources of the AUC of the first label that flags."""
        label = self.training.flag_labels[0]
        own = scores_of(logits)[:, self.training.labels.index(label)]
        examples = self.examples if places is None else [self.examples[place] for place in places]
        return float(macro_auc(examples, label, own)["macro"] or 0.5)

    def fold(self, fold: NDArray[np.int64], number: int) -> tuple[Floats, Floats]:
        """Return what was held out: logits `(epochs, held, labels)`, last distances `(2, held)`."""
        train, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        kept = self.out / f"fold{number}.npz"
        if not kept.exists():
            logits, distances = self._tuned_fold(train, held)
            np.savez(kept, logits=logits, distances=distances)
        with np.load(kept) as stored:
            return stored["logits"], stored["distances"]

    def final(self, logits: Floats, distances: Floats, note: dict[str, object]) -> Trained:
        """Tune on every training picture."""
        places = np.arange(len(self.examples))
        trunk, head = self.tuned_on(places)
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
                "temperature": round(temperature, 4),
            },
        )

    def tuned_on(self, places: NDArray[np.int64]) -> tuple[Weights, Head]:
        """Tune on some pictures and return what the last epoch leaves."""
        kept: list[tuple[Weights, Head]] = []

        def after_epoch(epoch: int, trunk: Weights, head: Head) -> None:
            log.info("epoch %d of %d, %d pictures", epoch, self.steps.epochs, len(places))
            kept[:] = [(trunk, head)]

        fine_tune(self._lesson(places), self.steps, self.training.seed, after_epoch)
        return kept[0]

    def _tuned_fold(self, train: NDArray[np.int64], held: NDArray[np.int64]) -> tuple[Floats, Floats]:
        logits: list[Floats] = []
        last: list[Weights] = []

        def after_epoch(epoch: int, trunk: Weights, head: Head) -> None:
            logits.append(head.logits(self._features(trunk, held, views=1)[0]))
            last[:] = [trunk]
            log.info("epoch %d of a fold: macro AUC %.4f", epoch, self.macro(logits[-1], held))

        fine_tune(self._lesson(train), self.steps, self.training.seed, after_epoch)
        distance = fit_distance(self._features(last[0], train, views=2), self.training.directions)
        distances = [distance.of(one) for one in self._features(last[0], held, views=2)]
        return np.stack(logits), np.stack(distances)

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


def rear_features(
    rear: Any, view: NDArray[np.float16], places: NDArray[np.int64], batch: int = 64
) -> NDArray[np.float32]:
    """Run what the front gave for some pictures through the rest of the trunk."""
    import tensorflow as tf  # noqa: PLC0415

    compute = tf.function(lambda given: rear(given, training=False), reduce_retracing=True)
    parts = [
        compute(tf.constant(np.asarray(view[places[start : start + batch]], np.float32))).numpy()
        for start in range(0, len(places), batch)
    ]
    return np.concatenate(parts)


def views_of(
    training: Training, steps: Steps, trunk: Weights, examples: Sequence[Example], out: Path
) -> list[NDArray[np.float16]]:
    """Return what the front gives for the clean pictures, then for one degradation per epoch.

    Kept in `out` in half precision, one file each, and mapped rather than read; a run that was stopped goes
    on with the next one. Each is `(pictures, rows, columns, channels)`.
    """
    architecture = architecture_named(training.architecture)
    front = architecture.build_front(training.input_side, steps.first_block)
    fill(front, trunk)
    extract = extractor(front, architecture, training.input_side)
    views: list[NDArray[np.float16]] = []
    for number in range(1 + steps.epochs):
        path = out / f"view{number}.npy"
        if not path.exists():
            planes = (
                degraded_planes(examples, training.degradation, training.seed, number - 1)
                if number
                else clean_planes(examples)
            )
            part = path.with_suffix(".part.npy")  # one that was stopped halfway is not taken for whole
            np.save(part, extract_all(extract, planes).astype(np.float16))
            part.replace(path)
            log.info("view %d of %d", number, steps.epochs)
        views.append(np.load(path, mmap_mode="r"))
    return views
