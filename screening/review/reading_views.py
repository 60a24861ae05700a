"""Reading in order: the list "to read", the next study, and who has which study open."""

from urllib.parse import urlencode
from uuid import UUID

import structlog
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ml.vocabulary import DISCLAIMER
from screening.audit.actor import Actor
from screening.errors import ScreeningError
from screening.review.blind_lists import BlindList, counts
from screening.review.blind_views import sees_no_tray, way_to_blind_work, ways_on
from screening.review.blinding import Veil, is_hidden
from screening.review.claims import (
    bookmark_of,
    claim_on_opening,
    held_by_others,
    look_ahead,
    release_claim,
    renew_claim,
    take_next,
)
from screening.review.errors import StudyTaken
from screening.review.news import news_of
from screening.review.reading import Spot, lines_of
from screening.review.rows import rows_of
from screening.review.selectors import may_answer, reader_of, study_for
from screening.review.stranded import stranded_for
from screening.review.summary import summary_of
from screening.review.trays import Tray, hidden_by, open_sites, waiting
from screening.review.undo import undo_answer, undoable
from screening.studies.models import Study
from screening.users.models import Reads, User

access = structlog.get_logger("screening.access")
IN_ORDER = urlencode({"tray": "to_read"})


@login_required
@require_GET
def to_read(request: HttpRequest) -> HttpResponse:
    """One page of what waits, in the order of reading."""
    veil = Veil(request.user)
    reader = veil.user
    if not isinstance(reader, User) or not veil.reading:  # as `reader_of` asks, without a question of its own
        raise Http404
    if sees_no_tray(veil):
        return redirect("review:blinded")
    sites = open_sites(veil)
    spot = Spot.parse(request.GET.get("after", "")) or Spot(timezone.now(), None, None, None)
    page = lines_of(veil).page(spot)
    context = {
        "tray": "to_read",
        "rows": rows_of([stop.place for stop in page.stops], held_by_others(reader, sites)),
        "next_query": urlencode({"after": str(page.following)}) if page.following else "",
        "list_query": IN_ORDER,
        "is_first": "after" not in request.GET,
        "waiting": waiting(sites, Tray.FLAGGED, but=hidden_by(veil)),
        "blind_counts": counts(veil),
        "sites": sites,
        "sampling": [site for site in sites if site.reads != Reads.ALL],
        "news_query": urlencode({"tray": "to_read", "since": timezone.now().isoformat()}),
        "bookmark": bookmark_of(reader),
        "undo": undoable(reader),
        "stranded": stranded_for(veil),
    }
    return render(request, "review/to_read.html", context)


@login_required
@require_GET
def news(request: HttpRequest) -> HttpResponse:
    """How many studies came to a list since its page was opened. The page itself does not move."""
    reader = reader_of(request)
    return render(request, "review/_news.html", {"news": news_of(reader, request.GET)})


@login_required
@require_GET
def peek(request: HttpRequest) -> JsonResponse:
    """Which study would come next: for a page that fetches it ahead. Nothing is claimed."""
    found = look_ahead(reader_of(request), leaving=_uuid(request.GET.get("leaving")))
    return JsonResponse({"url": _address(found[0]) if found else "", "disclaimer": DISCLAIMER})


@login_required
@require_POST
def following(request: HttpRequest) -> HttpResponse:
    """Give back the study that is left and open the next one, claimed for this reader."""
    reader = reader_of(request)
    claim = take_next(reader=reader, leaving=_uuid(request.POST.get("leaving")))
    if claim:
        address = _address(claim.study_id)
    else:
        address, told = way_to_blind_work(Veil(reader))
        if not address:
            address, told = reverse("review:to_read"), _("Nothing else waits to be read.")
        if told:
            messages.info(request, told)
    if request.headers.get("Accept") == "application/json":
        if claim:
            access.info("study_viewed", user=claim.reader_id, study=str(claim.study_id))
        return JsonResponse({"url": address, "token": str(claim.token) if claim else "", "disclaimer": DISCLAIMER})
    return HttpResponseRedirect(address)


@login_required
@require_POST
def claim(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """Take a study for this reader, or prolong that. The answer says who has it, if somebody else does."""
    reader, found = _readable(request, study_id)
    token = _uuid(request.POST.get("token"))
    if token is not None and renew_claim(study_id=found.pk, reader=reader, token=token):
        return HttpResponse(status=204)
    context: dict[str, object] = {"study": found}
    try:
        held = claim_on_opening(study_id=found.pk, reader=reader)
    except StudyTaken as problem:
        context |= {"problem": problem, **(ways_on(request, found) if is_hidden(reader, found) else {})}
    else:
        if held is None:
            return HttpResponse(status=204)
        context["claim"] = held
    return render(request, "review/_claim.html", context)


@login_required
@require_POST
def release(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """Give a study back, if the page that asks still holds it."""
    reader, found = _readable(request, study_id)
    token = _uuid(request.POST.get("token"))
    if token is not None:
        release_claim(study_id=found.pk, reader=reader, token=token)
    return HttpResponse(status=204)


@login_required
@require_POST
def undo(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """Take back the answer of a moment ago, and open the study again."""
    reader, found = _readable(request, study_id)
    blinded = sees_no_tray(Veil(reader))
    try:
        back = undo_answer(study_id=found.pk, reader=reader, actor=Actor.user(reader))
        blinded = blinded or any(review.blinded for review in back)
        messages.success(request, _("Your answer was taken back. It stays in the history as withdrawn."))
    except ScreeningError as problem:
        messages.error(request, f"{problem.what_happened} {problem.what_to_do}")
    if blinded:  # they came along that list, and go on along it
        return redirect(f"{reverse('review:study', args=[found.pk])}?{urlencode({'tray': BlindList.BLINDED.value})}")
    return redirect(_address(found.pk))


@login_required
@require_GET
def summary(request: HttpRequest) -> HttpResponse:
    """What this reader answered today, and where they stopped."""
    reader = reader_of(request)
    return render(request, "review/summary.html", {"summary": summary_of(reader), "bookmark": bookmark_of(reader)})


def _readable(request: HttpRequest, study_id: UUID) -> tuple[User, Study]:
    found = study_for(request.user, study_id)
    if not isinstance(request.user, User) or not may_answer(request.user, found):
        raise Http404
    return request.user, found


def _address(study_id: UUID) -> str:
    return f"{reverse('review:study', args=[study_id])}?{IN_ORDER}"


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
