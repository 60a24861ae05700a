"""QIDO-RS: kept objects found by their de-identified attributes."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Exists, Min, OuterRef, QuerySet
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from screening.addresses import whole_address
from screening.api.access import caller, sites
from screening.dicomweb.answers import JSON, DicomwebView, Tags, require_json, told
from screening.dicomweb.catalogue import unpacked
from screening.dicomweb.models import DicomHeader
from screening.dicomweb.queries import INSTANCE, SERIES, STUDY, Query
from screening.dicomweb.retrieving import log
from screening.studies.models import Study, StudyState

# What is told of each level beside its identifiers (PS3.18, tables 10.6.3-3 to -5), where the object holds it.
OF_STUDY: Final = (
    *("00080005", "00080020", "00080030", "00080050", "00080090"),
    *("00100010", "00100020", "00100030", "00100040", "0020000D", "00200010"),
)
OF_SERIES: Final = ("00080005", "00080060", "0020000D", "0020000E", "00200011")
OF_INSTANCE: Final = (
    *("00080005", "00080016", "00080018", "00080060", "0020000D", "0020000E", "00200013"),
    *("00280008", "00280010", "00280011", "00280100"),
)
NOT_FUZZY: Final = (
    '299 chest-screening: "The fuzzymatching parameter is not supported. Only literal matching has been performed."'
)
MORE: Final = '299 chest-screening: "There are more results than are given at once. Go on with offset."'


class Search(DicomwebView):
    """The base of the three levels. Addresses name what is searched within."""

    level = STUDY

    def get(self, request: Request, study_uid: str = "", series_uid: str = "") -> Response:
        require_json(request)
        query = Query.of(request, self.level, study_uid=study_uid, series_uid=series_uid)
        own = list(sites(request).values_list("pk", flat=True))
        found = self.found(request, own, replace(query, limit=query.limit + 1))
        more, found = len(found) > query.limit, found[: query.limit]
        log.info("searched", user=caller(request).pk, sites=len(own), level=self.level, found=len(found))
        warnings = [text for text, holds in ((NOT_FUZZY, query.fuzzy), (MORE, more)) if holds]
        headers = {"Cache-Control": "private, no-store"} | ({"Warning": ", ".join(warnings)} if warnings else {})
        return Response(found, content_type=JSON, headers=headers)

    def found(self, request: Request, own: Sequence[UUID], query: Query) -> list[Tags]:
        """Give one page of what was asked for."""
        raise NotImplementedError


def headers_of(own: Sequence[UUID]) -> QuerySet[DicomHeader]:
    """Headers that may be told of: of objects of these sites that have an address, in studies that were not deleted."""
    live = DicomHeader.objects.filter(site__in=own).exclude(study__state=StudyState.PURGED)
    return live.exclude(study_uid="").exclude(series_uid="")


class Studies(Search):
    """Studies, the latest first."""

    def found(self, request: Request, own: Sequence[UUID], query: Query) -> list[Tags]:
        fitting = query.narrow(headers_of(own))
        live = Study.objects.filter(site__in=own, grouping__startswith="uid:").exclude(state=StudyState.PURGED)
        if query.uids("study_uid"):
            live = live.filter(grouping__in=[f"uid:{uid}" for uid in query.uids("study_uid")])
        studies = live.filter(Exists(fitting.filter(study=OuterRef("pk")))).order_by("-created_at", "pk")
        keys = list(studies.values_list("pk", flat=True)[query.offset : query.offset + query.limit])
        groups = _groups(own, keys)
        first = _by_uid(own, [groups[key].first for key in keys])
        return [_study(request, first[groups[key].first], groups[key]) for key in keys]


@dataclass(slots=True)
class _Group:
    """What is counted of one study."""

    first: str
    series: int
    instances: int
    modalities: list[str]


def _groups(own: Sequence[UUID], keys: Sequence[UUID]) -> dict[UUID, _Group]:
    rows = headers_of(own).filter(study__in=keys).order_by().values_list("study_id", "series_uid", "modality")
    series: dict[UUID, dict[str, tuple[str, str, int]]] = defaultdict(dict)
    for study, uid, modality, first, count in rows.annotate(first=Min("instance_uid"), count=Count("pk")):
        series[study][f"{uid} {modality}"] = (first, modality, count)
    return {
        study: _Group(
            first=min(first for first, _, _ in parts.values()),
            series=len({name.partition(" ")[0] for name in parts}),
            instances=sum(count for _, _, count in parts.values()),
            modalities=sorted({modality for _, modality, _ in parts.values() if modality}),
        )
        for study, parts in series.items()
    }


def _study(request: Request, header: DicomHeader, group: _Group) -> Tags:
    return _of(header, OF_STUDY) | {
        "00080056": told("CS", "ONLINE"),
        "00080061": told("CS", *group.modalities),
        "00081190": told("UR", address(request, header, STUDY)),
        "00201206": told("IS", group.series),
        "00201208": told("IS", group.instances),
    }


class Series(Search):
    """Series, in the order of their identifiers."""

    level = SERIES

    def found(self, request: Request, own: Sequence[UUID], query: Query) -> list[Tags]:
        grouped = query.narrow(headers_of(own)).order_by("site", "study_uid", "series_uid")
        rows = grouped.values("site", "study_uid", "series_uid").annotate(first=Min("instance_uid"), count=Count("pk"))
        page = list(rows[query.offset : query.offset + query.limit])
        first = _by_uid(own, [row["first"] for row in page])
        return [
            _of(first[row["first"]], OF_SERIES)
            | {
                "00081190": told("UR", address(request, first[row["first"]], SERIES)),
                "00201209": told("IS", row["count"]),
            }
            for row in page
        ]


class Instances(Search):
    """Objects, in the order of their identifiers."""

    level = INSTANCE

    def found(self, request: Request, own: Sequence[UUID], query: Query) -> list[Tags]:
        rows = query.narrow(headers_of(own)).order_by("site", "study_uid", "series_uid", "instance_uid")
        return [
            _of(header, OF_INSTANCE)
            | {"00080056": told("CS", "ONLINE"), "00081190": told("UR", address(request, header, INSTANCE))}
            for header in rows[query.offset : query.offset + query.limit]
        ]


def _by_uid(own: Sequence[UUID], uids: Iterable[str]) -> Mapping[str, DicomHeader]:
    return {header.instance_uid: header for header in headers_of(own).filter(instance_uid__in=list(uids))}


def _of(header: DicomHeader, tags: Sequence[str]) -> Tags:
    whole: dict[str, Any] = json.loads(unpacked(header.metadata))
    return {tag: whole[tag] for tag in tags if tag in whole}


def address(request: Request, header: DicomHeader, level: str) -> str:
    """Give where a study, a series or an object can be had."""
    parts = {"study_uid": header.study_uid}
    if level in {SERIES, INSTANCE}:
        parts["series_uid"] = header.series_uid
    if level == INSTANCE:
        parts["instance_uid"] = header.instance_uid
    return whole_address(request, reverse(f"dicomweb:{level}", kwargs=parts))
