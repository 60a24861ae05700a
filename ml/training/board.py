"""Curves of a run for TensorBoard, written with TensorFlow alone: `tensorboard --logdir RUN/board`."""

from pathlib import Path
from typing import Any, Final

PLUGIN: Final = "scalars"


class Board:
    """A folder of curves. Each curve has a name; each run of curves (a fold, the final tuning) a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def note(self, curves: str, step: int, **values: float) -> None:
        """Write one point of each curve, so that it is on disk when this returns."""
        import tensorflow as tf  # noqa: PLC0415

        metadata = tf.compat.v1.SummaryMetadata()
        metadata.plugin_data.plugin_name = PLUGIN
        writer: Any = tf.summary.create_file_writer(str(self.folder / curves), filename_suffix=f".{step:06d}")
        with writer.as_default():
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step=step, metadata=metadata)
        writer.close()
