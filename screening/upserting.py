"""Write many rows in few statements: rows that are new, and changed columns of rows that exist.

`bulk_create` asks every field of every row for its SQL, which took a third of the processor time of the commits of
ingest and inference. Here a statement is put together once for its columns, and values that both engines take as they
are go as they are; what needs converting is converted by its Django field.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

from django.db import connection, models

Row = TypeVar("Row", bound=models.Model)
Field: TypeAlias = "models.Field[Any, Any]"
AT_ONCE: Final = 500  # rows of an INSERT; both engines bound the parameters of a statement
SOME: Final = 16  # rows, from which on a COPY is faster than one statement
AS_THEY_ARE: Final = (models.CharField, models.TextField, models.IntegerField, models.FloatField, models.BooleanField)
KEYS: Final = frozenset({UUID, type(None)})
PLAIN: Final = frozenset({str, int, float, bool, type(None)})  # exactly: a subclass may mean something else


def insert_rows(rows: Sequence[Row], *, unless_there: bool = False) -> None:
    """Insert rows whose keys are set or are numbered by the database, which are not read back.

    In the caller's transaction: thousands of rows take several statements where COPY is not to be had.

    Args:
        rows: Of one model.
        unless_there: Leave out those that break a unique constraint, where others come first.
    """
    if not rows:
        return
    meta = type(rows[0])._meta  # noqa: SLF001 - Django's public name for it
    fields: list[Field] = [field for field in meta.concrete_fields if field is not meta.auto_field]
    for field in fields:
        if getattr(field, "auto_now_add", False) or getattr(field, "auto_now", False):
            for row in rows:
                field.pre_save(row, True)
    if connection.vendor == "postgresql" and len(rows) >= SOME and not unless_there:
        _copy(rows, fields)
    else:
        _insert(rows, fields, " ON CONFLICT DO NOTHING" if unless_there else "")
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001 - as bulk_create leaves them


def insert_new(rows: Sequence[Row]) -> set[Any]:
    """Insert rows whose keys are set, but for those that are there. The keys of those that were not, where it says so.

    Both engines hold a row that they inserted until the transaction ends. The key is text: it comes back as it went.
    SQLite before 3.35 does not say which were inserted: none is named then.
    """
    if not connection.features.can_return_columns_from_insert:
        insert_rows(rows, unless_there=True)
        return set()
    meta = type(rows[0])._meta  # noqa: SLF001 - Django's public name for it
    if not isinstance(meta.pk, models.CharField):
        raise TypeError(f"The key of {meta.label} is not text.")
    returned = _insert(rows, list(meta.concrete_fields), f" ON CONFLICT DO NOTHING RETURNING {_quoted(meta.pk.column)}")
    return {key for (key,) in returned}


def _copy(rows: Sequence[Row], fields: Sequence[Field]) -> None:
    """Insert by COPY, of which the engine reads no statement; what it raises is raised as from any other."""
    table = _quoted(type(rows[0])._meta.db_table)  # noqa: SLF001 - Django's public name for it
    columns = ", ".join(_quoted(field.column) for field in fields)
    values = zip(*(_prepared(field, rows) for field in fields), strict=True)
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
    ):
        for row in values:
            copy.write_row(row)


def write_columns(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Write `columns` of rows that exist and are locked by the caller's transaction; of what else a row holds, nothing.

    Values differ by row: on SQLite one prepared UPDATE for each, on PostgreSQL one for all from arrays. No row stands
    twice among them; one that is gone meanwhile is passed over.
    """
    if not rows:
        return
    meta = type(rows[0])._meta  # noqa: SLF001 - Django's public name for it
    fields: list[Field] = [field for field in map(meta.get_field, columns) if isinstance(field, models.Field)]
    if meta.pk is None:
        raise TypeError(f"{meta.label} has no key.")
    update = _update_from_arrays if connection.vendor == "postgresql" else _update_each
    update(_quoted(meta.db_table), meta.pk, fields, rows)


def _update_each(table: str, key: Field, fields: Sequence[Field], rows: Sequence[Row]) -> None:
    changes = ", ".join(f"{_quoted(field.column)} = %s" for field in fields)
    values = list(zip(*(_prepared(field, rows) for field in (*fields, key)), strict=True))
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {table} SET {changes} WHERE {_quoted(key.column)} = %s", values)  # noqa: S608 - names of our own columns


def _update_from_arrays(table: str, key: Field, fields: Sequence[Field], rows: Sequence[Row]) -> None:
    every = [key, *fields]
    arrays = ", ".join(f"%s::{_type_of(field)}[]" for field in every)
    names = ", ".join(f"c{place}" for place in range(len(every)))
    changes = ", ".join(f"{_quoted(field.column)} = new.c{place}" for place, field in enumerate(fields, start=1))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {changes} FROM unnest({arrays}) AS new ({names}) "  # noqa: S608 - names of our own columns
            f"WHERE {table}.{_quoted(key.column)} = new.c0",
            [_prepared(field, rows) for field in every],
        )


def _type_of(field: Field) -> str:
    """The type of a column without its length: a value that is cast to one is cut off unsaid."""
    return str(field.rel_db_type(connection)).partition("(")[0]


def _insert(rows: Sequence[Row], fields: Sequence[Field], otherwise: str) -> list[tuple[Any, ...]]:
    """Insert, and give what the statement returns, if it asks for anything."""
    table = _quoted(type(rows[0])._meta.db_table)  # noqa: SLF001 - Django's public name for it
    columns = ", ".join(_quoted(field.column) for field in fields)
    one = f"({', '.join(['%s'] * len(fields))})"
    at_once = min(AT_ONCE, connection.ops.bulk_batch_size(fields, rows))
    returned: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        for start in range(0, len(rows), at_once):
            some = rows[start : start + at_once]
            by_column = [_prepared(field, some) for field in fields]
            values = [value for row in zip(*by_column, strict=True) for value in row]
            places = ", ".join([one] * len(some))
            cursor.execute(f"INSERT INTO {table} ({columns}) VALUES {places}{otherwise}", values)  # noqa: S608 - names of our own columns
            if cursor.description:
                returned += cursor.fetchall()
    return returned


def _prepared(field: Field, rows: Sequence[Row]) -> list[Any]:
    """Give one column's values as the engine takes them."""
    values = [getattr(row, field.attname) for row in rows]
    if isinstance(field, models.FloatField):
        values = [float(value) if type(value) is int else value for value in values]  # an array is of one type
    if isinstance(field, AS_THEY_ARE):
        return [value if type(value) in PLAIN else field.get_db_prep_save(value, connection) for value in values]
    if _holds_keys(field) and all(type(value) in KEYS for value in values):
        native = connection.features.has_native_uuid_field
        return values if native else [None if value is None else value.hex for value in values]
    if isinstance(field, models.DateTimeField) and all(map(_is_moment, values)):
        return values if connection.vendor == "postgresql" else list(map(_written_moment, values))
    if isinstance(field, models.JSONField):
        return _written_json(field, values)
    return [field.get_db_prep_save(value, connection) for value in values]


def _written_json(field: Field, values: Sequence[Any]) -> list[Any]:
    """As Django writes it. What rows share, such as the operating points of a site, is written once."""
    distinct = {id(value): value for value in values}
    if connection.vendor == "sqlite" and not any(type(value) is not dict for value in distinct.values()):
        written: dict[int, Any] = {key: json.dumps(value) for key, value in distinct.items()}
    else:
        written = {key: field.get_db_prep_save(value, connection) for key, value in distinct.items()}
    return [written[id(value)] for value in values]


def _is_moment(value: Any) -> bool:
    return value is None or (type(value) is datetime and value.tzinfo is UTC)


def _written_moment(value: datetime | None) -> str | None:
    """As Django writes it on SQLite, where a connection's time zone is UTC."""
    return None if value is None else str(value.replace(tzinfo=None))


def _holds_keys(field: Field) -> bool:
    """Whether a column is of UUIDs: its own, or those of the rows that it points at."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return isinstance(field, models.UUIDField)


def _quoted(name: str | None) -> str:
    return connection.ops.quote_name(name or "")
