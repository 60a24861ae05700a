"""Several questions of one shape in one statement: each costs a way to the database and back."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet, Value

Rows = QuerySet[Any, tuple[Any, ...]]


def together(questions: Sequence[Rows]) -> list[list[tuple[Any, ...]]]:
    """Answer questions for the same columns, in their order.

    One statement on PostgreSQL. SQLite knows no limits inside a union, and has no way to go: there it is one each.
    """
    if len(questions) < 2 or not connection.features.supports_slicing_ordering_in_compound:
        return [list(question) for question in questions]
    first, *others = (question.annotate(question=Value(place)) for place, question in enumerate(questions))
    answers: list[list[tuple[Any, ...]]] = [[] for _ in questions]
    for *row, place in first.union(*others, all=True):
        answers[place].append(tuple(row))
    return answers
