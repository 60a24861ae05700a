"""A large site in minutes: the rows of a seeded one, copied within the database under identifiers of their own."""

from datetime import timedelta
from math import ceil
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import DateTimeField, F, Field, Max, Min, Model

from screening.demo.drawn import BETWEEN_COMMITS
from screening.results.models import Screening
from screening.studies.models import Image, SiteChange, Study
from screening.uploads.models import Upload

MOST: Final = 239  # copies: each has two digits of its identifiers for itself
IDENTIFIERS: Final = frozenset({"id", "upload_id", "study_id", "image_id"})
NAMES: Final = frozenset(
    {"grouping", "external_id", "instance_uid", "idempotency_key"}
)  # unique in a site, and of any form
COPIED: Final[tuple[type[Model], ...]] = (Upload, Study, Image, Screening)


def multiplied(times: int) -> None:
    """Copy every upload, study, picture and result so many times; patients, items and models stay as they are.

    Every copy is as if the site had gone on: it comes after the one before, by its moments and its change numbers.

    Raises:
        ValueError: more copies than identifiers can tell apart.
    """
    if not 0 <= times <= MOST:
        raise ValueError(f"between 0 and {MOST} copies")
    if not times:
        return
    ends = Study.objects.aggregate(first=Min("completed_at"), last=Max("completed_at"))
    span = ceil((ends["last"] - ends["first"] + BETWEEN_COMMITS) / timedelta(seconds=1))
    changes = SiteChange.objects.aggregate(number=Max("number"))["number"]
    for model in COPIED:
        _copy(model, times, span, changes)
    SiteChange.objects.update(number=F("number") + changes * times)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:  # it left a log of its size, which no service ever has
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _copy(model: type[Model], times: int, span: int, changes: int) -> None:
    """Copy the rows of one table. What was there is set aside first: a copy is nothing to be copied again."""
    fields = model._meta.concrete_fields
    table, columns = model._meta.db_table, ", ".join(f'"{field.column}"' for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE TEMPORARY TABLE written AS SELECT * FROM "{table}"')
        for copy in range(1, times + 1):
            shown = ", ".join(_expression(field, copy, span, changes) for field in fields)
            with transaction.atomic():
                cursor.execute(f'INSERT INTO "{table}" ({columns}) SELECT {shown} FROM written', [])
        cursor.execute("DROP TABLE written")


def _expression(field: "Field[Any, Any]", copy: int, span: int, changes: int) -> str:
    """Write a column of a copy."""
    column = field.column
    if column in NAMES:
        return f"\"{column}\" || '-{copy}'"
    if column == "sha256":
        return f"substr(sha256, 1, 60) || '-{copy:03d}'"
    if column == "change_number":
        return f"change_number + {copy * changes}"
    if isinstance(field, DateTimeField):
        return _later(column, copy * span)
    return _own(column, copy) if column in IDENTIFIERS else f'"{column}"'


def _later(column: str, seconds: int) -> str:
    if connection.vendor == "postgresql":
        return f"\"{column}\" + interval '{seconds} seconds'"
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', \"{column}\", '+{seconds} seconds')"


def _own(column: str, copy: int) -> str:
    """Write an identifier of a copy. In random ones the 13th digit is a 4: another one there is nobody else's."""
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
