"""The pages of who reads in a class: parse, ask one question or call one service, answer."""

from uuid import UUID

import structlog
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from screening.classes.answering import record_answer
from screening.classes.models import Said
from screening.classes.selectors import sets_to_read
from screening.classroom.access import case_of_reader, person, set_of_reader, taught_sets
from screening.classroom.case_sheet import case_context, question_of, way_of
from screening.errors import ScreeningError
from screening.review.selectors import reader_of
from screening.users.roles import ADMINISTRATORS, sites_where

access = structlog.get_logger("screening.access")


@login_required
@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """The sets that one reads, and those that one teaches with."""
    user = reader_of(request)
    reads = [(found, way_of(found, user.pk)) for found in sets_to_read(user)]
    context = {
        "reads": reads,
        "taught": taught_sets(user),
        "teaches_at": sites_where(user, ADMINISTRATORS).order_by("name"),
    }
    return render(request, "classroom/home.html", context)


@login_required
@require_safe
@never_cache
def overview(request: HttpRequest, set_id: UUID) -> HttpResponse:
    """One set as its reader sees it: how far they are, and where to go on. It is the same on every computer."""
    found = set_of_reader(request, set_id)
    context = {"set": found, "question": question_of(found.finding), "way": way_of(found, person(request).pk)}
    return render(request, "classroom/set.html", context)


@login_required
@require_safe
@never_cache
def following(request: HttpRequest, set_id: UUID) -> HttpResponse:
    """Go on with the first case that is not answered, in the reader's own order."""
    found = set_of_reader(request, set_id)
    case = way_of(found, person(request).pk).next if found.is_open else None
    if case is None:
        return redirect("classroom:set", found.pk)
    return redirect("classroom:case", found.pk, case.pk)


@login_required
@require_safe
@never_cache
def case(request: HttpRequest, set_id: UUID, case_id: UUID) -> HttpResponse:
    """One case: its pictures and the question."""
    found = case_of_reader(request, set_id, case_id)
    access.info("case_viewed", user=person(request).pk, case=str(found.pk))
    return render(request, "classroom/case.html", _context(request, set_id, case_id))


@login_required
@require_POST
def answer(request: HttpRequest, set_id: UUID, case_id: UUID) -> HttpResponse:
    """Record an answer and show the form anew."""
    found = case_of_reader(request, set_id, case_id)
    problem = None
    try:
        record_answer(case_id=found.pk, reader=person(request), answer=request.POST.get("answer", ""))
    except ScreeningError as error:
        problem = error
    context = {**_context(request, set_id, case_id), "saved": problem is None, "problem": problem}
    return render(request, "classroom/_answer.html", context)


def _context(request: HttpRequest, set_id: UUID, case_id: UUID) -> dict[str, object]:
    found = case_of_reader(request, set_id, case_id)
    way = way_of(found.reading_set, person(request).pk)
    return {**case_context(found, way), "answer_choices": Said.choices}
