"""Questions about reading sets: what is closed to whom, how far everybody is, which case comes next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet

from screening.classes.models import CLOSED, Case, ClassAnswer, ReadingSet, Seat, SetState
from screening.studies.draws import chance
from screening.studies.models import StudyState
from screening.users.models import Membership, Role, User

NOTHING_YET: Final = (0, None)
LIVE = ~Q(study__state=StudyState.PURGED)


def closed_seats(user_id: int | None) -> QuerySet[Seat]:
    """Seats of a person in sets that are not revealed."""
    return Seat.objects.filter(reader_id=user_id, reading_set__state__in=CLOSED)


def closed_studies(user_id: int | None) -> Exists:
    """The condition on a study that it is a case of a set which this person reads and which is not revealed."""
    seats = closed_seats(user_id).filter(reading_set=OuterRef("reading_set"))
    return Exists(Case.objects.filter(Exists(seats), study=OuterRef("pk")))


def sets_to_read(user: User) -> QuerySet[ReadingSet]:
    """Sets that a person reads, and whose site they still belong to as a reviewer; open ones first, then the latest."""
    here = Membership.objects.filter(user=user, site=OuterRef("site"), role=Role.REVIEWER)
    seats = Seat.objects.filter(reader=user, reading_set=OuterRef("pk"))
    seen = (SetState.OPEN, SetState.REVEALED)
    return ReadingSet.objects.filter(Exists(here), Exists(seats), state__in=seen).select_related("site")


def cases_in_order(reading_set: ReadingSet, reader_id: int) -> list[Case]:
    """The cases in the order of one reader: shuffled, and the same at every call and on every computer."""
    cases = reading_set.cases.filter(LIVE).select_related("study")
    return sorted(cases, key=lambda case: chance(reading_set.order_key, "order", reader_id, case.pk))


def answered_by(reading_set: ReadingSet, reader_id: int) -> dict[UUID, str]:
    """By case, the answer of one reader that stands."""
    given = ClassAnswer.objects.filter(case__reading_set=reading_set, reader_id=reader_id).order_by("seq")
    return dict(given.values_list("case_id", "answer"))


def next_case(order: Sequence[Case], answered: dict[UUID, str], after: UUID | None) -> Case | None:
    """The first case without an answer behind `after`, from the beginning if none follows; `after` itself never."""
    place = next((number for number, case in enumerate(order, start=1) if case.pk == after), 0)
    ahead = [*order[place:], *order[:place]]
    return next((case for case in ahead if case.pk not in answered and case.pk != after), None)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one reader is."""

    reader: User
    answered: int
    cases: int
    last: datetime | None
    is_here: bool  # still a reviewer of the site

    @property
    def is_done(self) -> bool:
        return self.answered >= self.cases


def standings(reading_set: ReadingSet) -> list[Standing]:
    """How far every reader is, by name. Nothing of what they answered."""
    cases = reading_set.cases.filter(LIVE).count()
    given = ClassAnswer.objects.filter(case__reading_set=reading_set).exclude(case__study__state=StudyState.PURGED)
    rows = given.order_by().values("reader_id").annotate(n=Count("case", distinct=True), last=Max("at"))
    told: dict[int, tuple[int, datetime | None]] = {row["reader_id"]: (row["n"], row["last"]) for row in rows}
    here = set(
        Membership.objects.filter(site=reading_set.site_id, role=Role.REVIEWER).values_list("user_id", flat=True)
    )
    return [
        Standing(
            reader=seat.reader,
            answered=told.get(seat.reader_id, NOTHING_YET)[0],
            cases=cases,
            last=told.get(seat.reader_id, NOTHING_YET)[1],
            is_here=seat.reader_id in here,
        )
        for seat in reading_set.seats.select_related("reader")
    ]
