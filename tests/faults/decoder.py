"""The server of decoding children with decoders that poison kills: each kind as a broken library would die of it.

`POISON-<kind>` within the first kilobytes of a file: segfault, memory, hang. A bomb needs no help.
"""

import ctypes
import re
from pathlib import Path
from typing import Any

from workers.decoding import child, server

READ = 4096


def poison_of(content: bytes) -> str:
    found = re.search(rb"POISON-([a-z]+)", content[:READ])
    return found[1].decode() if found else ""


def _process(request: dict[str, Any]) -> dict[str, Any]:
    with Path(request["source"]).open("rb") as file:
        kind = poison_of(file.read(READ))
    if kind == "segfault":
        ctypes.string_at(0)
    held = []
    while kind == "memory":
        held.append(bytearray(64 * 1024 * 1024))
    while kind == "hang":
        pass
    return _ours(request)


_ours = child._DO["process"]

if __name__ == "__main__":
    child._DO["process"] = _process
    server.main()
