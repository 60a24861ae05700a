"""TensorFlow and Keras are imported once, by one thread: two that import them at once each meet halves of modules."""

import importlib
import sys
import threading
from collections.abc import Callable
from typing import Final

_IMPORTING: Final = threading.Lock()


def import_tensorflow(imported: Callable[[], None] = lambda: None) -> None:
    """Import both, or wait until another thread has. To be called before the first use by a process with threads.

    Args:
        imported: Called once both are there, by whoever imports them first.
    """
    with _IMPORTING:
        known = "keras" in sys.modules
        for name in ("tensorflow", "keras"):
            importlib.import_module(name)
        if not known:
            imported()
