"""What a web process does without: packages that others import where they find them, and that nothing here uses.

The API's framework looks for an HTTP client, a second template engine and PostgreSQL's column types as it is imported.
Without them each web process is 15 MiB smaller; on PostgreSQL the driver is there all the same.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["UNUSED", "absent"]

UNUSED: Final = ("django.contrib.postgres", "jinja2", "requests")


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Let packages look as if they were not installed, unless they are imported already."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None is how the import system is told
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
