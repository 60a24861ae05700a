"""Write many rows in few statements: rows that are new, and changed columns of rows that exist.

`bulk_create` asks every field of every row for its SQL, which took a third of the processor time of the commits of
ingest and inference. Here a statement is put together once for its columns, and values that both engines take as they
are go as they are; what needs converting is converted by its Django field.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

from django.db import connection, models

Row = TypeVar("Row", bound=models.Model)
Field: TypeAlias = "models.Field[Any, Any]"
AT_ONCE: Final = 500  # rows; both engines bound the parameters of a statement
AS_THEY_ARE: Final = (models.CharField, models.TextField, models.IntegerField, models.FloatField, models.BooleanField)
KEYS: Final = frozenset({UUID, type(None)})
PLAIN: Final = frozenset({str, int, float, bool, type(None)})  # exactly: a subclass may mean something else


def insert_rows(rows: Sequence[Row], *, unless_there: bool = False) -> None:
    """Insert rows whose keys are set or are numbered by the database, which are not read back.

    In the caller's transaction: thousands of rows take several statements.

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


def copy_rows(rows: Sequence[Row]) -> None:
    """Insert thousands of rows as `insert_rows` does: by COPY where the engine has it, which reads no statement."""
    if not rows or connection.vendor != "postgresql":
        return insert_rows(rows)
    meta = type(rows[0])._meta  # noqa: SLF001 - Django's public name for it
    fields: list[Field] = [field for field in meta.concrete_fields if field is not meta.auto_field]
    columns = ", ".join(_quoted(field.column) for field in fields)
    with connection.cursor() as cursor, cursor.copy(f"COPY {_quoted(meta.db_table)} ({columns}) FROM STDIN") as copy:
        for row in zip(*(_prepared(field, rows) for field in fields), strict=True):
            copy.write_row(row)
    return None


def write_columns(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Write `columns` of rows that exist and are locked by the caller's transaction.

    An upsert on the key: one statement for values that differ by row, where an UPDATE
    would need a CASE for each column and row.
    """
    if not rows:
        return
    meta = type(rows[0])._meta  # noqa: SLF001 - Django's public name for it
    written = [_quoted(field.column) for field in map(meta.get_field, columns) if isinstance(field, models.Field)]
    changes = ", ".join(f"{column} = EXCLUDED.{column}" for column in written)
    key = _quoted(meta.pk.column) if meta.pk else ""
    _insert(rows, list(meta.concrete_fields), f" ON CONFLICT ({key}) DO UPDATE SET {changes}")


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
    if isinstance(field, AS_THEY_ARE):
        return [value if type(value) in PLAIN else field.get_db_prep_save(value, connection) for value in values]
    if _holds_keys(field) and all(type(value) in KEYS for value in values):
        native = connection.features.has_native_uuid_field
        return values if native else [None if value is None else value.hex for value in values]
    if isinstance(field, models.DateTimeField) and all(map(_is_moment, values)):
        return values if connection.vendor == "postgresql" else list(map(_written_moment, values))
    return [field.get_db_prep_save(value, connection) for value in values]


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
