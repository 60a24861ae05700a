"""Where files of several uploads, names and series end up when they come together."""

import pytest

from screening.flows.receipt import receipt
from screening.flows.settle import settle_studies, settle_upload
from screening.results.models import Screening, ScreeningState
from screening.studies.models import Image, Study, StudyState
from screening.studies.values import ItemOutcome
from screening.uploads.models import ItemState, Reference
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
)
from tests.flows.test_ingested import decoded, ingest, picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def version():
    return ModelVersionFactory()


@pytest.fixture
def upload(version):
    return UploadFactory(sealed=True, models_chosen=[version.name])


def named(upload, item, external_id: str) -> None:
    Reference.objects.create(upload=upload, path_digest=item.path_digest, external_id=external_id, label="covid")


def test_a_side_table_names_files_of_its_own_upload_though_another_has_the_same_path(upload, version):
    other = UploadFactory(sealed=True, site=upload.site, models_chosen=[version.name])
    theirs = ItemFactory(upload=other, received=True, path="1.png", path_digest="d" * 64)
    ours = ItemFactory(upload=upload, received=True, path="1.png", path_digest="d" * 64)
    named(upload, ours, "patient-7")

    ingest(*(ItemOutcome(item_id=item.pk, file=decoded()) for item in (theirs, ours)))

    assert {study.upload_id: (study.external_id, study.reference_label) for study in Study.objects.all()} == {
        other.pk: (None, ""),
        upload.pk: ("patient-7", "covid"),
    }


def test_an_identifier_on_two_files_names_one_study_and_both_are_taken_in(upload):
    items = [ItemFactory(upload=upload, received=True) for _ in range(2)]
    for item in items:
        named(upload, item, "patient-7")

    ingest(*(ItemOutcome(item_id=item.pk, file=decoded()) for item in items))

    assert sorted(Study.objects.values_list("external_id", flat=True), key=str) == [None, "patient-7"]
    assert set(upload.items.values_list("state", flat=True)) == {ItemState.ACCEPTED}


def test_a_study_gets_its_name_from_a_later_file_too(upload):
    first = ItemFactory(upload=upload, received=True)
    ingest(ItemOutcome(item_id=first.pk, file=decoded(study_uid="2.25.1", instance_uid="2.25.2")))
    second = ItemFactory(upload=upload, received=True)
    named(upload, second, "patient-7")

    ingest(ItemOutcome(item_id=second.pk, file=decoded("y", study_uid="2.25.1", instance_uid="2.25.3")))

    assert Study.objects.get().external_id == "patient-7"


@pytest.mark.parametrize("together", [True, False])
def test_an_instance_under_another_header_repeats_the_picture_and_shows_its_results(upload, together):
    file = decoded(study_uid="2.25.1", instance_uid="2.25.2")
    items = [ItemFactory(upload=upload, received=True)]
    if not together:
        ingest(ItemOutcome(item_id=items[0].pk, file=file))
    items.append(ItemFactory(upload=upload, received=True))
    ingest(*(ItemOutcome(item_id=item.pk, file=file) for item in (items if together else items[1:])))

    first = upload.items.get(state=ItemState.ACCEPTED)
    again = upload.items.get(state=ItemState.DUPLICATE)
    assert (again.duplicate_of_id, again.study_id) == (first.pk, Study.objects.get().pk)
    shown = {item.item: [image.image for image in item.images] for item in receipt(upload, with_paths=False)}
    assert shown[again.pk] == shown[first.pk] == [Image.objects.get().pk]


def test_models_of_the_other_upload_are_asked_about_the_same_bytes_that_come_at_the_same_time(upload, version):
    more = ModelVersionFactory()
    other = UploadFactory(sealed=True, site=upload.site, models_chosen=[more.name])
    items = [ItemFactory(upload=one, received=True, sha256="a" * 64) for one in (upload, other)]

    ingest(*(ItemOutcome(item_id=item.pk, file=decoded()) for item in items))

    asked = set(Screening.objects.values_list("upload_id", "model_version_id"))
    assert asked == {(upload.pk, version.pk), (other.pk, more.pk)}
    states = [upload.items.get(), other.items.get()]
    assert {item.state for item in states} == {ItemState.ACCEPTED, ItemState.DUPLICATE}
    assert {item.study_id for item in states} == {Study.objects.get().pk}


def test_a_dose_report_that_comes_first_does_not_decide_what_a_study_is_of(upload):
    items = [ItemFactory(upload=upload, received=True) for _ in range(2)]
    kinds = [picture(modality="unknown", not_assessed="not_chest"), picture(modality="ct")]

    ingest(
        *(
            ItemOutcome(item_id=item.pk, file=decoded(pictures=(kind,), study_uid="2.25.1"))
            for item, kind in zip(items, kinds, strict=True)
        )
    )

    assert Study.objects.get().modality == "ct"


def scored(study, version, value: float, **image):
    return ScreeningFactory(
        image=ImageFactory(study=study, **image),
        model_version=version,
        state=ScreeningState.SCORED,
        scores={"covid": value, "normal": 1 - value},
        flagged=value >= 0.5,
    )


def settled(study) -> Study:
    settle_studies([study.pk])
    return Study.objects.get(pk=study.pk)


def test_every_series_of_a_study_is_judged_by_itself():
    version = ModelVersionFactory(modality="ct")
    study = StudyFactory(modality="ct", grouping="uid:2.25.1", upload=UploadFactory(sealed=True))
    for value, series in [(0.1, "a"), (0.1, "a"), (0.1, "a"), (0.9, "b"), (0.9, "b"), (0.9, "b")]:
        scored(study, version, value, modality="ct", series_uid=series)

    assert settled(study).flagged
    assert dict(study.series_results.values_list("series_uid", "flagged")) == {"a": False, "b": True}


def test_a_flagged_radiograph_among_slices_flags_its_study():
    ct, xray = ModelVersionFactory(modality="ct"), ModelVersionFactory()
    study = StudyFactory(modality="ct", grouping="uid:2.25.1", upload=UploadFactory(sealed=True))
    for _ in range(3):
        scored(study, ct, 0.1, modality="ct", series_uid="a")
    scored(study, xray, 0.9, modality="xray", series_uid="x")

    assert settled(study).flagged


def test_slices_beyond_the_chest_leave_a_series_assessed():
    version = ModelVersionFactory(modality="ct")
    study = StudyFactory(modality="ct", grouping="uid:2.25.1", upload=UploadFactory(sealed=True))
    for _ in range(3):
        scored(study, version, 0.1, modality="ct", series_uid="a")
    ScreeningFactory(
        image=ImageFactory(study=study, modality="ct", series_uid="a"),
        model_version=version,
        state=ScreeningState.INCONCLUSIVE,
        code="not_chest",
    )

    assert (settled(study).state, settled(study).not_assessed) == (StudyState.READY, False)


def series_with(code: str, *, by_gate: bool, kept_out: int) -> Study:
    """Three slices with scores and some without."""
    version = ModelVersionFactory(modality="ct")
    study = StudyFactory(modality="ct", grouping="uid:2.25.1", upload=UploadFactory(sealed=True))
    for _ in range(3):
        scored(study, version, 0.1, modality="ct", series_uid="a")
    for _ in range(kept_out):
        image = ImageFactory(study=study, modality="ct", series_uid="a", not_assessed=code if by_gate else "")
        ScreeningFactory(image=image, model_version=version, state=ScreeningState.INCONCLUSIVE, code=code)
    return settled(study)


@pytest.mark.parametrize("code", ["not_chest", "orientation", "polarity", "out_of_distribution"])
def test_slices_that_the_gate_keeps_out_leave_a_series_assessed_unless_they_are_the_greater_part(code):
    few, many = (series_with(code, by_gate=True, kept_out=number) for number in (3, 4))

    assert (few.state, few.not_assessed) == (StudyState.READY, False)
    assert (many.state, many.not_assessed) == (StudyState.INCOMPLETE, True)
    assert many.series_results.get().code == "too_few_slices"


def test_a_slice_that_its_model_finds_strange_leaves_its_series_incomplete():
    study = series_with("out_of_distribution", by_gate=False, kept_out=1)

    assert (study.state, study.not_assessed) == (StudyState.INCOMPLETE, True)


def test_a_model_for_another_modality_leaves_a_scored_study_assessed():
    study = StudyFactory(upload=UploadFactory(sealed=True))
    right = scored(study, ModelVersionFactory(), 0.1)
    wrong = ScreeningFactory(
        image=right.image,
        model_version=ModelVersionFactory(modality="ct"),
        state=ScreeningState.INCONCLUSIVE,
        code="wrong_modality",
    )

    assert (settled(study).state, settled(study).not_assessed) == (StudyState.READY, False)
    right.delete()
    assert settle_upload(wrong.upload_id) or settled(study).not_assessed


def test_a_file_whose_models_were_all_retired_is_taken_in_and_never_reads_as_clear(upload, version):
    item = ItemFactory(upload=upload, received=True)
    version.active = False
    version.save()

    ingest(ItemOutcome(item_id=item.pk, file=decoded()))

    item.refresh_from_db()
    study = Study.objects.get()
    assert (item.state, study.state, study.not_assessed) == (ItemState.ACCEPTED, StudyState.INCOMPLETE, True)
