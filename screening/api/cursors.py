"""Where a client is in a list: opaque text that names the last row it has."""

import base64
import binascii
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from screening.outbox.models import Delivery
from screening.uploads.models import Upload

Row = TypeVar("Row", Upload, Delivery)


def encode(*parts: object) -> str:
    """Give a cursor for these values."""
    text = " ".join(part.isoformat() if isinstance(part, datetime) else str(part) for part in parts)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str) -> list[str]:
    """Give the values of a cursor.

    Raises:
        ValidationError: it is none of ours.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True).decode("ascii").split(" ")
    except (UnicodeError, binascii.Error) as error:
        raise unknown_cursor() from error


def unknown_cursor() -> ValidationError:
    return ValidationError({"cursor": ["This is no cursor of an earlier answer."]})


def newest_first(found: QuerySet[Row], cursor: str | None, size: int) -> tuple[list[Row], str | None]:
    """Give the page after the cursor, and the cursor of the next one if there is one."""
    if cursor:
        found = found.filter(_older(cursor))
    rows = list(found[: size + 1])
    page = rows[:size]
    return page, encode(page[-1].created_at, page[-1].pk) if len(rows) > size else None


def _older(cursor: str) -> Q:
    try:
        moment, key = decode(cursor)
        at, pk = parse_datetime(moment), UUID(key)
    except ValueError as error:
        raise unknown_cursor() from error
    if at is None or at.tzinfo is None:
        raise unknown_cursor()
    return Q(created_at__lt=at) | Q(created_at=at, pk__lt=pk)


def uuid_of(text: str | None, *, field: str) -> UUID | None:
    """Read an identifier of the query.

    Raises:
        ValidationError: it is none.
    """
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError as error:
        raise ValidationError({field: ["Must be a valid UUID."]}) from error


def short_header(request: Request, name: str, longest: int) -> str | None:
    """Read a header.

    Raises:
        ValidationError: it is too long.
    """
    value = request.headers.get(name)
    if value and len(value) > longest:
        raise ValidationError({name: [f"At most {longest} characters."]})
    return value or None
