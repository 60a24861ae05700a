"""PostgreSQL: through its own client programs, which share one snapshot with our questions.

The password is in a file that only its owner reads: arguments are seen by everybody on the machine. Complaints of psql
are cut down to PostgreSQL's error code: their words can hold what stands in a row.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Final

from django.db import connection, transaction
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo
from psycopg.sql import SQL, Identifier

from screening.backups.errors import Refused
from screening.backups.snapshots import Snapshot, ask, read

PROGRAMS: Final = ("pg_dump", "pg_restore", "psql")
PSQL: Final = ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=sqlstate", "-f", "-")
# Written by pg_dump 17 and later, which take older servers; those do not know it.
NEWER_SETTINGS: Final = frozenset({b"SET transaction_timeout = 0;\n"})
OUR_TABLES: Final = """
    SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
"""
OUR_FUNCTIONS: Final = """
    SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
    AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
"""


def ready() -> None:
    """Find the client programs.

    Raises:
        Refused: one is missing.
    """
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise Refused(
            "client_missing",
            f"PostgreSQL's client programs are not on PATH: {', '.join(missing)}.",
            "Install them (Debian, Ubuntu: apt install postgresql-client), at least as new as the server.",
        )


def dump(to: Path) -> Snapshot:
    """Write a consistent copy of the database to an empty file, and say what it holds.

    Raises:
        Refused: pg_dump failed.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        name = cursor.fetchone()[0]
        options = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={name}", f"--file={to}")
        with _address() as dsn:
            done = subprocess.run(  # noqa: S603 - a program of PostgreSQL's, with words of ours
                [_program("pg_dump"), *options, f"--dbname={dsn}"], capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise _failed("not_dumped", "pg_dump", done.stderr)
        return read(ask)


def load(dumped: Path) -> None:
    """Put a dump in the place of all that the schema holds, wholly or not at all.

    Raises:
        Refused: pg_restore or psql failed; the database is what it was.
    """
    empty = _emptying()
    with _address() as dsn, tempfile.TemporaryFile() as complaints:
        connection.close()
        source = subprocess.Popen(  # noqa: S603 - see above
            [_program("pg_restore"), "--no-owner", "--no-privileges", "--file=-", str(dumped)],
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        sink = subprocess.Popen(  # noqa: S603 - see above
            [_program("psql"), *PSQL, f"--dbname={dsn}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
        )
        with source, sink:
            assert source.stdout is not None
            assert sink.stdin is not None
            with suppress(BrokenPipeError):  # psql ended: its status says so
                _feed(sink.stdin, chain([b"BEGIN;\n"], empty, known_settings(source.stdout)))
                # Without it nothing counts: neither a dump that ends halfway nor one that psql lost.
                if source.wait() == 0:
                    _feed(sink.stdin, [b"COMMIT;\n"])
            with suppress(BrokenPipeError):
                sink.stdin.close()
            source.stdout.close()
            failed = bool(source.wait() | sink.wait())
        if failed:
            complaints.seek(0)
            raise _failed("not_loaded", "pg_restore or psql", complaints.read().decode(errors="replace"))


def refuse_company() -> None:
    """Refuse to write over a database that others have open.

    Raises:
        Refused: somebody is connected to it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        others = cursor.fetchone()[0]
    if others:
        raise Refused(
            "service_runs",
            f"{others} other connections to this database are open.",
            "Stop web, workers and reconciler, and every other program that has it open.",
        )


def known_settings(script: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out settings that an older server does not know. They stand before the first table."""
    heading = True
    for line in script:
        heading = heading and not line.startswith(b"CREATE")
        if not (heading and line in NEWER_SETTINGS):
            yield line


def _feed(sink: IO[bytes], lines: Iterable[bytes]) -> None:
    for line in lines:
        sink.write(line)
    sink.flush()


def _emptying() -> list[bytes]:
    """Write the statements that drop every table and function of the schema in use, and of no extension."""
    lines = [
        SQL("DROP TABLE IF EXISTS {} CASCADE").format(Identifier(str(name))).as_string(None)
        for (name,) in ask(OUR_TABLES)
    ]
    lines += [f"DROP FUNCTION IF EXISTS {signature} CASCADE" for (signature,) in ask(OUR_FUNCTIONS)]
    return [f"{line};\n".encode() for line in lines]


@contextmanager
def _address() -> Iterator[str]:
    """Say to the client programs where the database is, with its password in a file.

    In the words of the settings: what the driver makes of them can hold words that older programs do not know.
    """
    words = {option.keyword.decode() for option in Conninfo.get_defaults()}
    given = {word: value for word, value in connection.get_connection_params().items() if word in words}
    password = given.pop("password", None)
    if not password:
        yield make_conninfo(**given)
        return
    with tempfile.NamedTemporaryFile("w", prefix="pgpass-") as file:  # 0600
        escaped = str(password).replace("\\", "\\\\").replace(":", "\\:")
        file.write(f"*:*:*:*:{escaped}\n")
        file.flush()
        yield make_conninfo(**given, passfile=file.name)


def _program(name: str) -> str:
    return shutil.which(name) or name


def _failed(code: str, program: str, complaint: str) -> Refused:
    lines = complaint.strip().splitlines()
    return Refused(
        code,
        f"{program} failed: {lines[-1] if lines else 'no reason given'}.",
        "The database is what it was. Compare the versions of server and client programs, and the rights of the role.",
    )
