"""One supervisor for one state folder."""

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from workers.supervisor.errors import CannotStart


class OnlyOne:
    """Hold the state folder, or refuse and say who holds it. The kernel lets go when the holder dies."""

    def __init__(self, path: Path, *, address: str) -> None:
        self._path = path
        self._address = address
        self._file = -1

    def __enter__(self) -> Self:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = self._holder()
            os.close(self._file)
            raise CannotStart(
                "already_running",
                f"The service of this checkout is already running {holder}.",
                "Use that one, or end it first.",
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps({"process": os.getpid(), "address": self._address}).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.ftruncate(self._file, 0)
        os.close(self._file)

    def _holder(self) -> str:
        try:
            told = json.loads(os.pread(self._file, 4000, 0))
        except json.JSONDecodeError:
            return "and has not said where yet"
        return f"at {told['address']} (process {told['process']})"
