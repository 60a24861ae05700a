import pytest

from screening.audit.actor import Actor
from screening.errors import LeaseLost
from screening.flows.acts import seal_upload
from screening.flows.ingested import record_ingested
from screening.flows.integrity import find_violations
from screening.results.models import Screening, ScreeningState
from screening.studies.models import Image, Study, StudyState
from screening.studies.values import IngestedFile, IngestedPicture, ItemOutcome
from screening.uploads import storage
from screening.uploads.leases import claim_items, release_items
from screening.uploads.models import Item, ItemState, Reference
from tests.factories import ItemFactory, ModelVersionFactory, UploadFactory

pytestmark = pytest.mark.django_db
CPU = Actor.service("ingest")


def picture(**changes) -> IngestedPicture:
    values = {
        "frame": 0,
        "modality": "xray",
        "view": "PA",
        "rows": 400,
        "columns": 300,
        "notes": (),
        "not_assessed": "",
        "plane_sha256": "p" * 64,
    }
    return IngestedPicture(**(values | changes))


def decoded(pixels: str = "x", pictures: tuple[IngestedPicture, ...] = (), **changes) -> IngestedFile:
    return IngestedFile(
        kind="png",
        source_name="source.png",
        pixels_sha256=pixels * 64,
        pictures=pictures or (picture(),),
        **changes,
    )


def ingest(*outcomes: ItemOutcome) -> None:
    lease, _ = claim_items(50)
    record_ingested(lease=lease, outcomes=outcomes, actor=CPU)


@pytest.fixture
def version():
    return ModelVersionFactory()


@pytest.fixture
def upload(version):
    return UploadFactory(sealed=True, models_chosen=[version.name])


def test_an_accepted_file_becomes_a_study_an_image_and_a_waiting_screening(upload, version):
    item = ItemFactory(upload=upload, received=True)

    ingest(ItemOutcome(item_id=item.pk, file=decoded()))

    item.refresh_from_db()
    study = Study.objects.get()
    assert (item.state, item.study_id, item.incoming) == (ItemState.ACCEPTED, study.pk, "")
    assert (study.state, study.grouping) == (StudyState.SCREENING, f"file:{item.sha256}")
    screening = Screening.objects.get()
    assert (screening.state, screening.model_version_id, screening.rank) == ("waiting", version.pk, item.rank)


def test_raw_bytes_go_with_the_outcome(upload):
    stored = storage.store_incoming([b"raw"])
    item = ItemFactory(upload=upload, state=ItemState.RECEIVED, incoming=stored.name, sha256=stored.sha256)

    ingest(ItemOutcome(item_id=item.pk, file=decoded()))

    assert not storage.incoming_path(stored.name).exists()


def test_raw_bytes_of_a_failed_file_stay_for_a_retry(upload):
    stored = storage.store_incoming([b"raw"])
    item = ItemFactory(upload=upload, state=ItemState.RECEIVED, incoming=stored.name, sha256=stored.sha256)

    ingest(ItemOutcome(item_id=item.pk, code="storage_full", retryable=True))

    item.refresh_from_db()
    assert (item.state, item.code, item.incoming) == (ItemState.FAILED, "storage_full", stored.name)
    assert storage.incoming_path(stored.name).exists()


def test_a_file_that_kills_its_decoder_three_times_is_rejected_and_its_neighbour_is_not(upload):
    poison, innocent = ItemFactory(upload=upload, received=True), ItemFactory(upload=upload, received=True)

    ingest(ItemOutcome(item_id=poison.pk, crashed=True), ItemOutcome(item_id=innocent.pk, file=decoded()))
    for _ in range(2):
        poison.refresh_from_db()
        assert poison.state == ItemState.RECEIVED
        ingest(ItemOutcome(item_id=poison.pk, crashed=True))

    poison.refresh_from_db()
    innocent.refresh_from_db()
    assert (poison.state, poison.code, poison.decodes) == (ItemState.REJECTED, "decoder_crashed", 3)
    assert innocent.state == ItemState.ACCEPTED


def test_the_same_bytes_are_a_duplicate_the_second_time_and_nothing_is_asked_again(upload):
    first = ItemFactory(upload=upload, received=True, sha256="a" * 64)
    ingest(ItemOutcome(item_id=first.pk, file=decoded()))
    again = ItemFactory(upload=upload, received=True, sha256="a" * 64)

    ingest(ItemOutcome(item_id=again.pk, file=decoded()))

    again.refresh_from_db()
    assert (again.state, again.duplicate_of_id) == (ItemState.DUPLICATE, first.pk)
    assert (Image.objects.count(), Screening.objects.count()) == (1, 1)


def test_the_same_bytes_twice_in_one_chunk_make_one_image(upload):
    first = ItemFactory(upload=upload, received=True, sha256="a" * 64)
    twin = ItemFactory(upload=upload, received=True, sha256="a" * 64)

    ingest(ItemOutcome(item_id=first.pk, file=decoded()), ItemOutcome(item_id=twin.pk, file=decoded()))

    states = sorted(Item.objects.values_list("state", flat=True))
    assert states == [ItemState.ACCEPTED, ItemState.DUPLICATE]
    assert Image.objects.count() == 1


def test_a_duplicate_is_screened_by_a_model_that_has_not_seen_it(upload):
    first = ItemFactory(upload=upload, received=True, sha256="a" * 64)
    ingest(ItemOutcome(item_id=first.pk, file=decoded()))
    other = ModelVersionFactory()
    later = UploadFactory(site=upload.site, sealed=True, models_chosen=[other.name])
    again = ItemFactory(upload=later, received=True, sha256="a" * 64)

    ingest(ItemOutcome(item_id=again.pk, file=decoded()))

    row = Screening.objects.get(model_version=other)
    assert (row.state, row.upload_id) == (ScreeningState.WAITING, later.pk)
    assert Image.objects.count() == 1


def test_the_same_instance_uid_with_other_pixels_is_a_conflict(upload):
    first = ItemFactory(upload=upload, received=True)
    ingest(ItemOutcome(item_id=first.pk, file=decoded(pixels="x", instance_uid="2.25.7", study_uid="2.25.1")))
    other = ItemFactory(upload=upload, received=True)

    ingest(ItemOutcome(item_id=other.pk, file=decoded(pixels="y", instance_uid="2.25.7", study_uid="2.25.1")))

    other.refresh_from_db()
    assert (other.state, other.code) == (ItemState.REJECTED, "uid_conflict")
    assert Image.objects.count() == 1


def test_files_of_one_study_uid_meet_in_one_study_under_one_patient(upload):
    items = [ItemFactory(upload=upload, received=True) for _ in range(2)]

    ingest(
        *(
            ItemOutcome(
                item_id=item.pk,
                file=decoded(study_uid="2.25.1", instance_uid=f"2.25.{n}", patient="pseudonym"),
            )
            for n, item in enumerate(items)
        )
    )

    study = Study.objects.get()
    assert study.images.count() == 2
    assert study.patient.pseudonym == "pseudonym"


def test_a_late_picture_reopens_its_study_as_a_new_revision(upload):
    first = ItemFactory(upload=upload, received=True)
    ingest(ItemOutcome(item_id=first.pk, file=decoded(study_uid="2.25.1", instance_uid="2.25.2")))
    Study.objects.update(state=StudyState.REVIEWED, reviewed_revision=1)
    late = ItemFactory(upload=upload, received=True)

    ingest(ItemOutcome(item_id=late.pk, file=decoded(study_uid="2.25.1", instance_uid="2.25.3")))

    study = Study.objects.get()
    assert (study.revision, study.state) == (2, StudyState.SCREENING)


@pytest.mark.parametrize("code", ["not_chest", "orientation", "polarity", "out_of_distribution"])
def test_a_picture_that_the_gate_refuses_is_accepted_and_inconclusive_without_a_model_call(upload, code):
    item = ItemFactory(upload=upload, received=True)
    strange = decoded(pictures=(picture(modality="unknown", not_assessed=code),))

    ingest(ItemOutcome(item_id=item.pk, file=strange))

    item.refresh_from_db()
    row = Screening.objects.get()
    assert item.state == ItemState.ACCEPTED
    assert (row.state, row.code, row.attempts) == (ScreeningState.INCONCLUSIVE, code, 0)
    assert Study.objects.get().state == StudyState.INCOMPLETE


def test_a_model_never_runs_on_another_modality(upload):
    item = ItemFactory(upload=upload, received=True)

    ingest(ItemOutcome(item_id=item.pk, file=decoded(pictures=(picture(modality="ct"),))))

    row = Screening.objects.get()
    assert (row.state, row.code) == (ScreeningState.INCONCLUSIVE, "wrong_modality")


def test_each_picture_goes_to_the_model_made_for_its_modality(upload, version):
    ct = ModelVersionFactory(modality="ct")
    upload.models_chosen = [version.name, ct.name]
    upload.save()
    items = [ItemFactory(upload=upload, received=True) for _ in range(2)]

    ingest(
        ItemOutcome(item_id=items[0].pk, file=decoded()),
        ItemOutcome(item_id=items[1].pk, file=decoded(pictures=(picture(modality="ct"),))),
    )

    pairs = set(Screening.objects.values_list("image__modality", "model_version__modality", "state"))
    assert pairs == {("xray", "xray", "waiting"), ("ct", "ct", "waiting")}


def test_pictures_of_a_folder_are_one_study_if_that_was_chosen(upload):
    upload.group_by = "folder"
    upload.save()
    items = [ItemFactory(upload=upload, received=True, path=f"patient-x/{n}.png") for n in range(2)]

    ingest(*(ItemOutcome(item_id=item.pk, file=decoded()) for item in items))

    study = Study.objects.get()
    assert study.grouping.startswith("folder:")
    assert "patient-x" not in study.grouping


def test_a_side_table_gives_its_study_an_external_id_and_a_hidden_label(upload):
    item = ItemFactory(upload=upload, received=True)
    Reference.objects.create(upload=upload, path_digest=item.path_digest, external_id="A-17", label="covid")

    ingest(ItemOutcome(item_id=item.pk, file=decoded()))

    study = Study.objects.get()
    assert (study.external_id, study.reference_label) == ("A-17", "covid")


def test_an_item_released_at_a_stop_counts_no_attempt_and_is_claimed_again(upload):
    item = ItemFactory(upload=upload, received=True)
    lease, _ = claim_items(5)

    release_items(lease)

    item.refresh_from_db()
    assert (item.state, item.attempts) == (ItemState.RECEIVED, 0)
    with pytest.raises(LeaseLost):
        record_ingested(lease=lease, outcomes=[ItemOutcome(item_id=item.pk, file=decoded())], actor=CPU)
    assert not Image.objects.exists()


def test_a_study_of_several_files_waits_for_the_seal(version):
    upload = UploadFactory(models_chosen=[version.name])
    item = ItemFactory(upload=upload, received=True)
    ingest(ItemOutcome(item_id=item.pk, file=decoded(study_uid="2.25.1", instance_uid="2.25.2")))
    assert Study.objects.get().state == StudyState.RECEIVING

    seal_upload(upload_id=upload.pk, count=1, actor=CPU)

    assert Study.objects.get().state == StudyState.SCREENING


def test_after_ingest_everything_adds_up(upload):
    items = [ItemFactory(upload=upload, received=True) for _ in range(3)]

    ingest(
        ItemOutcome(item_id=items[0].pk, file=decoded()),
        ItemOutcome(item_id=items[1].pk, code="unreadable"),
        ItemOutcome(item_id=items[2].pk, code="storage_full", retryable=True),
    )

    found = [v for v in find_violations(blobs=False) if v.check != "subjects"]  # the factory seals without an event
    assert found == []
