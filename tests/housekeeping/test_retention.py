"""What is too old goes in steps, and nothing else: not what is read, not what a reader still owes an answer."""

from datetime import timedelta

import pytest
from django.utils import timezone

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import verify_chain
from screening.flows import purge
from screening.flows.integrity import find_violations
from screening.housekeeping import retention
from screening.housekeeping.retention import Policy, preview, purge_next
from screening.people.members import set_retention
from screening.review.claims import claim_study
from screening.review.models import Cause, FurtherRead, ReadState, Stage
from screening.review.services import AnswerIn, record_review
from screening.studies.models import Image, Sample, Study, StudyState
from screening.uploads.models import ItemState, Upload
from screening.uploads.storage import blob_folder
from screening.users.models import Reads, Role
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)
from workers.retention import Retention

pytestmark = pytest.mark.django_db

OLD = timedelta(days=40)


@pytest.fixture
def site():
    return SiteFactory(name="Ward 3", study_days=30, reads=Reads.FLAGGED_AND_SAMPLE)


def study_of(site, *, age=OLD, upload=None, **more) -> Study:
    at = timezone.now() - age
    upload = upload or UploadFactory(site=site, finished=True, created_at=at, last_seen_at=at)
    study = StudyFactory(upload=upload, **({"state": StudyState.READY} | more), completed_at=at)
    image = ImageFactory(study=study)
    ItemFactory(upload=upload, accepted=True, sha256=image.sha256, study_id=study.pk)
    ScreeningFactory(image=image, scored=True)
    folder = blob_folder(site.pk, image.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0.jpg").write_bytes(b"preview")
    return study


def state_of(study) -> str:
    return Study.objects.get(pk=study.pk).state


def test_nothing_goes_by_age_unless_the_site_says_so(site):
    study = study_of(SiteFactory(reads=Reads.FLAGGED_AND_SAMPLE))

    assert purge_next() == 0
    assert state_of(study) == StudyState.READY


def test_what_is_too_old_goes_with_its_files_and_the_chain_says_why(site):
    study, young = study_of(site), study_of(site, age=timedelta(days=20))
    folder = blob_folder(site.pk, study.images.get().sha256)

    assert purge_next() > 0

    assert (state_of(study), state_of(young)) == (StudyState.PURGED, StudyState.READY)
    assert not folder.exists()
    event = AuditEvent.objects.get(action="study:deleted")
    assert (event.actor, event.detail) == ("service:retention", {"images": 1, "why": "retention", "days": 30})
    assert verify_chain(ChainKind.STUDY, study.pk).intact
    assert [v for v in find_violations(blobs=False) if v.check in {"studies", "accepted", "images"}] == []


def test_the_upload_loses_its_names_once_its_last_study_is_gone(site):
    study = study_of(site)
    Upload.objects.update(name="Patient X")
    ItemFactory(upload=study.upload, path="x/notes.txt", state=ItemState.REJECTED, code="not_an_image_file")

    purge_next()

    upload = Upload.objects.get()
    assert (upload.name, upload.purged_at is None) == ("", False)
    assert set(upload.items.values_list("path", flat=True)) == {""}


def test_an_upload_with_a_study_that_is_kept_keeps_its_names(site):
    study = study_of(site)
    flagged = study_of(site, upload=study.upload, flagged=True)

    purge_next()

    assert (state_of(study), state_of(flagged)) == (StudyState.PURGED, StudyState.READY)
    assert Upload.objects.get().purged_at is None


@pytest.mark.parametrize("unread", ["flagged", "not_assessed", "drawn", "read_all"])
def test_what_waits_for_a_reader_is_kept_however_old_it_is(site, unread):
    study = study_of(site, flagged=unread == "flagged", not_assessed=unread == "not_assessed")
    if unread == "drawn":
        Sample.objects.create(site=site, study=study, revision=1, flagged=False, probability=0.5, drawn=True)
    elif unread == "read_all":
        site.reads = Reads.ALL
        site.save()

    purge_next()

    assert state_of(study) == StudyState.READY


def test_an_answered_study_goes_and_one_that_waits_for_a_second_reader_does_not(site):
    answered, second = (study_of(site, flagged=True, state=StudyState.REVIEWED) for _ in range(2))
    FurtherRead.objects.create(
        site=site, study=second, revision=1, stage=Stage.SECOND, cause=Cause.UNSURE, first=UserFactory()
    )

    purge_next()

    assert (state_of(answered), state_of(second)) == (StudyState.PURGED, StudyState.REVIEWED)


def test_a_site_may_let_unread_studies_go_but_not_one_that_is_open(site):
    site.keep_unread = False
    site.save()
    reader = UserFactory(role_at=(site, Role.REVIEWER))
    left, taken = study_of(site, flagged=True), study_of(site, flagged=True)
    claim_study(study_id=taken.pk, reader=reader)

    purge_next()

    assert (state_of(left), state_of(taken)) == (StudyState.PURGED, StudyState.READY)


def test_what_is_still_screened_is_left_alone(site):
    study = study_of(site, state=StudyState.SCREENING)

    purge_next()

    assert state_of(study) == StudyState.SCREENING


@pytest.mark.parametrize("meanwhile", ["policy ended", "opened"])
def test_what_changed_since_a_study_was_chosen_is_seen_under_the_lock(site, monkeypatch, meanwhile):
    study = study_of(site)
    reader = UserFactory(role_at=(site, Role.REVIEWER))
    chosen = retention._few

    def then_something_happens(keys):
        found = chosen(keys)
        if meanwhile == "opened":
            claim_study(study_id=study.pk, reader=reader)
        else:
            set_retention(site_id=site.pk, study_days=None, keep_unread=True, failed_days=7, actor=Actor("user:1"))
        return found

    monkeypatch.setattr(retention, "_few", then_something_happens)

    assert purge_next() == 0
    assert state_of(study) == StudyState.READY
    assert Image.objects.count() == 1


def test_a_step_is_small_and_the_next_goes_on(site, monkeypatch):
    monkeypatch.setattr(retention, "STEP", 2)
    for _ in range(5):
        study_of(site)

    left = [Study.objects.exclude(state=StudyState.PURGED).count() for _ in range(4) if purge_next() >= 0]

    assert left == [3, 1, 0, 0]


def test_a_study_with_many_pictures_goes_alone(site, monkeypatch):
    monkeypatch.setattr(retention, "PICTURES", 3)
    first, second = study_of(site, age=OLD * 2), study_of(site)
    for study in (first, second):
        ImageFactory.create_batch(2, study=study)

    purge_next()

    assert (state_of(first), state_of(second)) == (StudyState.PURGED, StudyState.READY)


def test_killed_between_rows_and_files_it_goes_on_and_deletes_nothing_twice(site, monkeypatch):
    studies = [study_of(site) for _ in range(2)]

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(purge, "drop_unneeded", killed)
    with pytest.raises(KeyboardInterrupt):
        purge_next()
    monkeypatch.undo()
    purge_next()

    assert [state_of(study) for study in studies] == [StudyState.PURGED] * 2
    assert AuditEvent.objects.filter(action="study:deleted").count() == 2
    assert purge_next() == 0


def test_the_preview_counts_what_would_go_and_deletes_nothing(site):
    study_of(site)
    study_of(site, age=OLD * 2)
    study_of(site, flagged=True)
    study_of(site, age=timedelta(days=5))
    UploadFactory(site=site, finished=True, created_at=timezone.now() - OLD, last_seen_at=timezone.now() - OLD)

    kept = preview(Policy(site=site, days=30, keep_unread=True))
    all_go = preview(Policy(site=site, days=30, keep_unread=False))

    assert (kept.going, kept.kept, kept.uploads) == (2, 1, 1)
    assert (all_go.going, all_go.kept) == (3, 0)
    assert kept.oldest is not None
    assert (timezone.now() - kept.oldest).days == 80
    assert Study.objects.filter(state=StudyState.PURGED).count() == 0


def test_what_the_preview_counts_is_what_goes(site):
    site.reads = Reads.ALL
    site.save()
    reader = UserFactory(role_at=(site, Role.REVIEWER))
    version = ModelVersionFactory()
    for flagged, answered in ((True, True), (True, False), (False, True), (False, False)):
        study = study_of(site, flagged=flagged)
        ScreeningFactory(image=study.images.get(), model_version=version, scored=True)
        if answered:
            given = {"covid": AnswerIn(answer="absent", reason="")}
            record_review(study_id=study.pk, reader=reader, answers=given, comment="", actor=Actor.user(reader))
    told = preview(Policy(site=site, days=30, keep_unread=True))

    purge_next()

    assert (told.going, told.kept) == (2, 2)
    assert Study.objects.filter(state=StudyState.PURGED).count() == told.going
    assert not FurtherRead.objects.filter(state=ReadState.WAITING, study__state=StudyState.PURGED).exists()


def test_the_reconciler_rests_when_nothing_was_found(site, monkeypatch):
    asked = []
    monkeypatch.setattr("workers.retention.purge_next", lambda: asked.append(1) or len(asked) % 2)
    turn = Retention()

    done = [turn() for _ in range(4)]

    assert (done, len(asked)) == ([1, 0, 0, 0], 2)


def test_two_at_once_find_the_rows_of_the_other_gone(site):
    studies = [study_of(site) for _ in range(3)]
    policy = Policy.of(site)
    assert policy is not None
    keys = [study.pk for study in studies]
    grounds = purge.Grounds(retention._still_due, {"why": "retention"})

    done = [purge.purge_studies(study_ids=keys, actor=retention.ACTOR, grounds=grounds) for _ in range(2)]

    assert done == [3, 0]
