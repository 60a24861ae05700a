"""The order of reading: what it promises, on lists made by hand and on simulated days."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from screening.review.order import Line, Place, read_order
from tests.review.order_simulation import LOADS, SHIPPED, TIGHT, simulate

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def due(*hours: float) -> list[Place]:
    return [Place(NOW + timedelta(hours=one), 0.5, UUID(int=place)) for place, one in enumerate(hours)]


def lines(urgent: list[Place], rest: list[Place], last: Line | None = None) -> str:
    return "".join(stop.line[0] for stop in read_order(urgent, rest, now=NOW, last=last))


def test_flagged_studies_come_first_while_nothing_of_the_rest_is_overdue():
    assert lines(due(1, 2, 3), due(0.1, 5)) == "uuurr"


def test_overdue_and_flagged_studies_take_turns_until_one_kind_is_used_up():
    assert lines(due(1, 2, 3, 4), due(-9, -5, 8)) == "ururuur"
    assert lines(due(1), due(-9, -5, -1, 8)) == "urrrr"


@pytest.mark.parametrize(("last", "first"), [(None, "u"), (Line.REST, "u"), (Line.URGENT, "r")])
def test_the_turn_goes_on_from_the_study_that_was_read_last(last, first):
    assert lines(due(1, 2), due(-1, -0.5), last)[0] == first


def test_flagged_studies_that_are_overdue_themselves_lose_nothing_by_it():
    assert lines(due(-3, -2), due(-9, 1)) == "urur"


def test_a_study_that_is_due_now_is_overdue():
    assert lines(due(1, 2), due(0)) == "uru"


def test_every_study_comes_once_and_each_line_in_its_own_order():
    urgent, rest = due(-2, 1, 4), due(-7, -6, -5, 3)

    stops = list(read_order(urgent, rest, now=NOW))

    assert [stop.place for stop in stops if stop.line == Line.URGENT] == urgent
    assert [stop.place for stop in stops if stop.line == Line.REST] == rest


def test_whoever_wants_one_study_takes_no_more_than_one_of_each_line():
    taken = []

    def line(name: str):
        for place in due(-1, -2):
            taken.append(name)
            yield place

    next(read_order(line("u"), line("r"), now=NOW))

    assert taken == ["u", "r"]


@pytest.mark.parametrize(
    ("load", "limits"),
    [*((load, SHIPPED) for load in LOADS), *((load, TIGHT) for load in LOADS[2:])],  # below, tight limits hold too
)
def test_flagged_studies_wait_less_and_the_rest_hardly_longer_than_first_come_first_served(load, limits):
    found = simulate(load, limits)

    assert found.flagged_mean["order"] <= (0.6 if load > 1 else 0.3)
    if load < 1:
        assert found.rest_longest["order"] <= 1.1
    assert found.rest_longest["score"] > 3  # the control: what ordering by score alone does to the rest


def test_the_simulated_rest_is_overdue_often_enough_for_turns_to_be_taken():
    assert simulate(1.05, TIGHT).overdue > 0.5
