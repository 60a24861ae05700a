"""In which precision a trunk computes, and where the hardware has more than one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FP32: Final = "fp32"
BF16: Final = "bf16"
SINGLE: Final = "float32"
MIXED: Final = "mixed_bfloat16"  # the range of single precision: no loss has to be scaled
POLICIES: Final = {FP32: SINGLE, BF16: MIXED}  # Keras's names
ENOUGH: Final = (8, 0)  # compute capability of the first NVIDIA GPUs with bfloat16 in hardware
FLAGS: Final = frozenset({"avx512_bf16", "amx_bf16"})  # of processors that multiply in bfloat16
PROCESSORS: Final = Path("/proc/cpuinfo")


@contextmanager
def computing_in(policy: str) -> Iterator[None]:
    """Let the layers that are made within compute by a policy of Keras."""
    import keras  # noqa: PLC0415 - TensorFlow

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def gpu_has_bf16() -> bool:
    """Whether TensorFlow sees GPUs, and each computes bfloat16 in hardware."""
    import tensorflow as tf  # noqa: PLC0415

    devices = tf.config.list_physical_devices("GPU")
    told = [tf.config.experimental.get_device_details(one).get("compute_capability") for one in devices]
    return bool(told) and all(one is not None and one >= ENOUGH for one in told)


def gpu_names() -> list[str]:
    """Name the GPUs that TensorFlow sees."""
    import tensorflow as tf  # noqa: PLC0415

    devices = tf.config.list_physical_devices("GPU")
    return [str(tf.config.experimental.get_device_details(one).get("device_name", one.name)) for one in devices]


def processor_has_bf16(told: Path = PROCESSORS) -> bool:
    """Whether the processor multiplies in bfloat16, as far as the system tells (Linux)."""
    return bool(FLAGS & processor_flags(told))


def processor_flags(told: Path = PROCESSORS) -> frozenset[str]:
    """Read the flags of the first processor; none where the system does not tell."""
    try:
        lines = told.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())
