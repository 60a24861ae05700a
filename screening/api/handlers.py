"""Files of a request go straight to incoming/, hashed as they arrive: never through memory, never twice."""

from typing import Any, Final

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest

from screening.errors import LimitExceeded
from screening.uploads.storage import Incoming, Stored, drop_incoming

MOST_FILES: Final = 50  # in one request
MOST_BYTES: Final = 16 * 1024 * 1024  # of all files in one request, unless there is only one
CHUNK: Final = 1024 * 1024
FIELD: Final = "file"


class StoredFile(UploadedFile):  # type: ignore[type-arg] # generic for type checkers only
    """A file of a request that lies under incoming/ already."""

    def __init__(self, stored: Stored) -> None:
        super().__init__(file=None, name=FIELD, size=stored.size)
        self.stored = stored

    def close(self) -> None:
        """Nothing is open: the bytes were written and closed as they came."""


class IncomingHandler(FileUploadHandler):
    """Write each file to incoming/. What nobody took by the end of the request is deleted by `abandon`."""

    chunk_size = CHUNK

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self._current: Incoming | None = None
        self._stored: list[Stored] = []
        self._bytes = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin a file.

        Raises:
            LimitExceeded: the request holds too many.
        """
        super().new_file(*args, **kwargs)
        if len(self._stored) == MOST_FILES:
            raise LimitExceeded(f"A request takes at most {MOST_FILES} files.")
        self._current = Incoming()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:  # noqa: ARG002 - the signature is Django's
        """Write a piece of the current file.

        Raises:
            LimitExceeded: the file, or the request, is larger than is accepted.
            StorageFull: no room.
        """
        if self._current is None:
            return
        self._bytes += len(raw_data)
        self._current.write(raw_data)
        most = settings.CONFIG.limits.file_bytes
        if self._current.size > most:
            raise LimitExceeded(f"A file may have at most {most} bytes.")
        if self._stored and self._bytes > MOST_BYTES:
            raise LimitExceeded(f"Several files of one request may have at most {MOST_BYTES} bytes together.")

    def file_complete(self, file_size: int) -> StoredFile | None:  # noqa: ARG002 - the signature is Django's
        """Make the current file durable."""
        if self._current is None:
            return None
        current, self._current = self._current, None
        try:
            stored = current.finish()
        except BaseException:
            current.discard()
            raise
        self._stored.append(stored)
        return StoredFile(stored)

    def take(self) -> None:
        """Leave the stored files to whoever asked for them."""
        self._stored = []

    def abandon(self) -> None:
        """Delete what was not taken, the file that was cut off included."""
        if self._current is not None:
            self._current.discard()
            self._current = None
        drop_incoming(stored.name for stored in self._stored)
        self._stored = []
