"""The teacher's pages: parse, ask one question or call one service, answer."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from screening.classes.errors import ReaderKnowsCases
from screening.classes.models import ReadingSet
from screening.classes.revealing import reveal_set
from screening.classes.services import choose_readers, discard_set, make_set, open_set, retake_labels
from screening.classroom.access import person, reviewers_of, set_of_teacher, site_for, taught_sets, who_know
from screening.classroom.forms import LabelsForm, ReadersForm, SetForm, SureForm
from screening.classroom.teacher_page import findings_offered, manage_context, progress_context, uploads_of
from screening.errors import ScreeningError
from screening.users.models import Site


@login_required
@require_safe
@never_cache
def sets(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """The sets of a site, and the form that makes one."""
    site = site_for(request, site_id)
    return _sets(request, site, SetForm(uploads_of(site), findings_offered()))


@login_required
@require_POST
def make(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """Make a set in preparation of an upload and a table of labels."""
    site = site_for(request, site_id)
    form = SetForm(uploads_of(site), findings_offered(), request.POST, request.FILES)
    if not form.is_valid():
        return _sets(request, site, form, status=400)
    asked = form.cleaned_data
    try:
        made = make_set(
            upload=asked["upload"],
            name=asked["name"],
            finding=asked["finding"],
            rows=form.rows(asked["upload"]),
            teacher=person(request),
        )
    except ScreeningError as problem:
        return _sets(request, site, form, problem=problem, status=problem.http_status)
    return redirect("classroom:manage", site.pk, made.pk)


def _sets(
    request: HttpRequest, site: Site, form: SetForm, *, problem: ScreeningError | None = None, status: int = 200
) -> HttpResponse:
    context = {
        "site": site,
        "sets": taught_sets(person(request)).filter(site=site),
        "form": form,
        "problem": problem,
        "has_uploads": uploads_of(site).exists(),
        "has_findings": bool(findings_offered()),
    }
    return render(request, "classroom/sets.html", context, status=status)


@login_required
@require_safe
@never_cache
def manage(request: HttpRequest, site_id: UUID, set_id: UUID) -> HttpResponse:
    """One set: its cases and what was left out, who reads, how far they are, and the next step."""
    return _manage(request, set_of_teacher(request, site_id, set_id))


@login_required
@require_safe
@never_cache
def progress(request: HttpRequest, site_id: UUID, set_id: UUID) -> HttpResponse:
    """How far everybody is: a part of the page that comes again by itself."""
    found = set_of_teacher(request, site_id, set_id)
    return render(request, "classroom/_progress.html", progress_context(found))


@login_required
@require_POST
def labels(request: HttpRequest, site_id: UUID, set_id: UUID) -> HttpResponse:
    """Put another table of labels in the place of the first."""
    found, form = set_of_teacher(request, site_id, set_id), LabelsForm(request.POST, request.FILES)
    form.is_valid()
    return _act(
        request,
        found,
        lambda: retake_labels(set_id=found.pk, rows=form.rows(found.upload), teacher=person(request)),
        _("The table was taken over."),
    )


@login_required
@require_POST
def readers(request: HttpRequest, site_id: UUID, set_id: UUID) -> HttpResponse:
    """Say who reads."""
    found = set_of_teacher(request, site_id, set_id)
    form = ReadersForm(reviewers_of(found.site_id), request.POST)
    chosen: list[int] = form.cleaned_data["readers"] if form.is_valid() else []

    def choose() -> None:
        _refuse_who_know(found, chosen)
        choose_readers(set_id=found.pk, reader_ids=chosen, teacher=person(request))

    return _act(request, found, choose, _("Stored. Truth and models are hidden from the readers from now on."))


@login_required
@require_POST
def begin(request: HttpRequest, site_id: UUID, set_id: UUID) -> HttpResponse:
    """Let the readers begin."""
    found = set_of_teacher(request, site_id, set_id)
    agreed = SureForm(request.POST).is_valid()

    def act() -> None:
        _refuse_who_know(found, list(found.seats.values_list("reader_id", flat=True)))
        open_set(set_id=found.pk, teacher=person(request), agreed=agreed)

    return _act(request, found, act, _("The set is open: its readers find it under Classes."))


@login_required
@require_POST
def reveal(request: HttpRequest, site_id: UUID, set_id: UUID) -> HttpResponse:
    """End the reading and show everything."""
    found = set_of_teacher(request, site_id, set_id)
    if not SureForm(request.POST).is_valid():
        messages.error(request, _("Nothing was revealed: tick the box, since there is no way back."))
        return redirect("classroom:manage", found.site_id, found.pk)
    try:
        reveal_set(set_id=found.pk, teacher=person(request))
    except ScreeningError as problem:
        return _manage(request, found, problem)
    return redirect("classroom:results", found.pk)


@login_required
@require_POST
def discard(request: HttpRequest, site_id: UUID, set_id: UUID) -> HttpResponse:
    """Give up a set in preparation."""
    found = set_of_teacher(request, site_id, set_id)
    try:
        discard_set(set_id=found.pk, teacher=person(request))
    except ScreeningError as problem:
        return _manage(request, found, problem)
    messages.success(request, _("The set was discarded."))
    return redirect("classroom:sets", found.site_id)


def _refuse_who_know(found: ReadingSet, reader_ids: list[int]) -> None:
    names = who_know(found, reader_ids)
    if names:
        raise ReaderKnowsCases(f"They have answered about studies of this set on the worklist: {', '.join(names)}.")


def _act(request: HttpRequest, found: ReadingSet, act: Callable[[], object], done: str) -> HttpResponse:
    try:
        act()
    except ScreeningError as problem:
        return _manage(request, found, problem)
    messages.success(request, done)
    return redirect("classroom:manage", found.site_id, found.pk)


def _manage(request: HttpRequest, found: ReadingSet, problem: ScreeningError | None = None) -> HttpResponse:
    found.refresh_from_db()
    context = {**manage_context(found), "problem": problem, "labels": LabelsForm()}
    return render(request, "classroom/manage.html", context, status=problem.http_status if problem else 200)
