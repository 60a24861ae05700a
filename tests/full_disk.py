"""A database without room, as the engine says it: on SQLite for this connection, on PostgreSQL for some tables."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, models

PAGE = 4096
REFUSE = """
CREATE OR REPLACE FUNCTION no_room() RETURNS trigger AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END
$$ LANGUAGE plpgsql
"""


@contextmanager
def database_without_room(*written: type[models.Model]) -> Iterator[None]:
    """Let the database refuse what needs room, until the body ends. `written` are the tables that the body fills."""
    tables = [model._meta.db_table for model in written]
    with _no_page_left() if connection.vendor == "sqlite" else _tables_refuse(tables):
        yield


@contextmanager
def _no_page_left() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0] + 1}")
        cursor.execute("CREATE TABLE ballast (what BLOB)")
        for size in (64 * PAGE, 8 * PAGE, PAGE // 2):  # what was freed by others is room, too
            _fill(size)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1073741823")
            cursor.execute("DROP TABLE ballast")


def _fill(size: int) -> None:
    with connection.cursor() as cursor:
        while True:
            try:
                cursor.execute("INSERT INTO ballast VALUES (zeroblob(%s))", [size])
            except OperationalError:
                return


@contextmanager
def _tables_refuse(tables: list[str]) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(REFUSE)
        for table in tables:
            cursor.execute(
                f"CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION no_room()"
            )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(f"DROP TRIGGER no_room ON {table}")
            cursor.execute("DROP FUNCTION no_room")
