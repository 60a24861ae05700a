"""In which precision a trunk is tuned."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SETTINGS: Final = ("auto", "on", "off")
MIXED: Final = "mixed_bfloat16"  # the range of single precision: no loss has to be scaled
SINGLE: Final = "float32"
ENOUGH: Final = (8, 0)  # compute capability of the first NVIDIA GPUs with bfloat16 in hardware


def policy(setting: str) -> str:
    """Return the name of Keras's policy: `auto` is mixed on GPUs that compute bfloat16, single elsewhere.

    Weights, their averages and the loss stay in single precision either way, and so does everything that is
    computed after tuning.
    """
    if setting == "auto":
        return MIXED if _has_hardware() else SINGLE
    return MIXED if setting == "on" else SINGLE


@contextmanager
def computing_in(name: str) -> Iterator[None]:
    """Let the layers that are made within compute by a policy."""
    import keras  # noqa: PLC0415 - TensorFlow

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _has_hardware() -> bool:
    import tensorflow as tf  # noqa: PLC0415

    devices = tf.config.list_physical_devices("GPU")
    told = [tf.config.experimental.get_device_details(one).get("compute_capability") for one in devices]
    return bool(told) and all(one is not None and one >= ENOUGH for one in told)
