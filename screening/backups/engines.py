"""The database engine in use, by the four things that a backup needs of it."""

from pathlib import Path
from typing import Final, Protocol

from django.db import connection

from screening.backups import postgresql, sqlite
from screening.backups.snapshots import Snapshot


class Engine(Protocol):
    def ready(self) -> None: ...
    def dump(self, to: Path) -> Snapshot: ...
    def refuse_company(self) -> None: ...
    def load(self, dumped: Path) -> None: ...


ENGINES: Final[dict[str, Engine]] = {"sqlite": sqlite, "postgresql": postgresql}


def engine() -> Engine:
    """Give the engine of the configured database."""
    return ENGINES[connection.vendor]
