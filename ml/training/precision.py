"""In which precision a trunk is tuned."""

from typing import Final

from ml.models.precision import MIXED, SINGLE, gpu_has_bf16

SETTINGS: Final = ("auto", "on", "off")


def policy(setting: str) -> str:
    """Return the name of Keras's policy: `auto` is mixed on GPUs that compute bfloat16, single elsewhere.

    Weights, their averages and the loss stay in single precision either way, and so does everything that is
    computed after tuning.
    """
    if setting == "auto":
        return MIXED if gpu_has_bf16() else SINGLE
    return MIXED if setting == "on" else SINGLE
