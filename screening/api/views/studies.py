"""Studies as integrators poll them: in the order of their changes, so that nothing is missed."""

import hashlib
import time
from typing import Any, Final
from uuid import UUID

import structlog
from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ml.vocabulary import DISCLAIMER_VERSION, PIPELINE, pseudonymous_uid
from screening.api.access import ApiView, caller, one_site, require_still_welcome, visible_study
from screening.api.asking import Asked, change_number, end_of, studies_asked_for
from screening.api.assembling import assembled
from screening.api.repeating import Repeating
from screening.api.schema import answers, described, either
from screening.api.shapes.results import LookupIn, LookupOut
from screening.api.shapes.studies import (
    FieldsQuery,
    StudiesOut,
    StudiesPartOut,
    StudyAnswer,
    StudyPartAnswer,
    StudyQuery,
)
from screening.api.throttling import LookupThrottle
from screening.api.waiting import AGAIN, LONGEST, WATCH, Waited
from screening.review.blinding import Veil
from screening.studies.models import Study, StudyState
from screening.users.keys import site_key
from screening.users.roles import SEE_RESULTS

log = structlog.get_logger("screening.access")
FRESH: Final = {"Cache-Control": "private, no-cache"}
UNCHANGED: Final = OpenApiResponse(description="Nothing changed since the answer with that ETag.")


class Studies(ApiView):
    """Studies of one site in change order."""

    @described(
        operation_id="studies_list",
        summary="Poll results: studies in the order of their changes",
        description=(
            "Keep `cursor` and send it with the next request: it gives what has changed since, and misses nothing. A "
            "study that changes again appears again. Send `If-None-Match` with the last `ETag` to poll cheaply.\n\n"
            f"With `wait` (seconds, at most {LONGEST}) an answer that would be empty or `304` comes once something "
            "changed, or when the time is over. Only so many requests may wait; one that finds no place is answered "
            "at once, with `Retry-After`. With `fields` only those fields of each study are given."
        ),
        parameters=[StudyQuery],
        responses=answers({200: either("Studies", StudiesOut, StudiesPartOut), 304: UNCHANGED}, 400, 404),
    )
    def get(self, request: Request) -> Response | HttpResponse:
        shape = StudyQuery(data=request.query_params)
        shape.is_valid(raise_exception=True)
        asked = shape.validated_data
        site = one_site(request, asked.get("site"), SEE_RESULTS)
        until = time.monotonic() + asked.get("wait", 0)
        number = site.change.number if hasattr(site, "change") else 0  # came with the site, as the role
        veil = Veil(caller(request), role=vars(site)["role"])
        while True:
            answer, news = self._answer(request, site.pk, number, asked, veil)
            left = until - time.monotonic()
            if news or left <= 0:
                return answer
            waited = WATCH.wait(site.pk, beyond=number, seconds=left)
            if waited == Waited.FULL:
                answer["Retry-After"] = str(AGAIN)
            if waited != Waited.CHANGED:
                return answer
            require_still_welcome(request, site.pk)
            veil = Veil(caller(request))  # the role may have changed meanwhile
            number = change_number(site.pk)

    def _answer(
        self, request: Request, site_id: UUID, number: int, asked: Asked, veil: Veil
    ) -> tuple[Response | HttpResponse, bool]:
        """Give the answer as things stand, and whether it tells anything new."""
        etag = _etag(
            site_id, number, _seen_by(veil), sorted((k, v) for k, v in request.query_params.items() if k != "wait")
        )
        if unchanged := unchanged_since(request, etag):
            return unchanged, False
        studies = list(studies_asked_for(site_id, asked, veil)[: asked["limit"] + 1])
        page = studies[: asked["limit"]]
        log.info("viewed", user=caller(request).pk, site=str(site_id), studies=len(page))
        body = {
            "site": site_id,
            "results": assembled(page, veil, asked.get("fields")),
            "cursor": end_of(page, asked),
            "more": len(studies) > len(page),
        }
        shape = StudiesPartOut(body, context=asked) if "fields" in asked else StudiesOut(body)
        return Response(shape.data, headers={"ETag": etag, **FRESH}), bool(page)


def _etag(*parts: Any) -> str:
    """Name a state of what is answered: the site's change number covers every study of it."""
    text = repr((DISCLAIMER_VERSION, PIPELINE, *map(str, parts)))
    return f'W/"{hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'


def _seen_by(veil: Veil) -> str:
    """Name who asks and what they are bound by, where something may be hidden from them."""
    return "" if veil.is_thin else f"{veil.user.pk} {veil.blinded_sites} {veil.class_sets}"


class OneStudy(ApiView):
    """One study."""

    @described(
        operation_id="studies_read",
        summary="A study, its pictures, and what models and readers said",
        description="Send `If-None-Match` with the last `ETag` to poll cheaply. With `fields` only those are given.",
        parameters=[FieldsQuery],
        responses=answers({200: either("Study", StudyAnswer, StudyPartAnswer), 304: UNCHANGED}, 400, 404),
    )
    def get(self, request: Request, study_id: UUID) -> Response | HttpResponse:
        shape = FieldsQuery(data=request.query_params)
        shape.is_valid(raise_exception=True)
        asked = shape.validated_data
        study = visible_study(request, study_id)
        veil = Veil(caller(request))
        hidden = bool(veil.hides([study.pk]))
        etag = _etag(study.pk, study.change_number, hidden, *asked.get("fields", ()))
        if unchanged := unchanged_since(request, etag):
            return unchanged
        log.info("viewed", user=caller(request).pk, site=str(study.site_id), study=str(study.pk))
        [values] = assembled([study], veil, asked.get("fields"))
        answer = StudyPartAnswer(values, context=asked) if "fields" in asked else StudyAnswer(values)
        return Response(answer.data, headers={"ETag": etag, **FRESH})


def unchanged_since(request: Request, etag: str) -> HttpResponse | None:
    """Give the answer without a body if the caller has this state already."""
    unchanged = get_conditional_response(request._request, etag=etag)  # noqa: SLF001 - DRF's way to Django's own
    if unchanged is not None:
        unchanged["ETag"] = etag
        for name, value in FRESH.items():
            unchanged[name] = value
    return unchanged


class Lookup(ApiView):
    """Original identifiers to studies."""

    repeating = Repeating.READS
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
