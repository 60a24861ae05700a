"""A body of `multipart/related` (RFC 2387), read as it arrives: never more of it in memory than a piece."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Final

from rest_framework.exceptions import ParseError, UnsupportedMediaType

PIECE: Final = 256 * 1024  # bytes read at a time
MOST_HEADERS: Final = 8 * 1024  # bytes of the headers of one part
BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046, 5.1.1


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """Split a media type into its name in lower case and its parameters.

    Example:
        >>> media_type('multipart/Related; type="application/dicom"')
        ('multipart/related', {'type': 'application/dicom'})
    """
    message = Message()
    message["content-type"] = header.replace("\r", " ").replace("\n", " ")
    parameters = {name.lower(): str(value) for name, value in (message.get_params(failobj=[]) or [])[1:]}
    return header.partition(";")[0].strip().lower(), parameters


def boundary_of(content_type: str, *, of: str) -> bytes:
    """Give the boundary of a request whose parts are of one type.

    Raises:
        UnsupportedMediaType: not `multipart/related`, or of parts of another type.
        ParseError: no boundary that the standard permits.
    """
    name, parameters = media_type(content_type)
    if name != "multipart/related" or parameters.get("type", of).lower() != of:
        raise UnsupportedMediaType(content_type[:100])
    boundary = parameters.get("boundary", "")
    if not BOUNDARY.fullmatch(boundary):
        raise ParseError("The header Content-Type names no boundary between the parts.")
    return boundary.encode()


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its headers by name in lower case, and its body, which has to be read before the next part."""

    headers: Mapping[str, str]
    pieces: Iterator[bytes]


def parts_of(read: Callable[[int], bytes], boundary: bytes) -> Iterator[Part]:
    """Give the parts of a body one after the other. What was left unread of one is passed over.

    Args:
        read: Gives at most so many bytes of the body, none at its end.
        boundary: As the header names it.

    Raises:
        ParseError: the body ends early, or is not built as the standard says.
    """
    body = _Body(read)
    delimiter = b"\r\n--" + boundary
    for _ in body.until(delimiter):
        pass  # the preamble means nothing
    while body.line_after_delimiter():
        part = Part(_headers(body), body.until(delimiter))
        yield part
        for _ in part.pieces:
            pass


class _Body:
    """Bytes that were read and not yet given out."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._held = bytearray(b"\r\n")  # so that a delimiter at the very start is found as any other

    def until(self, mark: bytes) -> Iterator[bytes]:
        """Give what comes before the mark in pieces, and pass over the mark."""
        while (at := self._held.find(mark)) < 0:
            # The mark may have begun in what is held: its length less one stays.
            if (sure := len(self._held) - len(mark) + 1) > 0:
                yield self._take(sure)
            self._more()
        if at:
            yield self._take(at)
        self._take(len(mark))

    def line_after_delimiter(self) -> bool:
        """Pass over the rest of a delimiter's line. False if it was the last."""
        while len(self._held) < 2:
            self._more()
        if self._held.startswith(b"--"):
            return False
        if self._take(self.find(b"\r\n", 256)).strip(b" \t"):
            raise ParseError("A part does not begin where its boundary ends.")
        return True  # the line's end stays: headers begin behind it

    def find(self, mark: bytes, most: int) -> int:
        """Where a mark is; it has to come within so many bytes."""
        while (at := self._held.find(mark)) < 0:
            if len(self._held) > most:
                raise ParseError("The headers of a part are too long.")
            self._more()
        return at

    def headers(self) -> bytes:
        """Give the block of headers, which ends with an empty line, and pass over both."""
        block = self._take(self.find(b"\r\n\r\n", MOST_HEADERS))
        self._take(4)
        return block

    def _take(self, count: int) -> bytes:
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    def _more(self) -> None:
        piece = self._read(PIECE)
        if not piece:
            raise ParseError("The body ends before its last boundary.")
        self._held += piece


def _headers(body: _Body) -> dict[str, str]:
    lines = body.headers().decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
