"""Write changed columns of many rows in one statement."""

from collections.abc import Sequence
from typing import Final, TypeVar

from django.db import models

Row = TypeVar("Row", bound=models.Model)
AT_ONCE: Final = 500  # rows; SQLite bounds the parameters of a statement


def write_columns(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Write `columns` of rows that exist and are locked by the caller's transaction.

    An upsert on the key: one statement for values that differ by row, where an UPDATE
    would need a CASE for each column and row.
    """
    if rows:
        type(rows[0])._default_manager.bulk_create(  # noqa: SLF001 - Django's public name for it
            rows, update_conflicts=True, unique_fields=["id"], update_fields=list(columns), batch_size=AT_ONCE
        )
