"""A time of day of its own for one process, by Debian's libfaketime; what the kernel counts stays as it is."""

from pathlib import Path

import pytest

PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1")


def time_of_day(off: str = "", file: Path | None = None) -> dict[str, str]:
    """Build the variables of a process whose clock is off by so much, or as a file says each time that it is asked."""
    found = [place for pattern in PLACES for place in Path("/").glob(pattern.removeprefix("/"))]
    if not found:
        pytest.skip("needs libfaketime: apt install faketime")
    usual = {"LD_PRELOAD": str(found[0]), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    return usual | ({"FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1"} if file else {"FAKETIME": off})
