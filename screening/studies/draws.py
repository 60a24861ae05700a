"""Keyed draws: the same study is always drawn the same way, and nobody without the site's key can tell how."""

import hmac
from typing import Final

_BITS: Final = 53  # as many as a float holds exactly


def chance(key: str, purpose: str, *about: object) -> float:
    """A number from 0 up to but not 1, uniform over keys and subjects, and the same at every call.

    A subject is drawn with probability p where this is below p. Another purpose draws independently.

    Example:
        >>> chance("key", "sample", 1) == chance("key", "sample", 1)
        True
        >>> 0 <= chance("key", "second", 1) < 1
        True
    """
    text = "\n".join([purpose, *map(str, about)])
    digest = hmac.digest(key.encode(), text.encode(), "sha256")
    return float((int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / 2**_BITS)
