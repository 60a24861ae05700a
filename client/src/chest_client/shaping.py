"""JSON to dataclasses and back, by their annotations."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

from chest_client.errors import UnexpectedAnswer

T = TypeVar("T")
Plain = dict[str, Any]


def shaped(kind: type[T], data: object) -> T:
    """Build a dataclass from a JSON object. What the class does not name is left out.

    Raises:
        UnexpectedAnswer: a field is missing or of another type. The message names the field and no value.
    """
    if not isinstance(data, dict):
        raise UnexpectedAnswer(f"An object was expected for {kind.__name__}.")
    values = {}
    for name, (hint, required) in _fields(kind).items():  # type: ignore[arg-type] # a class can be hashed
        if name in data:
            values[name] = _value(hint, data[name], f"{kind.__name__}.{name}")
        elif required:
            raise UnexpectedAnswer(f"The answer lacks {kind.__name__}.{name}.")
    return kind(**values)


@cache
def _fields(kind: type) -> dict[str, tuple[Any, bool]]:
    assert is_dataclass(kind)
    hints = get_type_hints(kind)
    return {one.name: (hints[one.name], one.default is MISSING) for one in fields(kind)}


def _value(hint: Any, value: object, place: str) -> object:
    if isinstance(hint, types.UnionType):
        [inner] = [arm for arm in get_args(hint) if arm is not types.NoneType]
        return None if value is None else _value(inner, value, place)
    if get_origin(hint) in {tuple, Mapping}:
        return _several(hint, value, place)
    if is_dataclass(hint) and isinstance(hint, type):
        return shaped(hint, value)
    return _single(hint, value, place)


def _several(hint: Any, value: object, place: str) -> object:
    inner = get_args(hint)
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_value(inner[0], one, place) for one in value)
    if get_origin(hint) is Mapping and isinstance(value, dict):
        return {key: _value(inner[1], one, place) for key, one in value.items()}
    raise UnexpectedAnswer(f"{place} has an unexpected type.")


def _single(hint: Any, value: object, place: str) -> object:
    if hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    try:
        if hint is UUID and isinstance(value, str):
            return UUID(value)
        if hint is datetime and isinstance(value, str):
            return datetime.fromisoformat(value)
    except ValueError as error:
        raise UnexpectedAnswer(f"{place} cannot be read.") from error
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise UnexpectedAnswer(f"{place} has an unexpected type.")
    return value


def plain(value: object) -> Any:
    """Give a dataclass, or several, as JSON knows it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value
