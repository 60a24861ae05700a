"""What a search of QIDO-RS asks for (PS3.18, 8.3.4), read from its address.

An attribute that cannot be searched is refused: to pass over it would find more than was asked for.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

from django.db.models import Exists, OuterRef, Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from screening.dicomweb.models import DicomHeader

STUDY: Final = "study"
SERIES: Final = "series"
INSTANCE: Final = "instance"
USUAL: Final = 100  # results
MOST: Final = 1000
DAY: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
MOST_UIDS: Final = 200
PASSED_OVER: Final = frozenset({"includefield"})

# By keyword: tag, what is compared, and the levels at which it may be asked for.
SEARCHED: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "StudyInstanceUID": ("0020000D", "study_uid", (STUDY, SERIES, INSTANCE)),
    "StudyDate": ("00080020", "study_date", (STUDY, SERIES, INSTANCE)),
    "ModalitiesInStudy": ("00080061", "modalities", (STUDY, SERIES, INSTANCE)),
    "PatientID": ("00100020", "patient", (STUDY, SERIES, INSTANCE)),
    "SeriesInstanceUID": ("0020000E", "series_uid", (SERIES, INSTANCE)),
    "Modality": ("00080060", "modality", (SERIES, INSTANCE)),
    "SOPInstanceUID": ("00080018", "instance_uid", (INSTANCE,)),
    "SOPClassUID": ("00080016", "sop_class", (INSTANCE,)),
}
UIDS: Final = frozenset({"study_uid", "series_uid", "instance_uid", "sop_class"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One search: values by what they are compared with, and which page."""

    asked: dict[str, str]
    offset: int
    limit: int
    fuzzy: bool

    @classmethod
    def of(cls, request: Request, level: str, *, study_uid: str, series_uid: str) -> Self:
        """Read a request.

        Raises:
            ValidationError: an attribute that is not searched at this level, or a value that is none. Not repeated.
        """
        given = request.query_params
        asked = {column: uid for column, uid in (("study_uid", study_uid), ("series_uid", series_uid)) if uid}
        for name in given:
            if name in {"limit", "offset", "fuzzymatching"} or name in PASSED_OVER or not given[name]:
                continue
            column = _column(name, level)
            if asked.get(column, given[name]) != given[name]:
                raise ValidationError({name: ["The address names another."]})
            asked[column] = given[name]
        if any(CONTROL.search(value) for value in asked.values()):  # PostgreSQL takes no NUL in a text that it compares
            raise ValidationError({"query": ["A value holds control characters."]})
        query = cls(
            asked=asked,
            offset=_number(given.get("offset", "0"), "offset"),
            limit=min(MOST, _number(given.get("limit", str(USUAL)), "limit")),
            fuzzy=given.get("fuzzymatching", "").lower() == "true",
        )
        query.narrow(DicomHeader.objects.none())  # so that a value that is none is refused before anything is read
        return query

    def uids(self, column: str) -> list[str]:
        """Give the identifiers that were asked for; none where any will do."""
        listed = [uid.strip() for uid in self.asked.get(column, "").replace("\\", ",").split(",") if uid.strip()]
        if len(listed) > MOST_UIDS:
            raise ValidationError({column: [f"At most {MOST_UIDS} identifiers can be asked for."]})
        return listed

    def narrow(self, headers: QuerySet[DicomHeader]) -> QuerySet[DicomHeader]:
        """Leave the headers that fit."""
        for column in UIDS.intersection(self.asked):
            headers = headers.filter(**{f"{column}__in": self.uids(column)})
        if "study_date" in self.asked:
            headers = headers.filter(_dates(self.asked["study_date"]))
        if "modality" in self.asked:
            headers = headers.filter(modality=self.asked["modality"].upper())
        if "patient" in self.asked:
            headers = headers.filter(study__patient__pseudonym=self.asked["patient"])
        if "modalities" in self.asked:
            wanted = self.asked["modalities"].upper().replace("\\", ",").split(",")
            inside = DicomHeader.objects.filter(study=OuterRef("study"), modality__in=wanted)
            headers = headers.filter(Exists(inside))
        return headers


def _column(name: str, level: str) -> str:
    for keyword, (tag, column, levels) in SEARCHED.items():
        if name in {keyword, tag, tag.lower()} and level in levels:
            return column
    possible = ", ".join(keyword for keyword, (_, _, levels) in SEARCHED.items() if level in levels)
    raise ValidationError({"query": [f"At this level these can be searched: {possible}."]})


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ValidationError({name: ["A whole number is needed."]})
    return int(text)


def _dates(text: str) -> Q:
    """Read a date or a range of dates, `20240101-20240131`, open at one end if need be."""
    first, dash, last = text.partition("-")
    if not dash:
        return Q(study_date=_date(first))
    if not first and not last:
        raise ValidationError({"StudyDate": ["A range has a beginning or an end."]})
    return (Q(study_date__gte=_date(first)) if first else Q()) & (Q(study_date__lte=_date(last)) if last else Q())


def _date(text: str) -> date:
    try:
        return date.fromisoformat(DAY.sub(r"\1-\2-\3", text) if DAY.fullmatch(text) else "")
    except ValueError as error:
        raise ValidationError({"StudyDate": ["A date is written YYYYMMDD, a range YYYYMMDD-YYYYMMDD."]}) from error
