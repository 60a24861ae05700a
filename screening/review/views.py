"""The reader's pages: parse, ask one question or call one service, answer."""

from urllib.parse import urlencode
from uuid import UUID

import structlog
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from screening.audit.actor import Actor
from screening.errors import ScreeningError
from screening.results.models import ModelVersion
from screening.results.selectors import study_word
from screening.review import blind_lists, cards, trays
from screening.review.blind_views import blind_answering, blind_study, list_of, revealed, sees_no_tray
from screening.review.blinding import Veil, is_hidden
from screening.review.boxes import read_box
from screening.review.claims import held_by_others
from screening.review.document_views import documents_context
from screening.review.errors import StudyMoved
from screening.review.findings import findings_of
from screening.review.forms import REASONS, UNUSABLE, FilterForm, read_answers
from screening.review.heat_views import heat_context
from screening.review.models import Answer
from screening.review.narrowing import find
from screening.review.room import next_pictures, room_context
from screening.review.rows import rows_of, upload_choices
from screening.review.selectors import image_for, may_answer, readers_of, study_for, versions
from screening.review.services import AnswerIn, record_review
from screening.review.sheet import history_of, questions_of, sheet_of
from screening.review.stranded import stranded_for
from screening.review.taking import may_take
from screening.review.trays import Filters, Place, Tray
from screening.review.undo import undoable
from screening.studies.models import Study
from screening.uploads.kept import at_hand
from screening.uploads.storage import blob_folder
from screening.users.models import Reads, User
from screening.users.roles import ADMINISTRATORS, SEE_RESULTS, UPLOADERS, holds, runs_installation, sites_where

# Who looked at what goes to the log, in batches of the log's own: a GET writes nothing to the database.
access = structlog.get_logger("screening.access")


@login_required
@require_GET
def worklist(request: HttpRequest, tray: str = Tray.FLAGGED) -> HttpResponse:
    """One page of a tray."""
    veil = Veil(request.user)
    reader = veil.user
    if not isinstance(reader, User) or not veil.reading:  # as `reader_of` asks, without a question of its own
        raise Http404
    if sees_no_tray(veil):
        return redirect("review:blinded")
    form = FilterForm(request.GET)
    filters = form.filters(Tray(tray))
    sites, hidden = trays.open_sites(veil), trays.hidden_by(veil)
    page = find(trays.tray_at(sites, filters, but=hidden), filters, after=Place.parse(request.GET.get("after", "")))
    rows, known = rows_of(page.places, held_by_others(reader, sites)), versions()
    context = {
        "tray": filters.tray,
        "filters": filters,
        "form": form,
        "rows": rows,
        "free_row": next((row.study.pk for row in rows if not row.held_by), None),
        "next_query": urlencode({**filters.as_query(), "after": str(page.following)}) if page.following else "",
        "list_query": urlencode({"tray": filters.tray.value, **filters.as_query()}),
        "filter_query": urlencode(filters.as_query()),
        "is_first": "after" not in request.GET,
        "waiting": trays.waiting(sites, filters.tray, but=hidden),
        "blind_counts": blind_lists.counts(veil),
        "sampling": [site for site in sites if site.reads != Reads.ALL],
        "uploads": upload_choices(reader),
        "versions": known,
        "findings": sorted({label for version in known for label in version.flag_labels}),
        "sites": sites,
        "reviewers": readers_of(sites),
        "looked": page.looked,
        "stranded": stranded_for(veil),
        "news_query": urlencode(
            {"tray": filters.tray.value, **filters.as_query(), "since": timezone.now().isoformat()}
        ),
    }
    return render(request, "review/worklist.html", context)


@login_required
@require_GET
def study(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """One study: pictures, opinions, questions, history."""
    found = study_for(request.user, study_id)
    assert isinstance(request.user, User)
    ahead = request.headers.get("Purpose") == "prefetch"  # fetched before it is shown, which `next` will tell
    access.info("study_fetched_ahead" if ahead else "study_viewed", user=request.user.pk, study=str(found.pk))
    if is_hidden(request.user, found):
        return blind_study(request, found)
    sheet = sheet_of(found, request.user)
    room = room_context(sheet, request.user, show_ai=True)
    start = int(str(room["start"]))
    context = {
        "sheet": sheet,
        "study": found,
        "history": history_of(found),
        "saved": "recorded" in request.GET,
        "may_delete": holds(request.user, found.site_id, UPLOADERS),
        **room,
        **(heat_context(sheet.pictures[start].image) if sheet.pictures else {}),
        **(documents_context(found) if may_take(request.user, found) else {}),
        **_undoing(request.user, found),
        **_answering(request, found),
    }
    return render(request, "review/study.html", context)


def _undoing(reader: User, found: Study) -> dict[str, object]:
    """The way back stands beside "recorded" where it is about the shown study, else above the answer."""
    last = undoable(reader)
    here = bool(last) and last[0].study_id == found.pk
    return {"undo": [] if here else last, "undo_here": last if here else []}


def _answering(request: HttpRequest, found: Study) -> dict[str, object]:
    may = may_answer(request.user, found)
    if may and list_of(request) is not None and Veil(request.user).sites:
        return blind_answering(request, found)
    form = FilterForm(request.GET)
    tray = request.GET.get("tray", "")
    if tray == IN_ORDER:
        return {
            "may_answer": may,
            "reasons": REASONS,
            "answer_choices": Answer.choices,
            "list_url": reverse("review:to_read") if may else "",
            "in_order": may,
            "next_pictures": [],  # the page asks what comes next, and fetches it as a whole
            "list_query": urlencode({"tray": IN_ORDER}),
        }
    filters = form.filters(Tray(tray) if tray in set(Tray) else Tray.FLAGGED)
    following = _following(request, found, filters) if may else None
    return {
        "may_answer": may,
        "reasons": REASONS,
        "answer_choices": Answer.choices,
        "list_url": f"{reverse(f'review:{_ROUTES[filters.tray]}')}?{urlencode(filters.as_query())}" if may else "",
        "next_url": _study_url(following, filters) if following else "",
        "next_pictures": next_pictures(following, show_ai=True),
        "list_query": urlencode({"tray": filters.tray.value, **filters.as_query()}),
    }


IN_ORDER = "to_read"  # in an address: the study is read in the order of the list "to read"
_ROUTES = {Tray.FLAGGED: "worklist", Tray.NOT_ASSESSED: "not_assessed", Tray.NOT_FLAGGED: "not_flagged"}


def _following(request: HttpRequest, found: Study, filters: Filters) -> UUID | None:
    """The next study of a tray that nobody else reads."""
    others = trays.in_tray(request.user, filters).without(found.pk)
    held = held_by_others(request.user, Veil(request.user).reading)
    for after in (trays.place_of(found), None):  # behind the last one the list begins again
        places = find(others, filters, after=after, size=len(held) + 1).places
        free = next((place.study for place in places if place.study not in held), None)
        if free is not None:
            return free
    return None


def _study_url(study_id: UUID, filters: Filters) -> str:
    query = urlencode({"tray": filters.tray.value, **filters.as_query()})
    return f"{reverse('review:study', args=[study_id])}?{query}"


@login_required
@require_POST
def answer(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """Record this reader's answers and show the form and the history anew."""
    found = study_for(request.user, study_id)
    if not may_answer(request.user, found) or not isinstance(request.user, User):
        raise Http404
    revision = request.POST.get("revision", "")
    given = read_answers(request.POST, [finding.slug for finding in findings_of(found)])
    hidden = is_hidden(request.user, found)
    problem = None
    try:
        record_review(
            study_id=found.pk,
            reader=request.user,
            answers={
                finding: AnswerIn(answer=one.answer, reason=one.reason, box=read_box(one.box))
                for finding, one in given.items()
            },
            comment=request.POST.get("comment", "").strip(),
            actor=Actor.user(request.user),
            revision=_revision(request),
            read_id=_read_id(request),
        )
    except ScreeningError as error:
        problem = error
    if hidden and problem is None:
        return revealed(request, found)
    found.refresh_from_db()
    context = {
        "study": found,
        "questions": questions_of(found, request.user, given if problem else None),
        "saved": problem is None,
        "problem": problem,
        # What was refused as stale is stale until the study is looked at again.
        "seen_revision": revision if isinstance(problem, StudyMoved) else "",
        "undo": undoable(request.user, found.pk) if problem is None else [],
        "comment": request.POST.get("comment", "") if problem else "",
        **({} if hidden else {"history": history_of(found), "word": study_word(found), "with_history": True}),
        **(blind_answering(request, found) if hidden else _answering(request, found)),
    }
    return render(request, "review/_answers.html", context)


def _revision(request: HttpRequest) -> int | None:
    given = request.POST.get("revision", "")
    return int(given) if given.isdecimal() else None


def _read_id(request: HttpRequest) -> UUID | None:
    given = request.POST.get("read", "")
    try:
        return UUID(given) if given else None
    except ValueError as error:
        raise Http404 from error


@login_required
@require_POST
def unusable(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """Answer every finding of a study that was not assessed at one stroke: it cannot be told from these pictures."""
    found = study_for(request.user, study_id)
    if not may_answer(request.user, found) or not isinstance(request.user, User):
        raise Http404
    if is_hidden(request.user, found):  # that it was not assessed is not known to them
        raise Http404
    problem = None
    try:
        record_review(
            study_id=found.pk,
            reader=request.user,
            answers={
                finding.slug: AnswerIn(answer=Answer.NOT_ASSESSABLE, reason=UNUSABLE) for finding in findings_of(found)
            },
            comment="",
            actor=Actor.user(request.user),
            revision=_revision(request),
            unassessed_only=True,
        )
    except ScreeningError as error:
        problem = error
    return render(request, "review/_unusable.html", {"study": found, "problem": problem})


@login_required
@require_GET
def preview(request: HttpRequest, image_id: UUID) -> FileResponse:
    """The preview of a picture, for those who may see its study, kept by no cache."""
    image = image_for(request.user, image_id)
    path = blob_folder(image.site_id, image.sha256) / f"{image.frame}.jpg"
    try:
        file = at_hand(path).open("rb")
    except FileNotFoundError as error:
        raise Http404 from error
    response = FileResponse(file, content_type="image/jpeg")
    response["Cache-Control"] = "private, no-store"
    return response


@login_required
@require_GET
def models(request: HttpRequest) -> HttpResponse:
    """The registered models."""
    _member(request)
    keeps = runs_installation(request.user) or sites_where(request.user, ADMINISTRATORS).exists()
    return render(request, "review/models.html", {"versions": cards.overview(), "keeps": keeps})


@login_required
@require_GET
def model(request: HttpRequest, slug: str, version: str) -> HttpResponse:
    """The card of one model version."""
    _member(request)
    found = get_object_or_404(ModelVersion, slug=slug, version=version)
    return render(request, "review/model.html", {"card": cards.card_of(found, request.user)})


def _member(request: HttpRequest) -> None:
    if not runs_installation(request.user) and not sites_where(request.user, SEE_RESULTS).exists():
        raise Http404
