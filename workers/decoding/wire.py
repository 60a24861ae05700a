"""What is said between a worker and its decoding children: one JSON message after another on a socket."""

import json
import socket
import struct
from typing import Any, Final

LENGTH: Final = struct.Struct(">I")
LONGEST: Final = 64 * 1024 * 1024  # an answer beyond this is a broken child's
COMMAND: Final = struct.Struct(">cQ")  # to the server: SPAWN or KILL, and the number of a child
STATUS: Final = struct.Struct(">i")  # from the server: how a child ended, as os.waitstatus_to_exitcode says
SPAWN: Final = b"s"
KILL: Final = b"k"


class Gone(Exception):
    """The other side closed or broke the connection."""


def send(link: socket.socket, message: dict[str, Any]) -> None:
    """Send one message.

    Raises:
        Gone: nobody is at the other end.
    """
    body = json.dumps(message).encode()
    try:
        link.sendall(LENGTH.pack(len(body)) + body)
    except (BrokenPipeError, ConnectionResetError) as broken:
        raise Gone from broken


def receive(link: socket.socket) -> dict[str, Any]:
    """Wait for one message.

    Raises:
        Gone: the connection ended, or what came is no message.
        TimeoutError: as the socket's timeout says.
    """
    (length,) = LENGTH.unpack(_exactly(link, LENGTH.size))
    if length > LONGEST:
        raise Gone
    try:
        message = json.loads(_exactly(link, length))
    except ValueError as garbled:
        raise Gone from garbled
    if not isinstance(message, dict):
        raise Gone
    return message


def _exactly(link: socket.socket, count: int) -> bytes:
    parts, missing = [], count
    while missing:
        try:
            part = link.recv(missing)
        except ConnectionResetError as broken:
            raise Gone from broken
        if not part:
            raise Gone
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
