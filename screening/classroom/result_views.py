"""Pages and tables of what came out: parse, ask one question, answer."""

import csv
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from screening.classes.errors import NotRevealed
from screening.classes.models import ReadingSet
from screening.classroom import tables
from screening.classroom.access import person, set_with_results
from screening.classroom.case_sheet import question_of
from screening.classroom.results_page import results_of


@login_required
@require_safe
@never_cache
def results(request: HttpRequest, set_id: UUID) -> HttpResponse:
    """Readers, models and truth of a revealed set, for who read it and who teaches at its site."""
    found, teaches = _revealed(request, set_id)
    context = {
        "set": found,
        "question": question_of(found.finding),
        "teaches": teaches,
        "results": results_of(found, person(request), teaches=teaches),
    }
    return render(request, "classroom/results.html", context)


@login_required
@require_safe
@never_cache
def figures_table(request: HttpRequest, set_id: UUID) -> HttpResponse:
    """The figures of the page as CSV, for who teaches: it names the readers."""
    found = _taught(request, set_id)
    told = results_of(found, person(request), teaches=True)
    return _csv("figures.csv", tables.FIGURES, tables.figure_rows(found, told))


@login_required
@require_safe
@never_cache
def answers_table(request: HttpRequest, set_id: UUID) -> HttpResponse:
    """Every answer as CSV, for who teaches."""
    found = _taught(request, set_id)
    return _csv("answers.csv", tables.ANSWERS, tables.answer_rows(found))


def _revealed(request: HttpRequest, set_id: UUID) -> tuple[ReadingSet, bool]:
    found, teaches = set_with_results(request, set_id)
    if not found.is_revealed:
        raise NotRevealed("This set is not revealed yet.")
    return found, teaches


def _taught(request: HttpRequest, set_id: UUID) -> ReadingSet:
    found, teaches = set_with_results(request, set_id)
    if not teaches:
        raise Http404
    if not found.is_revealed:
        raise NotRevealed("This set is not revealed yet.")
    return found


def _csv(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> HttpResponse:
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    writer = csv.writer(answer)
    writer.writerow(header)
    writer.writerows(rows)
    return answer
