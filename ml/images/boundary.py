"""The one place where whatever a third-party decoder raises becomes a refusal with a code."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ml.images.records import Unreadable

PYDICOM = logging.getLogger("pydicom")


@contextmanager
def silenced() -> Iterator[None]:
    """Keep warnings and pydicom's log lines to itself: they quote header values, names included."""
    was = PYDICOM.disabled
    PYDICOM.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        PYDICOM.disabled = was


@contextmanager
def decoding() -> Iterator[None]:
    """Turn every exception of the body into `Unreadable`; of its message nothing is kept.

    Pillow, pydicom and the codecs raise ten and more types on damaged files, and their messages
    may quote header values.
    """
    try:
        with silenced():
            yield
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable("decoder_limit", cause="MemoryError") from None
    except Exception as damage:  # noqa: BLE001 - see above; defects of our own surface through `cause`
        cut = isinstance(damage, EOFError) or "truncated" in str(damage).lower()
        raise Unreadable("truncated" if cut else "unreadable", cause=type(damage).__name__) from None
