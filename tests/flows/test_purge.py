"""What was sent by mistake goes, and nothing else."""

import shutil

import pytest

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import verify_chain
from screening.flows import purge
from screening.flows.integrity import find_violations
from screening.flows.purge import purge_study, purge_upload
from screening.results.models import Screening
from screening.studies.models import Image, StudyState
from screening.uploads.models import ItemState
from screening.uploads.storage import blob_folder
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)
STAFF = Actor("user:1")


def brought(upload, study, version, **outcome):
    """A picture that an upload brought to a study, with its kept files."""
    image = ImageFactory(study=study)
    item = ItemFactory(upload=upload, accepted=True, sha256=image.sha256, study_id=study.pk)
    ScreeningFactory(image=image, model_version=version, upload=upload, **outcome)
    folder = blob_folder(image.site_id, image.sha256)
    folder.mkdir(parents=True)
    (folder / "0.jpg").write_bytes(b"preview")
    return image, item, folder


@pytest.fixture
def shared():
    """A study of two uploads; the later one, sent by mistake, brought a flagged picture."""
    version = ModelVersionFactory()
    first = UploadFactory(finished=True)
    late = UploadFactory(finished=True, site=first.site)
    study = StudyFactory(upload=late, grouping="uid:1", flagged_ready=True)
    return (
        first,
        late,
        study,
        brought(first, study, version, scored=True),
        brought(late, study, version, scored_flagged=True),
    )


@pytest.fixture(autouse=True)
def clean():
    yield
    for image in Image.objects.all():
        shutil.rmtree(blob_folder(image.site_id, image.sha256), ignore_errors=True)


def test_purging_an_upload_leaves_what_others_brought_to_its_studies(shared):
    first, late, study, (kept, item, kept_folder), (_, mistaken, gone_folder) = shared
    path = item.path

    purge_upload(upload_id=late.pk, actor=STAFF)

    for row in (study, item, mistaken):
        row.refresh_from_db()
    assert (study.state, study.flagged, study.upload_id) == (StudyState.READY, False, first.pk)
    assert list(Image.objects.all()) == [kept]
    assert Screening.objects.get().image_id == kept.pk
    assert (item.path, mistaken.path) == (path, "")
    assert (kept_folder.exists(), gone_folder.exists()) == (True, False)
    assert AuditEvent.objects.filter(action="study:pictures_deleted").count() == 1
    assert verify_chain(ChainKind.STUDY, study.pk).intact
    assert [v for v in find_violations(blobs=False) if v.check in {"studies", "accepted", "images"}] == []


def test_documents_of_a_study_go_when_a_part_of_what_they_tell_is_purged(shared):
    _, late, _, (_, _, kept_folder), _ = shared
    for name in ("doc.report.0123.dcm", "doc.fhir.0123.json", "doc.fhir.0123.json.refused"):
        (kept_folder / name).write_bytes(b"tells of both pictures")

    purge_upload(upload_id=late.pk, actor=STAFF)

    assert [path.name for path in kept_folder.iterdir()] == ["0.jpg"]


def test_a_study_goes_with_its_last_picture(shared):
    first, late, study, (_, _, folder), _ = shared

    purge_upload(upload_id=late.pk, actor=STAFF)
    purge_upload(upload_id=first.pk, actor=STAFF)

    study.refresh_from_db()
    assert study.state == StudyState.PURGED
    assert not Image.objects.exists()
    assert not folder.exists()


def test_purging_a_study_takes_every_picture_of_it(shared):
    study = shared[2]

    purge_study(study_id=study.pk, actor=STAFF)

    study.refresh_from_db()
    assert (study.state, Image.objects.count(), Screening.objects.count()) == (StudyState.PURGED, 0, 0)


@pytest.mark.parametrize("state", [ItemState.RECEIVED, ItemState.ACCEPTED])
def test_a_file_that_comes_back_while_it_is_purged_keeps_its_bytes(shared, monkeypatch, state):
    _, late, study, _, (image, _, folder) = shared
    delete = purge._purge_rows

    def then_the_same_bytes_are_ingested(*words):
        gone = delete(*words)
        again = ItemFactory(upload__site=late.site, sha256=image.sha256, state=state)
        if state == ItemState.ACCEPTED:  # its row is committed; else the worker is about to
            ImageFactory(study=StudyFactory(upload=again.upload), sha256=image.sha256)
        return gone

    monkeypatch.setattr(purge, "_purge_rows", then_the_same_bytes_are_ingested)

    purge_study(study_id=study.pk, actor=STAFF)

    assert (folder / "0.jpg").read_bytes() == b"preview"
    shutil.rmtree(folder)


def test_a_purge_that_is_killed_leaves_no_half_of_a_folder(shared, monkeypatch):
    study, folders = shared[2], [folder for _, _, folder in shared[3:]]

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("screening.flows.blobs.shutil.rmtree", killed)

    with pytest.raises(KeyboardInterrupt):
        purge_study(study_id=study.pk, actor=STAFF)

    monkeypatch.undo()
    # One is gone from its place as a whole, the other was not begun.
    assert [sorted(path.name for path in folder.iterdir()) for folder in folders if folder.exists()] == [["0.jpg"]]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
