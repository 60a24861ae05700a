"""What a process loads for good: the garbage collector need not look through it again and again.

A full round of the collector looks at every object. Of a web process that is 0.1 s on a slow machine, during which none
of its threads answers. What is settled is left out of every later round, so nothing belongs there that is let go
again: models are loaded after it.
"""

import gc

__all__ = ["settle"]


def settle() -> None:
    """Clear away what is garbage now, and have the collector pass over all else that is in memory."""
    gc.collect()
    gc.freeze()
