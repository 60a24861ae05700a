"""Django's engine for SQLite, but for how a transaction waits until another has written, and for its clock.

SQLite lets one write at a time, and who finds it taken sleeps longer and longer, up to 100 ms, while those who came
later find it free: beside workers that write all the time, the few short transactions of an urgent file waited for
seconds. Here who waits looks every few milliseconds, and gives up after as long as before.
"""

import sqlite3
import time
from typing import Any, Final

from django.db.backends.sqlite3 import base
from django.db.backends.utils import debug_transaction

from screening.sqlite.clock import moment

__all__ = ["DatabaseWrapper"]

STORED: Final = "%Y-%m-%d %H:%M:%S.%f"  # as Django writes a moment, so that the two compare
LOOK_SECONDS: Final = 0.002
TAKEN: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def _is_taken(code: int) -> bool:
    """Whether waiting helps. A code's last byte is its kind; the rest says why, as while a log is recovered."""
    return code & 0xFF in TAKEN and code != sqlite3.SQLITE_BUSY_SNAPSHOT


class DatabaseWrapper(base.DatabaseWrapper):
    """One connection. Its transactions begin by taking the turn to write; SHARED_NOW() is the file's own clock."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect, and teach the connection the time."""
        made = super().get_new_connection(conn_params)
        made.create_function("SHARED_NOW", 0, self._shared_now)
        return made

    def _shared_now(self) -> str:
        return f"{moment(str(self.settings_dict['NAME'])):{STORED}}"

    def _start_transaction_under_autocommit(self) -> None:
        self.validate_thread_sharing()
        seconds = float(self.settings_dict["OPTIONS"].get("timeout", 5.0))
        begin = f"BEGIN {self.transaction_mode or 'DEFERRED'}"  # type: ignore[attr-defined] # unknown to the stubs
        with debug_transaction(self, begin), self.wrap_database_errors:
            self.connection.execute("PRAGMA busy_timeout = 0")
            try:
                self._take_turn(begin, time.monotonic() + seconds)
            finally:
                self.connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    def _take_turn(self, begin: str, deadline: float) -> None:
        while True:
            try:
                self.connection.execute(begin)
            except sqlite3.OperationalError as error:
                if not _is_taken(error.sqlite_errorcode) or time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_SECONDS)
            else:
                return
