"""The reader's pages: parse, ask one question or call one service, answer."""

from urllib.parse import urlencode
from uuid import UUID

import structlog
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from ml.vocabulary import PLANE_BORDER
from screening.audit.actor import Actor
from screening.errors import ScreeningError
from screening.results.models import ModelVersion
from screening.results.selectors import study_word
from screening.review import cards, trays
from screening.review.findings import findings_of
from screening.review.forms import REASONS, FilterForm, read_answers
from screening.review.heat_views import heat_context
from screening.review.models import Answer
from screening.review.rows import rows_of, upload_choices
from screening.review.selectors import image_for, may_answer, reads_somewhere, study_for
from screening.review.services import AnswerIn, record_review
from screening.review.sheet import history_of, questions_of, sheet_of, slices_for_viewer
from screening.review.trays import Filters, Place, Tray
from screening.studies.models import Study
from screening.uploads.storage import blob_folder
from screening.users.models import User
from screening.users.roles import SEE_RESULTS, sites_where

# Who looked at what goes to the log, in batches of the log's own: a GET writes nothing to the database.
access = structlog.get_logger("screening.access")


def _reader(request: HttpRequest) -> User:
    if not isinstance(request.user, User) or not reads_somewhere(request.user):
        raise Http404
    return request.user


@login_required
@require_GET
def worklist(request: HttpRequest, tray: str = Tray.FLAGGED) -> HttpResponse:
    """One page of a tray."""
    reader = _reader(request)
    form = FilterForm(request.GET)
    filters = form.filters(Tray(tray))
    page = trays.page(trays.in_tray(reader, filters), after=Place.parse(request.GET.get("after", "")))
    context = {
        "tray": filters.tray,
        "filters": filters,
        "form": form,
        "rows": rows_of([place.study for place in page.places]),
        "next_query": urlencode({**filters.as_query(), "after": str(page.following)}) if page.following else "",
        "list_query": urlencode({"tray": filters.tray.value, **filters.as_query()}),
        "filter_query": urlencode(filters.as_query()),
        "is_first": "after" not in request.GET,
        "waiting": trays.waiting(reader, filters.tray),
        "uploads": upload_choices(reader),
        "versions": ModelVersion.objects.all(),
    }
    return render(request, "review/worklist.html", context)


@login_required
@require_GET
def study(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """One study: pictures, opinions, questions, history."""
    found = study_for(request.user, study_id)
    assert isinstance(request.user, User)
    access.info("study_viewed", user=request.user.pk, study=str(found.pk))
    sheet = sheet_of(found, request.user)
    context = {
        "sheet": sheet,
        "study": found,
        "slices": slices_for_viewer(sheet),
        "border": PLANE_BORDER,
        "history": history_of(found),
        **(heat_context(sheet.pictures[sheet.start].image) if sheet.pictures else {}),
        **_answering(request, found),
    }
    return render(request, "review/study.html", context)


def _answering(request: HttpRequest, found: Study) -> dict[str, object]:
    may = may_answer(request.user, found)
    form = FilterForm(request.GET)
    tray = request.GET.get("tray", "")
    filters = form.filters(Tray(tray) if tray in set(Tray) else Tray.FLAGGED)
    return {
        "may_answer": may,
        "reasons": REASONS,
        "answer_choices": Answer.choices,
        "list_url": f"{reverse(f'review:{_ROUTES[filters.tray]}')}?{urlencode(filters.as_query())}" if may else "",
        "next_url": _next_url(request, found, filters) if may else "",
        "list_query": urlencode({"tray": filters.tray.value, **filters.as_query()}),
    }


_ROUTES = {Tray.FLAGGED: "worklist", Tray.NOT_ASSESSED: "not_assessed", Tray.NOT_FLAGGED: "not_flagged"}


def _next_url(request: HttpRequest, found: Study, filters: Filters) -> str:
    others = trays.in_tray(request.user, filters).without(found.pk)
    places = trays.page(others, after=trays.place_of(found), size=1).places
    if not places:  # behind the last one the list begins again
        places = trays.page(others, after=None, size=1).places
    if not places:
        return ""
    query = urlencode({"tray": filters.tray.value, **filters.as_query()})
    return f"{reverse('review:study', args=[places[0].study])}?{query}"


@login_required
@require_POST
def answer(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """Record this reader's answers and show the form and the history anew."""
    found = study_for(request.user, study_id)
    if not may_answer(request.user, found) or not isinstance(request.user, User):
        raise Http404
    given = read_answers(request.POST, [finding.slug for finding in findings_of(found)])
    problem = None
    try:
        record_review(
            study_id=found.pk,
            reader=request.user,
            answers={finding: AnswerIn(answer=one.answer, reason=one.reason) for finding, one in given.items()},
            comment=request.POST.get("comment", "").strip(),
            actor=Actor.user(request.user),
        )
    except ScreeningError as error:
        problem = error
    found.refresh_from_db()
    context = {
        "study": found,
        "questions": questions_of(found, request.user, given if problem else None),
        "history": history_of(found),
        "word": study_word(found),
        "saved": problem is None,
        "problem": problem,
        "comment": request.POST.get("comment", "") if problem else "",
        "with_history": True,
        **_answering(request, found),
    }
    return render(request, "review/_answers.html", context)


@login_required
@require_GET
def preview(request: HttpRequest, image_id: UUID) -> FileResponse:
    """The preview of a picture, for those who may see its study, kept by no cache."""
    image = image_for(request.user, image_id)
    path = blob_folder(image.site_id, image.sha256) / f"{image.frame}.jpg"
    if not path.is_file():
        raise Http404
    response = FileResponse(path.open("rb"), content_type="image/jpeg")
    response["Cache-Control"] = "private, no-store"
    return response


@login_required
@require_GET
def models(request: HttpRequest) -> HttpResponse:
    """The registered models."""
    _member(request)
    return render(request, "review/models.html", {"versions": cards.overview()})


@login_required
@require_GET
def model(request: HttpRequest, slug: str, version: str) -> HttpResponse:
    """The card of one model version."""
    _member(request)
    found = get_object_or_404(ModelVersion, slug=slug, version=version)
    return render(request, "review/model.html", {"card": cards.card_of(found, request.user)})


def _member(request: HttpRequest) -> None:
    if not sites_where(request.user, SEE_RESULTS).exists():
        raise Http404
