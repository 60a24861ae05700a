"""A disk of the tests' own, small enough to fill.

python -m tests.faults.small_disk [--database | --log] COMMAND...

mounts a file system of SMALL_DISK_MEBIBYTES (192) in memory and runs the command with TEST_SMALL_DISK naming it: all
that a test run keeps lies on it, or with --database only the database of SQLite, or the tables of a PostgreSQL that
`python -m tests.faults.database` makes. With --log it is TEST_SMALL_LOG, on which that PostgreSQL keeps its log of what
is written, and nothing else. Needs root, on Linux.
"""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEBIBYTE = 1024 * 1024


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Leave no room on a disk until the body ends."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (MEBIBYTE, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    try:
        yield
    finally:
        ballast.unlink()


def main(words: list[str]) -> int:
    only = words[0] if words[:1] in (["--database"], ["--log"]) else ""
    command = words[bool(only) :]
    size = os.environ.get("SMALL_DISK_MEBIBYTES", "192")
    place = tempfile.mkdtemp(prefix="s-")  # short: a socket's path ends at about 107 bytes
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=0755", "tmpfs", place], check=True)
    try:
        named = {
            "": {"TEST_SMALL_DISK": place, "TMPDIR": place},
            "--database": {"TEST_SMALL_DISK": place, "TEST_SQLITE_FOLDER": place},
            "--log": {"TEST_SMALL_LOG": place},
        }
        environment = {**os.environ, **named[only]}
        return subprocess.run(command, check=False, env=environment).returncode
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
