"""Documents of a study on its page: asked for by a POST, looked for until they are there, taken from the API."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from screening.errors import DocumentNotMade, NothingToTell, ScreeningError
from screening.flows.documents import Kind, find_or_ask, refuse_if_refused, wanted
from screening.review.selectors import study_for
from screening.review.taking import may_take
from screening.studies.models import Study
from screening.uploads.kept import is_kept
from screening.users.models import User

ROUTES = {Kind.REPORT: "api:report", Kind.HEAT_MAP: "api:heat_map_capture", Kind.FHIR: "api:fhir"}


@dataclass(frozen=True, slots=True)
class Line:
    """One document as the page shows it."""

    kind: Kind
    title: str
    url: str
    state: str  # "ready", "making", "none" or "not asked"


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def documents(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """The documents of a study; a POST has one made first."""
    study = study_for(request.user, study_id)
    if not isinstance(request.user, User) or not may_take(request.user, study):
        raise Http404
    given = request.POST if request.method == "POST" else request.GET
    asked = {Kind(one) for one in given.getlist("asked") if one in set(Kind)}
    problem = None
    if request.method == "POST":
        if request.POST.get("kind") not in set(Kind):
            raise Http404
        kind = Kind(request.POST["kind"])
        asked.add(kind)
        problem = _ask(study, kind)
    return render(request, "review/_documents.html", {**documents_context(study, asked), "problem": problem})


def documents_context(study: Study, asked: Iterable[Kind] = ()) -> dict[str, object]:
    """What the part of the page with a study's documents needs. `asked`: those that somebody waits for here."""
    waited, problem = set(asked), None
    lines = []
    for kind in Kind:
        try:
            lines.append(_line(study, kind, waited=kind in waited))
        except DocumentNotMade as error:
            problem = error
            lines.append(_line(study, kind, waited=False))
    making = [line.kind.value for line in lines if line.state == "making"]
    return {"study": study, "documents": lines, "making": making, "problem": problem}


def _line(study: Study, kind: Kind, *, waited: bool) -> Line:
    titles = {Kind.REPORT: _("DICOM structured report"), Kind.HEAT_MAP: _("Heat map as DICOM"), Kind.FHIR: _("FHIR R4")}
    url = reverse(ROUTES[kind], args=[study.pk])
    try:
        document = wanted(study, kind)
    except NothingToTell:
        return Line(kind, titles[kind], url, "none")
    if is_kept(document.path):
        return Line(kind, titles[kind], url, "ready")
    if waited:
        refuse_if_refused(document)
    return Line(kind, titles[kind], url, "making" if waited else "not asked")


def _ask(study: Study, kind: Kind) -> ScreeningError | None:
    try:
        find_or_ask(wanted(study, kind))
    except ScreeningError as error:
        return error
    return None
