"""How far two judges agree beyond chance, with nothing but the standard library.

A table holds, row by row, how often the first judge chose one category and the second another. Its cells are counts, or
sums of weights where cases stand for more than themselves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import TypeVar

from ml.statistics import clopper_pearson

Category = TypeVar("Category")
Table = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa with its interval."""

    value: float
    low: float
    high: float


def tally(pairs: Iterable[tuple[Category, Category]], categories: Sequence[Category]) -> list[list[int]]:
    """Count pairs of answers into a square table, in the order of `categories`.

    Raises:
        KeyError: an answer is none of the categories.
    """
    place = {category: number for number, category in enumerate(categories)}
    table = [[0] * len(categories) for _ in categories]
    for first, second in pairs:
        table[place[first]][place[second]] += 1
    return table


def kappa_value(table: Table) -> float | None:
    """Return Cohen's kappa of a table of counts or weights, without an interval.

    Returns:
        None where it is not defined: an empty table, or a judge who always gave the same answer.

    Source:
        Cohen, Educ Psychol Meas 1960; 20: 37-46.
    """
    total = _total(table)
    if total <= 0 or _is_constant(table):
        return None
    expected = _by_chance(table)
    return (_agreed(table) / total - expected) / (1 - expected)


def cohen_kappa(table: Table, confidence: float = 0.95) -> Kappa | None:
    """Return Cohen's kappa of a table of counts with its large-sample interval; the ends lie within -1 and 1.

    Where the two never differ, that interval would claim certainty: its lower end lets as large a part of the cases
    differ as the exact interval of 0 of them allows.

    Returns:
        None where kappa is not defined, see `kappa_value`.

    Source:
        Fleiss, Cohen and Everitt, Psychol Bull 1969; 72: 323-327, equation 13.

    Example:
        >>> cohen_kappa([[20, 5], [10, 15]]).value
        0.4
    """
    kappa = kappa_value(table)
    if kappa is None:
        return None
    total, size = _total(table), range(len(table))
    rows, columns = _margins(table)
    expected = _by_chance(table)
    if _agreed(table) == total:  # no variance to be seen: as many may differ as the exact interval of none allows
        return Kappa(kappa, max(-1.0, 1 - clopper_pearson(0, round(total), confidence).high / (1 - expected)), 1.0)
    diagonal = sum(table[i][i] / total * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in size)
    others = sum(table[i][j] / total * (columns[i] + rows[j]) ** 2 for i in size for j in size if i != j)
    centre = (kappa - expected * (1 - kappa)) ** 2
    variance = (diagonal + (1 - kappa) ** 2 * others - centre) / ((1 - expected) ** 2 * total)
    spread = NormalDist().inv_cdf(0.5 + confidence / 2) * sqrt(max(variance, 0.0))
    return Kappa(kappa, max(-1.0, kappa - spread), min(1.0, kappa + spread))


def raw_share(table: Table) -> float | None:
    """Return the part of the cases on which both chose the same; None for an empty table."""
    total = _total(table)
    return _agreed(table) / total if total > 0 else None


def specific_share(table: Table, place: int) -> float | None:
    """Return the agreement on one category: of all answers that were it, the part that both gave together.

    With two categories these are the positive and the negative agreement.

    Returns:
        None if neither judge ever chose the category.

    Source:
        Cicchetti and Feinstein, J Clin Epidemiol 1990; 43: 551-558.
    """
    given = sum(table[place]) + sum(row[place] for row in table)
    return 2 * table[place][place] / given if given > 0 else None


def _agreed(table: Table) -> float:
    return float(sum(table[i][i] for i in range(len(table))))


def _total(table: Table) -> float:
    return float(sum(sum(row) for row in table))


def _margins(table: Table) -> tuple[list[float], list[float]]:
    total = _total(table)
    return [sum(row) / total for row in table], [sum(row[i] for row in table) / total for i in range(len(table))]


def _by_chance(table: Table) -> float:
    rows, columns = _margins(table)
    return sum(row * column for row, column in zip(rows, columns, strict=True))


def _is_constant(table: Table) -> bool:
    return any(sum(part > 0 for part in margin) < 2 for margin in _margins(table))
