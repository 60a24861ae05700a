"""A PostgreSQL of the tests' own, which they may stop at once and start again.

python -m tests.faults.database COMMAND...

makes a cluster in a temporary folder, runs the command with TEST_DATABASE_URL and TEST_POSTGRES_DATA naming it, and
throws it away. Tables go to the disk that TEST_SMALL_DISK names, the log of what is written to that of TEST_SMALL_LOG;
MAX_CONNECTIONS bounds who is let in. Needs PostgreSQL's server programs; as root it runs them as the user `postgres`.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from django.db import Error, connections

USER = "postgres"
T = TypeVar("T")


def program(name: str) -> str:
    """Where a server program lies: Debian keeps them off the PATH. Empty if there is none."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(places[-1]) if places else "")


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def run(*words: str) -> None:
    as_user = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
    subprocess.run([*as_user, *words], check=True, stdout=subprocess.DEVNULL, cwd="/")


def control(data: str, *words: str) -> None:
    run(program("pg_ctl"), "-D", data, "-w", "-s", "-l", f"{data}/log", *words)


def stop_and_start(data: str) -> None:
    """End every backend at once, without a checkpoint, as when the machine loses power; then recover."""
    control(data, "stop", "-m", "immediate")
    control(data, "start")


def patient(ask: Callable[[], T], last: T) -> T:
    """What a question to the database gives, or the last answer while nobody is there."""
    try:
        return ask()
    except Error:
        connections.close_all()
        return last


def folder_on(disk: str, name: str) -> Path:
    place = Path(disk, name)
    place.mkdir()
    if os.geteuid() == 0:
        shutil.chown(place, USER, USER)
    return place


def put_tables_on(disk: str, data: str, port: int) -> None:
    """Keep every table on a disk of its own; the log of what is written stays where it is."""
    place = folder_on(disk, "tables")
    ask = (program("psql"), "-h", "127.0.0.1", "-p", str(port), "-U", USER, "-q", "-c")
    run(*ask, f"CREATE TABLESPACE small LOCATION '{place}'")
    run(*ask, "ALTER SYSTEM SET default_tablespace = 'small'")
    control(data, "reload")


def main(command: list[str]) -> int:
    if not program("initdb"):
        sys.exit("PostgreSQL's server programs are not installed: apt install postgresql")
    data, port = tempfile.mkdtemp(prefix="pg-"), free_port()
    if os.geteuid() == 0:
        shutil.chown(data, USER, USER)
    try:
        log = os.environ.get("TEST_SMALL_LOG")
        apart = [f"--waldir={folder_on(log, 'log')}", "--wal-segsize=1"] if log else []
        run(program("initdb"), "-D", data, "-U", USER, "--auth=trust", "-E", "UTF8", "--no-instructions", *apart)
        with Path(data, "postgresql.conf").open("a") as settings:
            if log:
                settings.write("min_wal_size=4MB\nmax_wal_size=16MB\n")
            settings.write(f"port={port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories='{data}'\n")
            settings.write(f"max_connections={os.environ.get('MAX_CONNECTIONS', '100')}\n")
        control(data, "start")
        if small := os.environ.get("TEST_SMALL_DISK"):
            put_tables_on(small, data, port)
        url = f"postgres://{USER}@127.0.0.1:{port}/screening"
        return subprocess.run(
            command, check=False, env={**os.environ, "TEST_DATABASE_URL": url, "TEST_POSTGRES_DATA": data}
        ).returncode
    finally:
        control(data, "stop", "-m", "immediate")
        shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
