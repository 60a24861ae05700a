"""Deep pictures on demand: made once, for one picture at a time, and never half."""

from uuid import uuid4

import pytest

from screening.flows.deep import Deep, ask_deep, deep_path
from screening.studies.models import StudyState
from screening.uploads.storage import blob_folder
from tests.factories import ImageFactory
from tests.phantoms import dicom_file
from workers.deep import make_deep_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def image():
    made = ImageFactory(source_name="source.dcm")
    folder = blob_folder(made.site_id, made.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / made.source_name).write_bytes(dicom_file())
    deep_path(made).unlink(missing_ok=True)
    return made


def test_a_deep_picture_is_made_once_and_asking_again_finds_it(image):
    assert ask_deep(image) == Deep.ASKED

    assert make_deep_of(image.pk)
    written = deep_path(image).stat()
    assert make_deep_of(image.pk)

    assert ask_deep(image) == Deep.THERE
    again = deep_path(image).stat()
    assert (again.st_mtime_ns, again.st_ino) == (written.st_mtime_ns, written.st_ino)
    assert [one.name for one in deep_path(image).parent.iterdir() if one.name[0] == "."] == []


def test_a_damaged_source_gives_no_deep_picture_and_leaves_nothing_behind(image):
    source = deep_path(image).parent / image.source_name
    source.write_bytes(source.read_bytes()[:-100])

    assert not make_deep_of(image.pk)

    assert sorted(one.name for one in source.parent.iterdir()) == ["source.dcm"]


def test_nothing_is_made_of_a_picture_that_was_purged_or_never_was(image):
    image.study.state = StudyState.PURGED
    image.study.save()

    assert not make_deep_of(image.pk)
    assert not make_deep_of(uuid4())
    assert not deep_path(image).exists()


def test_a_picture_whose_source_is_gone_is_not_asked_for(image):
    (deep_path(image).parent / image.source_name).unlink()

    assert ask_deep(image) == Deep.GONE
