"""A site at work, drawn: studies with previews in every state, for pages to be looked at."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from PIL import Image as Picture

from ml.explain.overlay import overlay
from ml.images.preview import make_preview
from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.flows.explained import files_of
from screening.results.models import Explanation, ModelVersion, ScreeningState, SeriesResult
from screening.studies.models import Image, Study
from screening.uploads.models import ItemState, Upload
from screening.uploads.storage import blob_folder
from screening.users.models import Role, Site, User
from tests.factories import (
    ExplanationFactory,
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)
from tests.phantoms import axial_slice, radiograph

SCORES = (0.91, 0.62, 0.44, 0.87, 0.51, 0.73)
PARTS = {"no_lungs": 0.87, "border_only": 0.34}
CARD = {
    "limits": ["For frontal chest radiographs of adults.", "Scores are not probabilities."],
    "operating_points": {"covid": {"value": 0.41, "rule": "sensitivity 0.95 by patient", "low": 0.3, "high": 0.52}},
    "metrics": {
        "val": {
            "pictures": 314,
            "auc": {"covid": {"value": 0.99, "low": 0.97, "high": 1.0}},
            "sources": {"first/collection": {"pictures": 77, "accuracy": {"value": 0.84, "low": 0.75, "high": 0.91}}},
        }
    },
    "trivial_baselines": {"geometry only": {"covid": {"value": 0.98, "low": 0.95, "high": 1.0}}},
    "shortcut": {
        "verdict": "shortcut likely",
        "text": "with the lungs blanked out the AUC for covid is 0.98, against 0.99 with them.",
        "labels": {
            "covid": {
                "verdict": "shortcut likely",
                "auc": {
                    "original": {"retrained": {"value": 0.99, "low": 0.98, "high": 1.0}},
                    "no_lungs": {"retrained": {"value": 0.98, "low": 0.97, "high": 0.99}},
                    "border_only": {"retrained": {"value": 0.97, "low": 0.95, "high": 0.98}},
                },
            }
        },
    },
    "licence": "research and education only",
}


@dataclass(frozen=True)
class Scene:
    site: Site
    staff: User
    reader: User
    admin: User
    xray: ModelVersion
    ct: ModelVersion
    upload: Upload
    flagged: tuple[Study, ...]
    series: Study
    not_assessed: Study


def a_site_at_work() -> Scene:
    """Draw a site with a finished upload: flagged studies, a CT series, one not assessed, one not flagged."""
    site = SiteFactory(name="Teaching hospital")
    staff = UserFactory(username="sam", role_at=(site, Role.STAFF))
    xray = ModelVersionFactory(
        slug="xray-covid-3class",
        title="COVID-19, other pneumonia or normal",
        labels=["covid", "pneumonia", "normal"],
        card=CARD,
        threshold=0.41,
    )
    ct = ModelVersionFactory(slug="ct-covid", title="COVID-19 on CT slices", modality="ct", card=CARD, threshold=0.55)
    upload = UploadFactory(
        site=site, created_by=staff, name="Ward 3, November", finished=True, models_chosen=[xray.name, ct.name]
    )
    flagged = tuple(_flagged(upload, xray, place) for place in range(len(SCORES)))
    _refused(upload)
    return Scene(
        site=site,
        staff=staff,
        reader=UserFactory(username="rea", role_at=(site, Role.REVIEWER)),
        admin=UserFactory(username="ada", role_at=(site, Role.ADMIN)),
        xray=xray,
        ct=ct,
        upload=upload,
        flagged=flagged,
        series=_series(upload, ct),
        not_assessed=_not_assessed(upload, xray),
    )


def _flagged(upload: Upload, version: ModelVersion, place: int) -> Study:
    done = timezone.now() - timedelta(hours=9 - place)
    study = StudyFactory(upload=upload, flagged_ready=True, completed_at=done)
    draft = Draft(ChainKind.STUDY, study.pk, study.site_id, "study:received", {"images": 1})
    with transaction.atomic():
        record(Actor.service("ingest"), [draft])
    image = _picture(study, place, notes=["window_guessed"] if place == 1 else [])
    _item(upload, image, place)
    covid = SCORES[place]
    rest = round(1 - covid, 2)
    row = ScreeningFactory(
        image=image,
        model_version=version,
        scored=True,
        flagged=True,
        scores={"covid": covid, "pneumonia": round(rest * 0.7, 3), "normal": round(rest * 0.3, 3)},
        thresholds={"covid": 0.41},
        model_sha256="a1" * 32,
        runtime="tensorflow",
        precision="fp32",
        done_at=done,
    )
    _map(
        ExplanationFactory(screening=row, drawn=True, outside=0.18 + place / 20, altered=PARTS | {"original": covid}),
        study.images.get(),
    )
    return study


def _map(explanation: Explanation, image: Image) -> None:
    """A warm spot in the lower left of the picture, and the same laid over the preview."""
    y, x = np.mgrid[0:512, 0:512] / 512
    heat = np.exp(-(((x - 0.68) / 0.11) ** 2 + ((y - 0.62) / 0.14) ** 2)).astype(np.float32)
    raw, over = files_of(explanation)
    Picture.fromarray((heat * 255).astype(np.uint8)).save(raw)
    with Picture.open(blob_folder(image.site_id, image.sha256) / f"{image.frame}.jpg") as gray:
        Picture.fromarray(overlay(np.asarray(gray), heat)).save(over)


def _series(upload: Upload, version: ModelVersion) -> Study:
    study = StudyFactory(
        upload=upload, modality="ct", flagged_ready=True, completed_at=timezone.now() - timedelta(minutes=40)
    )
    for place in range(12):
        gray = ((axial_slice(192, seed=place) + 1350.0) / 1500 * 255).clip(0, 255).astype("uint8")
        image = _picture(study, 40 + place, gray=gray, position=float(place * 5), series_uid="1.2.3")
        covid = round(0.2 + 0.06 * place, 3)
        ScreeningFactory(
            image=image,
            model_version=version,
            scored=True,
            flagged=covid >= 0.55,
            scores={"covid": covid, "normal": round(1 - covid, 3)},
            thresholds={"covid": 0.55},
        )
    SeriesResult.objects.create(
        study=study,
        model_version=version,
        pipeline="plane-1",
        outcome="scored",
        slices=12,
        scores={"covid": 0.8, "normal": 0.2},
        thresholds={"covid": 0.55},
        flagged=True,
    )
    return study


def _not_assessed(upload: Upload, version: ModelVersion) -> Study:
    study = StudyFactory(upload=upload, incomplete=True, completed_at=timezone.now() - timedelta(hours=3))
    image = _picture(study, 60, not_assessed="not_chest")
    _item(upload, image, 60)
    ScreeningFactory(image=image, model_version=version, state=ScreeningState.INCONCLUSIVE, code="not_chest")
    return study


def _refused(upload: Upload) -> None:
    ItemFactory(upload=upload, path="ward 3/notes.txt", state=ItemState.REJECTED, code="not_an_image_file", size=812)
    ItemFactory(upload=upload, path="ward 3/scan 4.dcm", state=ItemState.REJECTED, code="truncated", size=120_411)


def _item(upload: Upload, image: Image, place: int) -> None:
    path = f"ward 3/patient {place + 1}/frontal.png"
    ItemFactory(
        upload=upload, accepted=True, path=path, sha256=image.sha256, study_id=image.study_id, size=184_000 + place
    )


def _picture(study: Study, seed: int, gray=None, **more) -> Image:
    gray = radiograph(640, 600, seed=seed) if gray is None else gray
    image = ImageFactory(study=study, sha256=f"{seed:064x}", rows=gray.shape[0], columns=gray.shape[1], **more)
    folder = blob_folder(image.site_id, image.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0.jpg").write_bytes(make_preview(gray))
    return image


def opened(enter, scene, study):
    """The page of a study, opened by the scene's reader once its viewer is ready."""
    page = enter(scene.reader, reverse("review:study", args=[study.pk]))
    page.wait_for_selector("[data-viewer][data-ready]")
    return page
