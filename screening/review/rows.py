"""A page of a tray as people see it. Nothing here knows a path or the name of an upload."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from ml.vocabulary import NotAssessed
from screening.results.models import Screening, ScreeningState, SeriesResult
from screening.results.opinions import Opinion, of_series, of_study
from screening.results.selectors import NOT_ASSESSED, flag_word, study_word, why
from screening.review.models import Answer, Review
from screening.review.order import Place
from screening.studies.models import Image, Study
from screening.uploads.models import Upload
from screening.users.models import User
from screening.users.roles import READERS, sites_where


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a model has no score, and of how many pictures."""

    sentence: str
    pictures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One study of a tray."""

    study: Study
    word: str
    opinions: tuple[Opinion, ...]
    answers: tuple[str, ...]
    pictures: int
    cover: UUID | None
    reasons: tuple[Reason, ...] = ()
    has_score: bool = False
    due: datetime | None = None
    is_overdue: bool = False
    held_by: str = ""

    @property
    def short(self) -> str:
        return str(self.study.pk)[:8]

    @property
    def is_unseen(self) -> bool:
        """Whether models told nothing of this study, so that it may be answered at one stroke."""
        return not self.study.flagged and not self.has_score

    @property
    def badge(self) -> str:
        return self.word.replace(" ", "-")


def rows_of(places: Sequence[Place], held: Mapping[UUID, str] = MappingProxyType({})) -> list[Row]:
    """The studies of a page, in the given order, with a fixed number of queries."""
    study_ids = [place.study for place in places]
    studies = Study.objects.filter(pk__in=study_ids).select_related("site").in_bulk()
    screenings: dict[UUID, list[Screening]] = defaultdict(list)
    found = Screening.objects.filter(study_id__in=study_ids, image__superseded=False).select_related(
        "model_version", "image"
    )
    for screening in found.defer("model_version__card", "timings", "image__facts", "image__timings"):
        screenings[screening.study_id].append(screening)
    series: dict[UUID, list[SeriesResult]] = defaultdict(list)
    for result in (
        SeriesResult.objects.filter(study_id__in=study_ids).select_related("model_version").defer("model_version__card")
    ):
        series[result.study_id].append(result)
    images: dict[UUID, list[UUID]] = defaultdict(list)
    standing = Image.objects.filter(study_id__in=study_ids, superseded=False)
    for study_id, image_id in standing.values_list("study_id", "pk"):
        images[study_id].append(image_id)
    answers = _answers(study_ids)
    now = timezone.now()
    rows = (_row(studies[pk], screenings[pk], series[pk], images[pk], answers[pk]) for pk in study_ids if pk in studies)
    dues = {place.study: place.due for place in places}
    return [
        replace(
            row,
            due=dues[row.study.pk],
            is_overdue=dues[row.study.pk] <= now,
            held_by=held.get(row.study.pk, ""),
        )
        for row in rows
    ]


def _row(
    study: Study,
    screenings: Sequence[Screening],
    series: Sequence[SeriesResult],
    images: Sequence[UUID],
    answers: Sequence[str],
) -> Row:
    return Row(
        study=study,
        word=study_word(study),
        opinions=tuple(of_study(screenings, series)),
        answers=tuple(answers),
        pictures=len(images),
        cover=_cover(screenings, images),
        reasons=_reasons(screenings, series),
        has_score=any(row.state == ScreeningState.SCORED for row in screenings)
        or any(result.outcome == ScreeningState.SCORED for result in series),
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
    reviews = Review.objects.filter(study_id__in=study_ids, superseded_by__isnull=True).order_by("created_at")
    for study_id, finding, answer in reviews.values_list("study_id", "finding", "answer"):
        standing[study_id].append(f"{finding}: {Answer(answer).label.lower()}")
    return standing


@dataclass(frozen=True, slots=True)
class UploadChoice:
    """An upload as readers may know it: when it came and how much, never what its folder was called."""

    pk: UUID
    came: datetime
    site: str


def upload_choices(user: User | AnonymousUser, limit: int = 50) -> list[UploadChoice]:
    """The latest uploads of the reader's sites that brought studies."""
    # Neither a join, since an upload has thousands of studies, nor a question that all of them could be read for.
    first = Study.objects.filter(upload=OuterRef("pk")).order_by("state", "completed_at").values("pk")[:1]
    uploads = Upload.objects.filter(site__in=sites_where(user, READERS), purged_at__isnull=True)
    brought = uploads.alias(first=Subquery(first)).filter(first__isnull=False)
    rows = brought.order_by("-created_at").values_list("pk", "created_at", "site__name")[:limit]
    return [UploadChoice(*row) for row in rows]
