"""TensorFlow and Keras are imported once, by one thread: two that import them at once each meet halves of modules."""

import importlib
import threading
from typing import Final

_IMPORTING: Final = threading.Lock()


def import_tensorflow() -> None:
    """Import both, or wait until another thread has. To be called before the first use by a process with threads."""
    with _IMPORTING:
        for name in ("tensorflow", "keras"):
            importlib.import_module(name)
