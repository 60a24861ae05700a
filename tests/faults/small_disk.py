"""A disk of the tests' own, small enough to fill.

python -m tests.faults.small_disk [--database] COMMAND...

mounts a file system of SMALL_DISK_MEBIBYTES (192) in memory and runs the command with TEST_SMALL_DISK naming it: all
that a test run keeps lies on it, or with --database only the database of SQLite, or the tables of a PostgreSQL that
`python -m tests.faults.database` makes. Needs root, on Linux.
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
    only_database = words[:1] == ["--database"]
    command = words[only_database:]
    size = os.environ.get("SMALL_DISK_MEBIBYTES", "192")
    place = tempfile.mkdtemp(prefix="s-")  # short: a socket's path ends at about 107 bytes
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=0755", "tmpfs", place], check=True)
    try:
        more = {"TEST_SQLITE_FOLDER": place} if only_database else {"TMPDIR": place}
        environment = {**os.environ, "TEST_SMALL_DISK": place, **more}
        return subprocess.run(command, check=False, env=environment).returncode
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
