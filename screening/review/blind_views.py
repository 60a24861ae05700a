"""The pages of reviewers who are blinded, of second readers and of adjudicators."""

from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from screening.review import blind_lists
from screening.review.blind_lists import BlindList, Spot
from screening.review.blind_sheet import blind_sheet_of, opinions_between
from screening.review.blinding import Veil
from screening.review.claims import held_by_others
from screening.review.forms import REASONS
from screening.review.models import Answer
from screening.review.reads import waiting_read
from screening.review.room import next_pictures, room_context
from screening.review.undo import undoable
from screening.studies.models import Study
from screening.users.models import User
from screening.users.roles import READERS, sites_where

ROUTES = {
    BlindList.BLINDED: "review:blinded",
    BlindList.SECOND: "review:second",
    BlindList.ADJUDICATION: "review:adjudication",
}


@login_required
@require_GET
def blind_list(request: HttpRequest, which: BlindList) -> HttpResponse:
    """One page of what waits for a reviewer who sees nothing of others, in keyed random order."""
    veil = Veil(request.user)
    if not veil.sites:
        raise Http404
    spots, following = blind_lists.page(veil, which, after=Spot.parse(request.GET.get("after", "")))
    held = held_by_others(veil.user, veil.sites)
    free = blind_lists.first_free(veil, which, held)
    context = {
        "tray": which.value,
        "rows": blind_lists.rows_of(veil, which, spots, held),
        "next_url": _ways(which, free)["next_url"],
        "waiting": blind_lists.waits(veil, which),
        "next_query": urlencode({"after": str(following)}) if following else "",
        "list_query": urlencode({"tray": which.value}),
        "is_first": "after" not in request.GET,
        "blind_counts": blind_lists.counts(veil),
        "all_blinded": sees_no_tray(veil),
        "undo": undoable(veil.user) if isinstance(veil.user, User) else [],
    }
    return render(request, "review/blind_list.html", context)


def sees_no_tray(veil: Veil) -> bool:
    """Whether every site at which somebody reads is a blinded one: then no tray of the models' making is theirs."""
    blinded = set(veil.blinded_sites)
    return bool(blinded) and set(sites_where(veil.user, READERS).values_list("pk", flat=True)) == blinded


def way_to_blind_work(veil: Veil) -> tuple[str, str]:
    """Where a reader goes on whose open lists are empty, and what to tell them; nothing where nothing waits."""
    which = blind_lists.list_with_work(veil)
    if sees_no_tray(veil):  # what waits for them stands in no order of the models' making
        return reverse(ROUTES[which or BlindList.BLINDED]), ""
    if which is None:
        return "", ""
    return reverse(ROUTES[which]), _("The open lists are done. These are still to be read, with nothing told before.")


def blind_study(request: HttpRequest, found: Study) -> HttpResponse:
    """A study that is hidden from its reader: pictures and questions, and for an adjudicator two opinions."""
    assert isinstance(request.user, User)
    sheet = blind_sheet_of(found, request.user)
    read = waiting_read(found, request.user)
    context = {
        "sheet": sheet,
        "study": found,
        **room_context(sheet, request.user, show_ai=False),
        "read": read,
        "undo": undoable(request.user),  # about another study, in the reader's own words
        "between": opinions_between(found, read) if read is not None else (),
        **blind_answering(request, found),
    }
    return render(request, "review/blind_study.html", context)


def list_of(request: HttpRequest) -> BlindList | None:
    """The list that an address says the reader came from, if it is one of these."""
    tray = request.GET.get("tray", "")
    return BlindList(tray) if tray in set(BlindList) else None


def blind_answering(request: HttpRequest, found: Study) -> dict[str, object]:
    """What the answers' part of the page needs where the reader goes along one of these lists."""
    which, following = _next_of(request, found)
    return {
        "may_answer": True,
        "reasons": REASONS,
        "answer_choices": Answer.choices,
        **_ways(which, following),
        "next_pictures": next_pictures(following, show_ai=False),
        "list_query": _query(which),
    }


def ways_on(request: HttpRequest, found: Study) -> dict[str, object]:
    """Where a reader goes on from a study that is hidden from them: the list, and what follows in it."""
    return _ways(*_next_of(request, found))


def _next_of(request: HttpRequest, found: Study) -> tuple[BlindList, UUID | None]:
    which = list_of(request) or BlindList.BLINDED
    return which, blind_lists.following(Veil(request.user), which, found)


def _ways(which: BlindList, following: UUID | None) -> dict[str, object]:
    next_url = f"{reverse('review:study', args=[following])}?{_query(which)}" if following else ""
    return {"list_url": reverse(ROUTES[which]), "next_url": next_url}


def _query(which: BlindList) -> str:
    return urlencode({"tray": which.value})


def revealed(request: HttpRequest, found: Study) -> HttpResponse:
    """Send the reader on to the whole page, which an answer has opened."""
    which = list_of(request) or BlindList.BLINDED
    query = urlencode({"tray": which.value, "recorded": "1"})
    address = f"{reverse('review:study', args=[found.pk])}?{query}"
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": address})
    return redirect(address)
