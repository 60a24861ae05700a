"""A page of a tray as people see it. Nothing here knows a path or the name of an upload."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import ngettext

from ml.vocabulary import NotAssessed
from screening.prepared import Prepared
from screening.results.models import Screening, ScreeningState, SeriesResult
from screening.results.opinions import Opinion, of_series, of_study
from screening.results.selectors import NOT_ASSESSED, flag_word, study_word, why
from screening.review.models import Answer, Review
from screening.review.order import Place
from screening.review.row_texts import RowText, RowTexts
from screening.studies.models import Image, Study
from screening.uploads.models import Upload
from screening.users.models import User
from screening.users.roles import READERS, sites_of

CHOICES: Final = 50  # uploads, the latest

# What a row asks of a screening, and no more of its picture and its model.
_TOLD: Final = (
    *("study", "state", "flagged", "code", "scores", "thresholds", "model_sha256", "image", "image__notes"),
    *("model_version", "model_version__slug", "model_version__version", "model_version__labels"),
)
_IN_STUDY: Final = ("series_uid", "position", "sha256", "frame")  # the order of a study's pictures

# What a page asks, each of the studies that it shows.
_STUDIES: Final = Prepared(lambda keys: Study.objects.filter(pk__in=keys))
_SCREENINGS: Final = Prepared(
    lambda keys: (
        Screening.objects.filter(study_id__in=keys, image__superseded=False)
        .select_related("model_version", "image")
        .only(*_TOLD)
    )
)
_SERIES: Final = Prepared(
    lambda keys: (
        SeriesResult.objects.filter(study_id__in=keys).select_related("model_version").defer("model_version__card")
    )
)
_IMAGES: Final = Prepared(
    lambda keys: (
        Image.objects.filter(study_id__in=keys, superseded=False).order_by(*_IN_STUDY).values_list("study_id", "pk")
    )
)
_REVIEWS: Final = Prepared(
    lambda keys: (
        Review.objects.filter(study_id__in=keys, superseded_by__isnull=True)
        .order_by("created_at")
        .values_list("study_id", "finding", "answer")
    )
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a model has no score, and of how many pictures."""

    sentence: str
    pictures: int

    @property
    def counted(self) -> str:
        return ngettext("%(n)s picture", "%(n)s pictures", self.pictures) % {"n": self.pictures}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One study of a tray."""

    study: Study
    word: str
    opinions: tuple[Opinion, ...]
    answers: tuple[str, ...]
    pictures: int
    cover: UUID | None
    reasons: tuple[Reason, ...]
    has_score: bool
    due: datetime
    is_overdue: bool
    held_by: str
    text: RowText

    @property
    def is_unseen(self) -> bool:
        """Whether models told nothing of this study, so that it may be answered at one stroke."""
        return not self.study.flagged and not self.has_score


def rows_of(places: Sequence[Place], held: Mapping[UUID, str] = MappingProxyType({})) -> list[Row]:
    """The studies of a page, in the given order, with a fixed number of queries."""
    study_ids = [place.study for place in places]
    studies = {study.pk: study for study in _STUDIES(study_ids)}
    screenings: dict[UUID, list[Screening]] = defaultdict(list)
    for screening in _SCREENINGS(study_ids):
        screenings[screening.study_id].append(screening)
    series: dict[UUID, list[SeriesResult]] = defaultdict(list)
    for result in _SERIES(study_ids):
        series[result.study_id].append(result)
    images: dict[UUID, list[UUID]] = defaultdict(list)
    for study_id, image_id in _IMAGES(study_ids):
        images[study_id].append(image_id)
    answers = _answers(study_ids)
    texts = RowTexts(timezone.now())
    return [
        _row(
            studies[place.study],
            place.due,
            screenings[place.study],
            series[place.study],
            images[place.study],
            answers[place.study],
            held_by=held.get(place.study, ""),
            texts=texts,
        )
        for place in places
        if place.study in studies
    ]


def _row(
    study: Study,
    due: datetime,
    screenings: Sequence[Screening],
    series: Sequence[SeriesResult],
    images: Sequence[UUID],
    answers: Sequence[str],
    *,
    held_by: str,
    texts: RowTexts,
) -> Row:
    cover = _cover(screenings, images)
    return Row(
        study=study,
        word=study_word(study),
        opinions=tuple(of_study(screenings, series)),
        answers=tuple(answers),
        pictures=len(images),
        cover=cover,
        reasons=_reasons(screenings, series),
        has_score=any(row.state == ScreeningState.SCORED for row in screenings)
        or any(result.outcome == ScreeningState.SCORED for result in series),
        due=due,
        is_overdue=due <= texts.now,
        held_by=held_by,
        text=texts.of(study, due=due, cover=cover, pictures=len(images), held_by=held_by),
    )


def _reasons(screenings: Sequence[Screening], series: Sequence[SeriesResult]) -> tuple[Reason, ...]:
    """Why pictures have no score, each reason once, also where another picture of the study is flagged."""
    scored = {row.image_id for row in screenings if row.state == ScreeningState.SCORED}
    told = Counter(
        why(row)
        for row in screenings
        # That a model is for another modality is no news of a picture that one for the right one has scored.
        if flag_word(row) == NOT_ASSESSED and not (row.code == NotAssessed.WRONG_MODALITY and row.image_id in scored)
    )
    told.update(one.sentence for one in map(of_series, series) if one.word == NOT_ASSESSED)
    return tuple(Reason(sentence, pictures) for sentence, pictures in told.most_common())


def _cover(screenings: Sequence[Screening], images: Sequence[UUID]) -> UUID | None:
    """The picture that stands for the study: the flagged one with the highest score, else the middle one."""
    flagged = [row for row in screenings if row.flagged]
    if flagged:
        return max(flagged, key=lambda row: max(row.scores.get(label, 0.0) for label in row.thresholds)).image_id
    return images[len(images) // 2] if images else None


def _answers(study_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    standing: dict[UUID, list[str]] = defaultdict(list)
    for study_id, finding, answer in _REVIEWS(study_ids):
        standing[study_id].append(f"{finding}: {Answer(answer).label.lower()}")
    return standing


@dataclass(frozen=True, slots=True)
class UploadChoice:
    """An upload as readers may know it: when it came and how much, never what its folder was called."""

    pk: UUID
    came: datetime
    site: str


def upload_choices(user: User) -> list[UploadChoice]:
    """The latest uploads of the reader's sites that brought studies."""
    return [UploadChoice(*row) for row in _UPLOADS(user.pk)]


def _uploads(user_id: int) -> QuerySet[Upload, tuple[UUID, datetime, str]]:
    # Neither a join, since an upload has thousands of studies, nor a question that all of them could be read for.
    first = Study.objects.filter(upload=OuterRef("pk")).order_by("state", "completed_at").values("pk")[:1]
    uploads = Upload.objects.filter(site__in=sites_of(user_id, READERS), purged_at__isnull=True)
    brought = uploads.alias(first=Subquery(first)).filter(first__isnull=False)
    return brought.order_by("-created_at").values_list("pk", "created_at", "site__name")[:CHOICES]


_UPLOADS: Final = Prepared(_uploads)
