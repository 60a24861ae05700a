"""Twenty drawn studies of every kind, read by ingest, with scores and maps that the tests make up."""

import io
from collections.abc import Callable
from itertools import cycle

import numpy as np
import pytest
from PIL import Image as Pictures

from ml.vocabulary import NotAssessed
from screening.audit.actor import Actor
from screening.flows.correcting import ask_correction, corrections_of
from screening.flows.explained import Drawn, files_of, record_explanations
from screening.flows.scored import record_outcomes
from screening.results.explanations import claim_explanations, next_version
from screening.results.leases import claim_batch, lanes_with_work
from screening.results.models import ModelVersion
from screening.studies.models import Image, Study
from screening.studies.values import ModelIdentity, ScreenOutcome
from screening.uploads.models import Upload
from tests import phantoms
from tests.factories import ModelVersionFactory
from tests.workers.conftest import end_decoders, noop, site, staff, upload_of
from workers.correcting import correct
from workers.crew import Stop
from workers.ingest import ingest_chunk

__all__ = ["end_decoders", "noop", "site", "staff", "upload_of"]

CPU = Actor.service("inference")
SAID = (
    ScreenOutcome(kind="scored", scores={"covid": 0.873251938, "normal": 0.126748062}),
    ScreenOutcome(kind="scored", scores={"covid": 0.031250001, "normal": 0.968749999}),
    ScreenOutcome(kind="scored", scores={"covid": 0.5, "normal": 0.5}),
    ScreenOutcome(kind="inconclusive", code=NotAssessed.OUT_OF_DISTRIBUTION.value, distance=9.0),
    ScreenOutcome(kind="failed", code="not_finite"),
)


def uids(study: int, picture: int = 0, series: int = 0) -> dict[str, str]:
    return {
        "StudyInstanceUID": f"1.2.840.9999.{study}",
        "SeriesInstanceUID": f"1.2.840.9999.{study}.{series}",
        "SOPInstanceUID": f"1.2.840.9999.{study}.{series}.{picture + 1}",
        "PatientID": f"MRN-{study // 2}",
    }


def radiograph(study: int, **more) -> bytes:
    return phantoms.dicom_file(phantoms.radiograph(96, 90, seed=study), **(uids(study) | more))


def inverted(study: int) -> bytes:
    """A captured DX, at which the gate looks: `screened` has it corrected, as a reader would."""
    gray = 255 - phantoms.radiograph(512, 480, seed=study)
    return phantoms.dicom_file(gray, modality="DX", sop_class=phantoms.SECONDARY_CAPTURE, view=None, **uids(study))


def slices(study: int, count: int = 5) -> dict[str, bytes]:
    return {
        f"ct{study}-{place}.dcm": phantoms.dicom_file(
            phantoms.axial_slice(64, seed=study * 10 + place),
            modality="CT",
            view=None,
            window=None,
            rescale=(1, 0),
            orientation=phantoms.AXIAL,
            position=(0, 0, 5.0 * place),
            **uids(study, place),
        )
        for place in range(count)
    }


def twenty() -> dict[str, bytes]:
    """Files of twenty studies."""
    files = {f"dx{n}.dcm": radiograph(n) for n in range(1, 7)}
    files["inverted.dcm"] = inverted(7)
    files |= {f"cr{n}.dcm": radiograph(n, modality="CR") for n in (8, 9)}
    files["older.dcm"] = radiograph(10, PatientAge="093Y", PatientSex="F", ImagerPixelSpacing=[0.2, 0.2])
    files["lateral.dcm"] = radiograph(11, view="LL")
    files["breast.dcm"] = radiograph(12, modality="MG")
    files["two-a.dcm"], files["two-b.dcm"] = radiograph(13), radiograph(13, **uids(13, 1), KVP=90)
    for study in (14, 15):
        files |= slices(study)
    frames = np.stack([phantoms.axial_slice(64, seed=160 + place) for place in range(4)])
    files["enhanced.dcm"] = phantoms.file_of(phantoms.enhanced_ct(frames, **uids(16)))
    files |= {f"{n}.png": phantoms.png_file(phantoms.radiograph(300, 280, seed=170 + n)) for n in range(3)}
    files["plain.jpg"] = phantoms.jpeg_file(phantoms.radiograph(300, 280, seed=180))
    return files


def correct_all() -> None:
    """Correct every picture that the gate found to lie wrong."""
    for image in Image.objects.all():
        for correction in corrections_of(image)[:1]:
            ask_correction(image_id=image.pk, correction=correction, actor=CPU)
            assert correct(image.pk)


def answer_all() -> None:
    """Say something about every picture that waits, each of SAID in turn."""
    said = cycle(SAID)
    for lane in lanes_with_work():
        version = ModelVersion.objects.get(pk=lane)
        lease, rows = claim_batch(model_version_id=lane, limit=500)
        identity = ModelIdentity(name=version.name, sha256=version.sha256, runtime="tensorflow", precision="fp32")
        outcomes = {row.pk: next(said) for row in sorted(rows, key=lambda row: str(row.image.sha256))}
        record_outcomes(lease=lease, model=identity, outcomes=outcomes, timings={}, actor=CPU)


def draw_all_maps() -> None:
    """Lay a made-up map beside every picture that is owed one."""
    while (version := next_version()) is not None:
        lease, rows = claim_explanations(model_version_id=version, limit=50)
        drawn = {}
        for row in rows:
            row.key = f"{row.pk.hex:0<64}"
            for file, kind in zip(files_of(row), ("PNG", "JPEG"), strict=True):
                out = io.BytesIO()
                Pictures.fromarray(phantoms.radiograph(200, 190)).convert("RGB").save(out, kind)
                file.write_bytes(out.getvalue())
            drawn[row.pk] = Drawn(key=row.key, method="grad-cam", field="field-1", outside=0.25)
        record_explanations(lease=lease, drawn=drawn)


@pytest.fixture
def ct_model() -> ModelVersion:
    return ModelVersionFactory(modality="ct", labels=["covid", "normal"], slug="ct-test")


@pytest.fixture
def screened(transactional_db, noop, ct_model, upload_of: Callable[..., Upload]) -> Callable[..., list[Study]]:
    """Send files, read them, answer for the models and draw the maps."""

    def build(files: dict[str, bytes], **options: str) -> list[Study]:
        upload_of(files, **options)
        while ingest_chunk(Stop()):
            pass
        correct_all()
        answer_all()
        draw_all_maps()
        return list(Study.objects.select_related("site", "patient").order_by("created_at", "pk"))

    return build
