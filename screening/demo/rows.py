"""The rows of drawn studies, as the services leave them once a batch is screened; no picture lies behind them."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from ml.vocabulary import PIPELINE, Modality
from screening.demo.drawn import POINT, Beside, DemoStudy, Picture
from screening.results.models import Explanation, ExplanationState, ModelVersion, Screening, ScreeningState
from screening.review.models import Answer, Kind, Review
from screening.studies.models import Image, Study, StudyState
from screening.uploads.models import Item, ItemState, Upload
from screening.users.models import User

LABEL: Final = "covid"
SECOND: Final = "second"  # the model that few pictures were shown to
NO_FILE: Final = "plane_missing"  # why no heat map can be drawn
TOOK: Final = timedelta(seconds=30)
READ_AFTER: Final = timedelta(hours=6)
Versions = Mapping[str, ModelVersion]  # by modality, and SECOND


def study_row(drawn: DemoStudy, upload: Upload) -> Study:
    settled = StudyState.INCOMPLETE if drawn.not_assessed else StudyState.READY
    return Study(
        id=drawn.study,
        site_id=upload.site_id,
        upload_id=upload.pk,
        grouping=f"file:{drawn.pictures[0].sha256}" if len(drawn.pictures) == 1 else f"folder:{drawn.study.hex}",
        modality=drawn.modality,
        state=StudyState.REVIEWED if drawn.answer else settled,
        reviewed_revision=1 if drawn.answer else 0,
        flagged=drawn.flagged,
        not_assessed=drawn.not_assessed,
        external_id=f"demo-{drawn.number:07}" if drawn.number % 2 else None,
        created_at=drawn.done_at - TOOK,
        completed_at=drawn.done_at,
    )


def item_rows(drawn: DemoStudy, upload: Upload) -> list[Item]:
    accepted = [
        _item(drawn, upload, picture.item, picture.sha256, f"{place}.png", state=ItemState.ACCEPTED, study=drawn.study)
        for place, picture in enumerate(drawn.pictures)
    ]
    return [*accepted, *(_item_beside(drawn, upload, file) for file in drawn.beside)]


def _item_beside(drawn: DemoStudy, upload: Upload, file: Beside) -> Item:
    repeats = file.state == ItemState.DUPLICATE
    row = _item(
        drawn, upload, file.item, file.sha256, "beside.png", state=file.state, study=drawn.study if repeats else None
    )
    row.code = file.code
    row.duplicate_of_id = drawn.pictures[0].item if repeats else None
    return row


def _item(
    drawn: DemoStudy, upload: Upload, key: UUID, sha256: str, name: str, *, state: ItemState, study: UUID | None
) -> Item:
    path = f"demo/{drawn.number:07}/{name}"
    return Item(
        id=key,
        upload_id=upload.pk,
        path=path,
        path_digest=hashlib.sha256(path.encode()).hexdigest(),
        size=100_000,
        sha256=sha256,
        state=state,
        study_id=study,
        rank=float(drawn.number),
        created_at=drawn.done_at - TOOK,
        received_at=None if state == ItemState.NOT_SENT else drawn.done_at - TOOK,
        done_at=drawn.done_at - TOOK,
        decodes=1 if state == ItemState.ACCEPTED else 0,
    )


def image_row(drawn: DemoStudy, picture: Picture, upload: Upload) -> Image:
    return Image(
        id=picture.image,
        site_id=upload.site_id,
        study_id=drawn.study,
        sha256=picture.sha256,
        kind="png",
        source_name="source.png",
        modality=drawn.modality,
        rows=1024,
        columns=1024,
        not_assessed=picture.code if picture.state == ScreeningState.INCONCLUSIVE else "",
        pixels_sha256=picture.sha256[::-1],
        plane_sha256=picture.sha256[32:] + picture.sha256[:32],
        pipeline=PIPELINE,
        created_at=drawn.done_at - TOOK,
    )


def screening_rows(drawn: DemoStudy, picture: Picture, upload: Upload, versions: Versions) -> list[Screening]:
    asked = [drawn.modality.value, *([SECOND] if drawn.twice and drawn.modality == Modality.XRAY else [])]
    return [_screening(drawn, picture, upload, versions[name], place) for place, name in enumerate(asked)]


def _screening(drawn: DemoStudy, picture: Picture, upload: Upload, version: ModelVersion, place: int) -> Screening:
    scored = picture.score is not None
    return Screening(
        id=UUID(int=picture.image.int ^ (1 + place)),
        site_id=upload.site_id,
        upload_id=upload.pk,
        study_id=drawn.study,
        image_id=picture.image,
        model_version_id=version.pk,
        pipeline=PIPELINE,
        state=picture.state,
        code=picture.code,
        scores=_scores(picture, version),
        thresholds={LABEL: POINT} if scored else {},
        flagged=picture.flagged,
        model_sha256=version.sha256 if scored else "",
        runtime="none" if scored else "",
        precision="none" if scored else "",
        rank=float(drawn.number),
        attempts=1,
        deaths=2 if picture.state == ScreeningState.QUARANTINED else 0,
        created_at=drawn.done_at - TOOK,
        done_at=drawn.done_at,
    )


def _scores(picture: Picture, version: ModelVersion) -> dict[str, float]:
    if picture.score is None:
        return {}
    _, opposite = version.labels
    return {LABEL: picture.score, opposite: round(1 - picture.score, 4)}


def explanation_row(drawn: DemoStudy, screening: Screening) -> Explanation:
    """Give the heat map that a flag is owed, as it ends where the picture is not stored."""
    return Explanation(
        id=UUID(int=screening.pk.int ^ 4),
        site_id=screening.site_id,
        screening_id=screening.pk,
        model_version_id=screening.model_version_id,
        label=LABEL,
        state=ExplanationState.FAILED,
        code=NO_FILE,
        created_at=drawn.done_at,
        done_at=drawn.done_at,
    )


def review_row(drawn: DemoStudy, reader: User) -> Review | None:
    if drawn.answer is None:
        return None
    return Review(
        id=UUID(int=drawn.study.int ^ 1),
        study_id=drawn.study,
        revision=1,
        reader_id=reader.pk,
        finding=LABEL,
        answer=drawn.answer,
        reason="A demo has no picture to look at." if drawn.answer == Answer.NOT_ASSESSABLE else "",
        flagged=drawn.flagged,
        kind=Kind.FIRST,
        created_at=drawn.done_at + READ_AFTER,
    )
