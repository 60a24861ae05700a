"""A large site in minutes: the rows of a seeded one, copied within the database under identifiers of their own."""

from typing import Final

from django.db import connection, transaction
from django.db.models import Model

from screening.results.models import Screening
from screening.studies.models import Image, Study

MOST: Final = 239  # copies: each has two digits of its identifiers for itself
IDENTIFIERS: Final = frozenset({"id", "study_id", "image_id"})
NAMES: Final = frozenset({"grouping", "external_id", "instance_uid"})  # unique in a site, and of any form


def multiplied(times: int) -> None:
    """Copy every study, picture and result so many times; patients, uploads and models stay as they are.

    Raises:
        ValueError: more copies than identifiers can tell apart.
    """
    if not 0 <= times <= MOST:
        raise ValueError(f"between 0 and {MOST} copies")
    with transaction.atomic(), connection.cursor() as cursor:
        for model, last in ((Study, _last(Study)), (Image, _last(Image)), (Screening, _last(Screening))):
            for copy in range(1, times + 1):
                cursor.execute(_statement(model, copy, last), [])
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:  # one transaction left a log of its size, which no service ever has
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _last(model: type[Model]) -> int:
    """Where the rows end that are copied, in the order in which they were written: a number of SQLite, else a count."""
    if connection.vendor == "postgresql":
        return model._default_manager.count()
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT max(rowid) FROM "{model._meta.db_table}"')
        return int(cursor.fetchone()[0] or 0)


def _statement(model: type[Model], copy: int, last: int) -> str:
    columns = [field.column for field in model._meta.concrete_fields]
    table = model._meta.db_table
    told = ", ".join(f'"{column}"' for column in columns)
    shown = ", ".join(_expression(column, copy) for column in columns)
    rows = f'"{table}" WHERE rowid <= {last}'
    if connection.vendor == "postgresql":
        rows = f'(SELECT * FROM "{table}" ORDER BY ctid LIMIT {last}) written'
    return f'INSERT INTO "{table}" ({told}) SELECT {shown} FROM {rows}'


def _expression(column: str, copy: int) -> str:
    """A column of a copy. In random identifiers the 13th digit is a 4: another one there is nobody else's."""
    if column in NAMES:
        return f"\"{column}\" || '-{copy}'"
    if column == "sha256":
        return f"substr(sha256, 1, 60) || '-{copy:03d}'"
    if column not in IDENTIFIERS:
        return f'"{column}"'
    first, second = "012356789abcdef"[copy % 15], f"{copy // 15:x}"
    if connection.vendor == "postgresql":
        marked = f"overlay(\"{column}\"::text placing '{first}' from 15 for 1)"
        return f"overlay({marked} placing '{second}' from 20 for 1)::uuid"
    parts = (
        f'substr("{column}", 1, 12)',
        f"'{first}'",
        f'substr("{column}", 14, 3)',
        f"'{second}'",
        f'substr("{column}", 18)',
    )
    return " || ".join(parts)
