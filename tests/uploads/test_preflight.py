from datetime import timedelta

import pytest
from django.utils import timezone

from screening.flows.offering import preflight
from screening.uploads.models import ChosenModality, GroupBy, ItemState
from tests.factories import ImageFactory, ItemFactory, ModelVersionFactory, ScreeningFactory, UploadFactory

pytestmark = pytest.mark.django_db


def items(upload, *paths, **values):
    for path in paths:
        ItemFactory(upload=upload, path=path, **values)


def test_the_preflight_counts_files_bytes_and_kinds_by_name():
    upload = UploadFactory()
    items(upload, "a.PNG", "b.jpeg", "c.dcm", "IM0001", "notes.txt", "more.zip", size=10)

    seen = preflight(upload.pk)

    assert (seen.files, seen.bytes, seen.missing, seen.missing_bytes) == (6, 60, 6, 60)
    assert seen.by_kind == {"dicom": 2, "jpeg": 1, "other": 1, "png": 1, "zip": 1}
    assert [warning.code for warning in seen.warnings] == ["other_kinds", "zip_among_files"]


def test_plain_pictures_are_a_study_each():
    upload = UploadFactory()
    items(upload, *(f"covid/{n}.png" for n in range(40)))

    seen = preflight(upload.pk)

    assert (seen.studies, seen.studies_certain, seen.largest) == (40, True, 1)
    assert seen.warnings == []


def test_grouping_by_folder_asks_for_a_yes_when_a_study_would_hold_more_than_thirty_pictures():
    upload = UploadFactory(group_by=GroupBy.FOLDER)
    items(upload, *(f"covid/{n}.png" for n in range(31)), "normal/1.png", "1.png", "2.png")

    seen = preflight(upload.pk)

    assert (seen.studies, seen.largest) == (4, 31)
    assert [(warning.code, warning.ask) for warning in seen.warnings] == [("large_study", True)]


def test_ct_slices_of_a_folder_are_a_study_and_nobody_is_asked():
    upload = UploadFactory(modality=ChosenModality.CT)
    items(upload, *(f"scan/{n}.png" for n in range(60)))

    seen = preflight(upload.pk)

    assert (seen.studies, seen.largest, seen.warnings) == (1, 60, [])


def test_how_many_studies_dicom_files_form_is_not_certain():
    upload = UploadFactory()
    items(upload, "a/1.dcm", "a/2.dcm", "b/1.dcm")

    seen = preflight(upload.pk)

    assert (seen.studies, seen.studies_certain) == (2, False)


def test_refused_and_known_files_are_told_apart_and_cost_no_minutes():
    upload = UploadFactory()
    items(upload, "a.png", state=ItemState.REJECTED, code="empty_file")
    items(upload, "b.png", state=ItemState.DUPLICATE)

    seen = preflight(upload.pk)

    assert (seen.refused, seen.duplicates, seen.missing, seen.minutes, seen.studies) == (1, 1, 0, 0, 1)
    assert [warning.code for warning in seen.warnings] == ["refused"]


def test_minutes_follow_from_the_rate_of_the_last_large_upload():
    last = UploadFactory(finished=True)
    start, image, version = timezone.now(), ImageFactory(), ModelVersionFactory()
    for n in range(50):  # one every two seconds
        ScreeningFactory(
            upload=last,
            image=image,
            model_version=version,
            pipeline=f"test-{n}",
            scored=True,
            done_at=start + timedelta(seconds=2 * n),
        )
    upload = UploadFactory(models_chosen=["a", "b"])
    items(upload, *(f"{n}.png" for n in range(60)))

    assert preflight(upload.pk).minutes == 4
