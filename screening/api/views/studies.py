"""Studies as integrators poll them: in the order of their changes, so that nothing is missed."""

import hashlib
from typing import Any, Final
from uuid import UUID

import structlog
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle

from ml.vocabulary import DISCLAIMER_VERSION, PIPELINE, pseudonymous_uid
from screening.api import cursors
from screening.api.access import ApiView, caller, one_site, visible_study
from screening.api.assembling import assembled
from screening.api.schema import answers, described
from screening.api.shapes.results import LookupIn, LookupOut, StudiesOut, StudyAnswer, StudyQuery
from screening.results.models import ModelVersion, Screening
from screening.studies.models import SiteChange, Study, StudyState
from screening.uploads.models import Item
from screening.users.keys import site_key
from screening.users.roles import SEE_RESULTS

log = structlog.get_logger("screening.access")
FEW: Final = 3000  # screenings of a model at a site, up to which all its studies are read for a page
UNCHANGED: Final = OpenApiResponse(description="Nothing changed since the answer with that ETag.")


class Studies(ApiView):
    """Studies of one site in change order."""

    @described(
        operation_id="studies_list",
        summary="Poll results: studies in the order of their changes",
        description=(
            "Keep `cursor` and send it with the next request: it gives what has changed since, and misses nothing. A "
            "study that changes again appears again. Send `If-None-Match` with the last `ETag` to poll cheaply."
        ),
        parameters=[StudyQuery],
        responses=answers({200: StudiesOut, 304: UNCHANGED}, 400, 404),
    )
    def get(self, request: Request) -> Response | HttpResponse:
        shape = StudyQuery(data=request.query_params)
        shape.is_valid(raise_exception=True)
        asked = shape.validated_data
        site = one_site(request, asked.get("site"), SEE_RESULTS)
        number = SiteChange.objects.filter(pk=site.pk).values_list("number", flat=True).first() or 0
        etag = _etag(site.pk, number, sorted(request.query_params.items()))
        if unchanged := get_conditional_response(request._request, etag=etag):  # noqa: SLF001 - DRF's way to Django's own
            return unchanged
        studies = list(_asked_for(site.pk, asked)[: asked["limit"] + 1])
        page = studies[: asked["limit"]]
        log.info("viewed", user=caller(request).pk, site=str(site.pk), studies=len(page))
        body = {
            "site": site.pk,
            "results": assembled(page),
            "cursor": _cursor(page, asked),
            "more": len(studies) > len(page),
        }
        return Response(StudiesOut(body).data, headers={"ETag": etag, "Cache-Control": "private, no-cache"})


def _etag(*parts: Any) -> str:
    """Name a state of what is answered: the site's change number covers every study of it."""
    text = repr((DISCLAIMER_VERSION, PIPELINE, *map(str, parts)))
    return f'W/"{hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'


def _asked_for(site_id: UUID, asked: dict[str, Any]) -> QuerySet[Study]:
    studies = Study.objects.filter(site_id=site_id)
    for name in ("flagged", "state", "external_id"):
        if asked.get(name) is not None:
            studies = studies.filter(**{name: asked[name]})
    if "upload" in asked:
        studies = studies.filter(_of_upload(asked["upload"], site_id))
    few = "upload" in asked  # its files name its studies
    if "model" in asked:
        rows = _screened_by(asked["model"])
        here = rows.filter(site_id=site_id).order_by()
        few = few or here[: FEW + 1].count() <= FEW
        looked = Q(pk__in=here.values("study_id")) if few else Q(Exists(rows.filter(study=OuterRef("pk"))))
        studies = studies.filter(looked)
    # The sum keeps the planner from walking all changes of the site to look for a few studies.
    number = F("change_number") + 0 if few else F("change_number")
    return studies.filter(_after(asked)).order_by(number, "pk")


def _of_upload(upload_id: UUID, site_id: UUID) -> Q:
    """Whether an upload brought a part of a study: it was the last to do so, or else an item of it says so."""
    items = Item.objects.filter(upload_id=upload_id, upload__site_id=site_id, study_id__isnull=False)
    elsewhere = items.exclude(study_id__in=Study.objects.filter(upload_id=upload_id).values("pk"))
    others = list(elsewhere.order_by().values_list("study_id", flat=True)[: FEW + 1])
    if len(others) <= FEW:
        return Q(upload_id=upload_id) | Q(pk__in=set(others))
    return Q(pk__in=items.values("study_id"))


def _screened_by(name: str) -> QuerySet[Screening]:
    """What the versions of a model looked at: `slug@version`, or every version of a slug."""
    slug, _, version = name.partition("@")
    versions = ModelVersion.objects.filter(slug=slug, **({"version": version} if version else {}))
    return Screening.objects.filter(model_version__in=list(versions.values_list("pk", flat=True)))


def _after(asked: dict[str, Any]) -> Q:
    if "cursor" in asked:
        number, key = _read(asked["cursor"])
        behind = Q(change_number__gt=number) | Q(pk__gt=key)
        return Q(change_number__gte=number) & behind  # an index begins where one bound says
    return Q(change_number__gt=asked["changed_since"]) if "changed_since" in asked else Q()


def _read(cursor: str) -> tuple[int, UUID]:
    try:
        number, key = cursors.decode(cursor)
        return int(number), UUID(key)
    except ValueError as error:
        raise cursors.unknown_cursor() from error


def _cursor(page: list[Study], asked: dict[str, Any]) -> str:
    """Give where the answer ends; an empty one ends where it began."""
    if page:
        return cursors.encode(page[-1].change_number, page[-1].pk)
    if "cursor" in asked:
        return str(asked["cursor"])
    return cursors.encode(asked.get("changed_since", 0), UUID(int=2**128 - 1))


class OneStudy(ApiView):
    """One study."""

    @described(
        operation_id="studies_read",
        summary="A study, its pictures, and what models and readers said",
        description="Send `If-None-Match` with the last `ETag` to poll cheaply.",
        responses=answers({200: StudyAnswer, 304: UNCHANGED}, 404),
    )
    def get(self, request: Request, study_id: UUID) -> Response | HttpResponse:
        study = visible_study(request, study_id)
        etag = _etag(study.pk, study.change_number)
        if unchanged := get_conditional_response(request._request, etag=etag):  # noqa: SLF001 - as above
            return unchanged
        log.info("viewed", user=caller(request).pk, site=str(study.site_id), study=str(study.pk))
        body = StudyAnswer(assembled([study])[0]).data
        return Response(body, headers={"ETag": etag, "Cache-Control": "private, no-cache"})


class LookupThrottle(UserRateThrottle):
    """Fewer look-ups than reads: nobody should try out identifiers."""

    scope = "lookup"


class Lookup(ApiView):
    """Original identifiers to studies."""

    writing_scopes = ApiView.reading_scopes  # it changes nothing; a POST keeps the identifiers out of logs
    throttle_classes = (LookupThrottle,)

    @described(
        operation_id="studies_lookup",
        summary="Find studies by original DICOM identifiers",
        description=(
            "Study, series or SOP instance UIDs as the scanner gave them. They become pseudonyms in memory and are "
            "neither stored nor logged."
        ),
        request=LookupIn,
        responses=answers({200: LookupOut}, 400, 404),
    )
    def post(self, request: Request) -> Response:
        shape = LookupIn(data=request.data)
        shape.is_valid(raise_exception=True)
        site = one_site(request, shape.validated_data.get("site"), SEE_RESULTS)
        uids = shape.validated_data["uids"]
        found = _found(site.pk, uids)
        results = [
            {"uid": uid, "study": found[uid].pk if uid in found else None, "external_id": _external_id(found.get(uid))}
            for uid in uids
        ]
        return Response(LookupOut({"results": results}).data, headers={"Cache-Control": "private, no-store"})


def _external_id(study: Study | None) -> str | None:
    return study.external_id if study else None


def _found(site_id: UUID, uids: list[str]) -> dict[str, Study]:
    key = site_key(site_id)
    original = {pseudonymous_uid(key, uid): uid for uid in uids}
    live = Study.objects.filter(site_id=site_id).exclude(state=StudyState.PURGED)
    found: dict[str, Study] = {}
    for field in ("images__instance_uid", "images__series_uid"):
        rows = live.filter(**{f"{field}__in": original}).values_list(field, "pk")
        pairs = dict(rows)
        studies = Study.objects.in_bulk(set(pairs.values()))
        found |= {original[uid]: studies[pk] for uid, pk in pairs.items()}
    groupings = {f"uid:{pseudonym}": uid for pseudonym, uid in original.items()}
    found |= {groupings[study.grouping]: study for study in live.filter(grouping__in=groupings)}
    return found
