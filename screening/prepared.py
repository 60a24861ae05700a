"""Questions that are put into SQL once, and asked again and again with other values.

Django writes the SQL of a question anew whenever it is asked, which took a page of a list more of the processor's time
than all the rows that came back. Where one question differs from the next in nothing but values, what was written is
kept, and the values are put in. Of an answer nothing is kept: the database is asked every time.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Generic, TypeAlias, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

Row_co = TypeVar("Row_co", covariant=True)
Value: TypeAlias = UUID | int
Values: TypeAlias = Value | Sequence[UUID]
Shape: TypeAlias = tuple[type[Value] | int, ...]  # of each value its type, of a list how long it is
SHAPES: Final = 64  # of one question that are kept: a longer list is other SQL
FIRST: Final = 2_000_000_000  # of the marks that stand for values: above every key, and within what a column holds


@dataclass(frozen=True, slots=True)
class Written(Generic[Row_co]):
    """A question in SQL, and which of its parameters are values."""

    question: QuerySet[Any, Row_co]
    compiler: Any
    sql: str
    params: tuple[Any, ...]
    places: tuple[tuple[int, int], ...]  # of a parameter, and of the value that belongs there

    def ask(self, values: Sequence[Value]) -> list[Row_co]:
        """Ask the database with these values."""
        params = list(self.params)
        for place, which in self.places:
            params[place] = _parameter(values[which])
        compiler, asked = copy(self.compiler), self.question.all()
        vars(compiler)["as_sql"] = lambda: (self.sql, params)
        vars(asked.query)["get_compiler"] = lambda *_args, **_named: compiler
        return list(asked)


class Prepared(Generic[Row_co]):
    """A question with open values. Called with values, it gives the rows."""

    def __init__(self, question: Callable[..., QuerySet[Any, Row_co]]) -> None:
        """Keep a question.

        Args:
            question: Gives the query set for keys, numbers and lists of keys. It may do nothing with them but compare
                them with columns, and hold no moment, which would be that of its first asking.
        """
        self._question = question
        self._written = lru_cache(maxsize=SHAPES)(self._write)

    def __call__(self, *values: Values) -> list[Row_co]:
        shape: Shape = tuple(len(value) if isinstance(value, Sequence) else type(value) for value in values)
        if 0 in shape:  # Django knows without asking what follows from a list of nothing
            return list(self._question(*values))
        return self._written(shape).ask(_flat(values))

    def _write(self, shape: Shape) -> Written[Row_co]:
        """Write the SQL, with marks in the places of the values, and find them in it."""
        marks: list[Values] = []
        for kind in shape:
            start = FIRST + len(_flat(marks))
            marks.append(_mark(kind, start) if isinstance(kind, type) else [UUID(int=start + n) for n in range(kind)])
        question = self._question(*marks)
        compiler = question.query.get_compiler(connection=connection)  # which is that of whichever thread asks
        sql, params = compiler.as_sql()
        known = {_parameter(mark): which for which, mark in enumerate(_flat(marks))}
        places = tuple((place, known[given]) for place, given in enumerate(params) if given in known)
        again = self._question(*marks).query.get_compiler(connection=connection).as_sql()
        if repr(again) != repr((sql, params)):  # what wraps a value, such as JSON, is equal to nothing else
            raise TypeError("A question that is kept may hold nothing that changes, such as the time of its asking.")
        if {which for _place, which in places} != set(known.values()):
            raise TypeError("A value is not a parameter of the question as it was given.")
        return Written(question, compiler, sql, tuple(params), places)


def _mark(kind: type[Value], number: int) -> Value:
    return UUID(int=number) if kind is UUID else number


def _flat(values: Sequence[Values]) -> list[Value]:
    return [each for value in values for each in (value if isinstance(value, Sequence) else (value,))]


def _parameter(value: Value) -> Value | str:
    """The value as Django hands it to the engine."""
    return value.hex if isinstance(value, UUID) and not connection.features.has_native_uuid_field else value
