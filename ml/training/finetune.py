"""Small steps on the later blocks of a trunk, begun from a linear head that already works.

The stem and the first blocks keep their weights, so what they give is computed once per picture and
degradation and kept; folds and epochs then cost a fraction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.models.architectures import Architecture
from ml.models.precision import computing_in
from ml.models.weights import Weights, fill, taken_from
from ml.training.augment import generator_for
from ml.training.board import Board
from ml.training.data import Example
from ml.training.head import Head
from ml.training.precision import SETTINGS, policy
from ml.training.progress import shown
from ml.training.state import load_state, save_state

AfterEpoch = Callable[[int, Weights, Head], None]


@dataclass(frozen=True, slots=True)
class Steps:
    """How a trunk is tuned. Fixed before training, so that nothing is chosen by it."""

    epochs: int = 10
    batch: int = 24
    rate: float = 2e-4  # largest learning rate; half a cosine down to a twentieth, after a short rise
    head_rate: float = 5.0  # times `rate`
    decay: float = 1e-4  # of the weights, apart from the gradient
    smoothing: float = 0.05  # of the labels
    average: float = 0.98  # of the exponential moving average of the weights, per step
    first_block: int = 5  # the stem and the blocks before this one keep their weights
    patience: int = 0  # epochs without a better out-of-fold figure before the number of epochs is settled; 0: all
    mixed_precision: str = "auto"  # auto: where a GPU computes bfloat16; on; off
    soup: int = 1  # tunings, each by another order, whose weights are averaged

    def __post_init__(self) -> None:
        if self.patience < 0 or self.mixed_precision not in SETTINGS:
            raise ValueError(f"patience is 0 or more, mixed_precision one of {', '.join(SETTINGS)}")
        if self.soup < 1 or (self.soup > 1 and self.patience):
            raise ValueError("soup is 1 or more, and 1 with patience: tunings that stop apart have no common mean")


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is tuned, from where, and on which pictures."""

    architecture: Architecture
    side: int  # input of the trunk, pixels
    trunk: Weights
    head: Head  # fitted on the trunk's frozen features
    views: Sequence[NDArray[np.float16]]  # each (pictures, rows, columns, channels): the front's output
    places: NDArray[np.int64]  # of the training pictures within each view
    examples: Sequence[Example]  # in the order of each view
    names: Sequence[str]  # labels in the order of the head


@dataclass(frozen=True, slots=True)
class Trail:
    """What a tuning leaves on its way."""

    name: str = "tuning"
    state: Path | None = None  # where it goes on from if it was stopped
    board: Board | None = None
    until: int | None = None  # the last epoch, if not all of `Steps.epochs`; the rates stay those of all


def fine_tune(
    lesson: Lesson, steps: Steps, seed: int, after_epoch: AfterEpoch, trail: Trail | None = None
) -> tuple[Weights, Head]:
    """Tune the later blocks and the head; hand the averaged weights over after each epoch.

    Every batch holds each pair of source and label equally often, so that no source is the easy answer.
    Epoch `e` sees view `e`; view 0, the clean one, is not trained on.

    Args:
        lesson: What is tuned.
        steps: Rates and epochs.
        seed: Decides the order.
        after_epoch: Called with the epoch (1 for the first), the whole trunk, and the head; not again for epochs
            that were finished before a stop.
        trail: Where state and curves are left.

    Returns:
        The trunk and the head after the last epoch.
    """
    import keras  # noqa: PLC0415 - TensorFlow

    trail = trail or Trail()
    keras.utils.set_random_seed(seed)
    with computing_in(policy(steps.mixed_precision)):
        student = _Student(lesson, steps)
    chosen = [lesson.examples[place] for place in lesson.places]
    truth = np.array([lesson.names.index(example.label) for example in lesson.examples])
    per_epoch = len(chosen) // steps.batch
    finished = load_state(trail.state, student.variables) if trail.state else 0
    last = trail.until or steps.epochs
    for epoch in range(finished + 1, last + 1):
        order = balanced_order(chosen, per_epoch * steps.batch, generator_for(seed, epoch))
        batches = lesson.places[order].reshape(per_epoch, steps.batch)
        losses = []
        for number, batch in enumerate(shown(batches, f"{trail.name}, epoch {epoch} of {last}", per_epoch)):
            done = ((epoch - 1) * per_epoch + number) / (steps.epochs * per_epoch)
            given = np.asarray(lesson.views[epoch][batch], np.float32)
            losses.append(student.step(given, truth[batch], steps.rate * _schedule(done)))
        after_epoch(epoch, *student.averaged())
        if trail.board:
            trail.board.note(trail.name, epoch, training_loss=float(np.mean(losses)))
        if trail.state:
            save_state(trail.state, epoch, student.variables)
    return student.averaged()


def balanced_order(examples: Sequence[Example], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw `count` places so that every pair of source and label comes equally often.

    Within a pair, no picture comes again before all others have come.
    """
    cells: dict[tuple[str, str], list[int]] = {}
    for place, example in enumerate(examples):
        cells.setdefault((example.source, example.label), []).append(place)
    each = -(-count // len(cells))
    columns = [
        np.concatenate([rng.permutation(cell) for _ in range(-(-each // len(cell)))])[:each]
        for _, cell in sorted(cells.items())
    ]
    return np.stack(columns, axis=1).reshape(-1)[:count].astype(np.int64)


def _schedule(done: float) -> float:
    rise = min(1.0, done / 0.05)
    return float(rise * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * done))))


class _Student:
    """The trunk and head being tuned, their optimiser and the running average of their weights."""

    def __init__(self, lesson: Lesson, steps: Steps) -> None:
        import keras  # noqa: PLC0415 - TensorFlow
        import tensorflow as tf  # noqa: PLC0415

        self._whole = lesson.trunk
        self._rear = lesson.architecture.build_rear(lesson.side, steps.first_block)
        fill(self._rear, lesson.trunk)
        self._kernel = tf.Variable(lesson.head.kernel.astype(np.float32))
        self._bias = tf.Variable(lesson.head.bias.astype(np.float32))
        variables = [*self._rear.trainable_variables, self._kernel, self._bias]
        self._shadow = [tf.Variable(variable) for variable in variables]
        optimizer = keras.optimizers.AdamW(1.0, weight_decay=steps.decay, global_clipnorm=1.0)
        head_optimizer = keras.optimizers.AdamW(1.0, weight_decay=steps.decay, global_clipnorm=1.0)
        loss_of = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=steps.smoothing)
        own, of_head = variables[:-2], variables[-2:]
        optimizer.build(own)
        head_optimizer.build(of_head)

        def step(given: Any, truth: Any, rate: Any) -> Any:
            with tf.GradientTape() as tape:
                features = tf.cast(self._rear(given, training=True), tf.float32)
                logits = tf.matmul(features, self._kernel) + self._bias
                loss = loss_of(tf.one_hot(truth, len(lesson.names)), logits)
            slopes = tape.gradient(loss, variables)
            optimizer.learning_rate.assign(rate)
            head_optimizer.learning_rate.assign(rate * steps.head_rate)
            optimizer.apply(slopes[:-2], own)
            head_optimizer.apply(slopes[-2:], of_head)
            for shadow, variable in zip(self._shadow, variables, strict=True):
                shadow.assign(shadow * steps.average + variable * (1 - steps.average))
            return loss

        self._variables = variables
        learned = {id(one) for one in variables}
        chance = [one for one in self._rear.variables if id(one) not in learned]  # seeds of dropout
        self.variables = [*variables, *self._shadow, *optimizer.variables, *head_optimizer.variables, *chance]
        self._step = tf.function(step)

    def step(self, given: NDArray[np.float32], truth: NDArray[np.int64], rate: float) -> float:
        import tensorflow as tf  # noqa: PLC0415

        return float(self._step(tf.constant(given), tf.constant(truth), tf.constant(rate, tf.float32)))

    def averaged(self) -> tuple[Weights, Head]:
        """Return the averaged weights, rounded as a bundle will store them."""
        now = [variable.numpy() for variable in self._variables]
        for variable, shadow in zip(self._variables, self._shadow, strict=True):
            variable.assign(shadow)
        rear = taken_from(self._rear)
        trunk = self._whole | {k: v.astype(np.float16).astype(np.float32) for k, v in rear.items()}
        head = Head(self._kernel.numpy().astype(np.float64), self._bias.numpy().astype(np.float64))
        for variable, value in zip(self._variables, now, strict=True):
            variable.assign(value)
        return trunk, head
