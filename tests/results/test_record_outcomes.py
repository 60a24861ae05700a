import random
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from django.utils import timezone

from screening import leasing
from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import verify_chain
from screening.errors import LeaseLost
from screening.flows.integrity import find_violations
from screening.flows.reclaim import reclaim_expired
from screening.flows.scored import record_outcomes
from screening.flows.settle import settle_studies
from screening.leasing import Lease
from screening.results import leases
from screening.results.models import Screening, ScreeningState, SeriesResult
from screening.results.series import even_slices
from screening.studies.models import Image, SiteChange, StudyState
from screening.studies.values import ModelIdentity, ScreenOutcome
from tests.factories import (
    ImageFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
)

pytestmark = pytest.mark.django_db
GPU = Actor.service("inference")
MODEL = ModelIdentity(name="xray-test@1.0.0", sha256="a" * 64, runtime="tensorflow", precision="fp32")


def scored(covid: float) -> ScreenOutcome:
    return ScreenOutcome(kind="scored", scores={"covid": covid, "normal": 1 - covid})


def commit(lease: Lease, rows: list[Screening], outcome: ScreenOutcome) -> int:
    outcomes = {row.pk: outcome for row in rows}
    return record_outcomes(lease=lease, model=MODEL, outcomes=outcomes, timings={"device_ms": 3.0}, actor=GPU)


def claim(version, limit: int = 8) -> tuple[Lease, list[Screening]]:
    return leases.claim_batch(model_version_id=version.pk, limit=limit)


def test_a_score_at_the_operating_point_flags_the_study_and_says_which_model_said_so():
    row = ScreeningFactory()
    lease, rows = claim(row.model_version)

    commit(lease, rows, scored(0.5))

    row.refresh_from_db()
    assert (row.state, row.flagged, row.thresholds) == ("scored", True, {"covid": 0.5})
    assert (row.model_sha256, row.runtime, row.precision) == ("a" * 64, "tensorflow", "fp32")
    assert row.lease_token is None
    row.study.refresh_from_db()
    assert (row.study.state, row.study.flagged) == (StudyState.READY, True)
    event = AuditEvent.objects.get(action="screening:scored")
    assert (event.chain, event.actor) == (f"study:{row.study_id}", "service:inference")
    assert event.detail["scores"] == {"covid": 0.5, "normal": 0.5}


def test_a_score_below_the_operating_point_does_not_flag():
    row = ScreeningFactory()
    lease, rows = claim(row.model_version)

    commit(lease, rows, scored(0.49999))

    row.study.refresh_from_db()
    assert (row.study.state, row.study.flagged) == (StudyState.READY, False)


def test_a_redelivered_result_changes_nothing():
    row = ScreeningFactory()
    lease, rows = claim(row.model_version)
    commit(lease, rows, scored(0.9))
    events = AuditEvent.objects.count()

    with pytest.raises(LeaseLost):
        commit(lease, rows, scored(0.1))

    row.refresh_from_db()
    assert row.scores == {"covid": 0.9, "normal": pytest.approx(0.1)}
    assert AuditEvent.objects.count() == events


def test_a_worker_that_lost_its_lease_changes_nothing():
    row = ScreeningFactory()
    old, rows = claim(row.model_version)
    Screening.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    reclaim_expired()
    new, _ = claim(row.model_version)

    with pytest.raises(LeaseLost):
        commit(old, rows, scored(0.9))

    row.refresh_from_db()
    assert (row.state, row.lease_token) == (ScreeningState.LEASED, new.token)


def test_two_claims_share_no_row_and_follow_the_rank():
    version = ModelVersionFactory()
    late, early = ScreeningFactory(model_version=version, rank=2), ScreeningFactory(model_version=version, rank=1)

    _, first = claim(version, limit=1)
    _, second = claim(version, limit=1)

    assert [first[0].pk, second[0].pk] == [early.pk, late.pk]


def test_a_row_claimed_but_not_begun_counts_no_attempt_when_its_worker_dies():
    row = ScreeningFactory(abandoned=True)

    assert reclaim_expired() == 1

    row.refresh_from_db()
    assert (row.state, row.attempts, row.alone) == (ScreeningState.WAITING, 0, False)


def test_a_death_in_a_batch_makes_its_rows_run_alone():
    version = ModelVersionFactory()
    for rank in (1, 2):
        ScreeningFactory(model_version=version, rank=rank)
    lease, _ = claim(version)
    leasing.begin(Screening, lease)
    Screening.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    reclaim_expired()

    _, batch = claim(version)

    assert len(batch) == 1
    assert (batch[0].alone, batch[0].attempts) == (True, 1)


def test_two_deaths_alone_put_a_row_in_quarantine_and_its_study_reads_not_assessed():
    row = ScreeningFactory()
    for _ in range(3):  # once in a batch, twice alone
        lease, _ = claim(row.model_version)
        leasing.begin(Screening, lease)
        Screening.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        reclaim_expired()

    row.refresh_from_db()
    assert row.state == ScreeningState.QUARANTINED
    row.study.refresh_from_db()
    assert (row.study.state, row.study.not_assessed, row.study.flagged) == (StudyState.INCOMPLETE, True, False)
    assert AuditEvent.objects.filter(action="screening:quarantined").count() == 1


def test_a_release_counts_no_attempt():
    row = ScreeningFactory()
    lease, _ = claim(row.model_version)
    leasing.begin(Screening, lease)

    assert leases.release_batch(lease) == 1

    row.refresh_from_db()
    assert (row.state, row.attempts, row.lease_token) == (ScreeningState.WAITING, 0, None)


def test_a_study_with_one_picture_not_assessed_is_incomplete_and_never_reads_not_flagged():
    study = StudyFactory()
    version = ModelVersionFactory()
    ScreeningFactory(image=ImageFactory(study=study), model_version=version)
    ScreeningFactory(image=ImageFactory(study=study), model_version=version)
    lease, rows = claim(version)
    outcomes = {rows[0].pk: scored(0.1), rows[1].pk: ScreenOutcome(kind="inconclusive", code="not_chest")}

    record_outcomes(lease=lease, model=MODEL, outcomes=outcomes, timings={}, actor=GPU)

    study.refresh_from_db()
    assert (study.state, study.not_assessed) == (StudyState.INCOMPLETE, True)


def test_a_late_result_of_a_picture_that_was_corrected_flags_nothing():
    study = StudyFactory()
    version = ModelVersionFactory()
    first, second = (ImageFactory(study=study) for _ in range(2))
    for image in (first, second):
        ScreeningFactory(image=image, model_version=version)
    lease, rows = claim(version)
    Image.objects.filter(pk=first.pk).update(superseded=True)
    outcomes = {row.pk: scored(0.9 if row.image_id == first.pk else 0.1) for row in rows}

    record_outcomes(lease=lease, model=MODEL, outcomes=outcomes, timings={}, actor=GPU)

    study.refresh_from_db()
    assert (study.state, study.flagged) == (StudyState.READY, False)


def test_the_series_of_a_ct_is_judged_by_its_top_tenth_not_by_its_maximum():
    version = ModelVersionFactory(modality="ct")
    study = StudyFactory(modality="ct", grouping="uid:2.25.1")
    for _ in range(4):
        ScreeningFactory(image=ImageFactory(study=study), model_version=version)
    lease, rows = claim(version)
    values = [0.9, 0.1, 0.1, 0.1]
    outcomes = {row.pk: scored(value) for row, value in zip(rows, values, strict=True)}

    record_outcomes(lease=lease, model=MODEL, outcomes=outcomes, timings={}, actor=GPU)

    study.refresh_from_db()
    assert (study.state, study.flagged) == (StudyState.READY, False)
    result = study.series_results.get()
    assert result.scores["covid"] == pytest.approx((0.9 + 0.1 + 0.1) / 3)
    assert (result.slices, result.flagged) == (4, False)


def test_a_ct_series_of_two_slices_is_not_assessed():
    version = ModelVersionFactory(modality="ct")
    study = StudyFactory(modality="ct", grouping="uid:2.25.2")
    for _ in range(2):
        ScreeningFactory(image=ImageFactory(study=study), model_version=version)
    lease, rows = claim(version)

    commit(lease, rows, scored(0.9))

    study.refresh_from_db()
    assert (study.state, study.flagged) == (StudyState.INCOMPLETE, False)
    assert study.series_results.get().code == "too_few_slices"


def test_every_change_of_a_site_gets_a_higher_number():
    version = ModelVersionFactory()
    upload = UploadFactory(sealed=True)
    rows = [
        ScreeningFactory(image=ImageFactory(study=StudyFactory(upload=upload)), model_version=version) for _ in range(2)
    ]
    for _ in rows:
        lease, batch = claim(version, limit=1)
        commit(lease, batch, scored(0.2))

    numbers = [row.study.change_number for row in Screening.objects.select_related("study").order_by("rank")]
    assert numbers == [1, 2]
    assert SiteChange.objects.get(site=upload.site).number == 2


def test_the_upload_finishes_with_its_last_result_and_everything_adds_up():
    row = ScreeningFactory()
    lease, rows = claim(row.model_version)

    commit(lease, rows, scored(0.2))

    row.upload.refresh_from_db()
    assert row.upload.state == "finished"
    assert verify_chain(ChainKind.STUDY, row.study_id).intact
    assert list(find_violations(blobs=False)) == []


def test_an_outcome_for_a_row_of_another_lease_is_ignored():
    mine, other = ScreeningFactory(), ScreeningFactory(leased=True)
    lease, rows = claim(mine.model_version)

    written = record_outcomes(
        lease=lease, model=MODEL, outcomes={rows[0].pk: scored(0.2), other.pk: scored(0.9)}, timings={}, actor=GPU
    )

    assert written == 1
    other.refresh_from_db()
    assert other.state == ScreeningState.LEASED


def test_an_unknown_lease_is_lost():
    with pytest.raises(LeaseLost):
        record_outcomes(lease=Lease(uuid4(), 10), model=MODEL, outcomes={uuid4(): scored(0.9)}, timings={}, actor=GPU)


def test_a_long_series_is_ranked_by_32_slices_evenly_along_it():
    version = ModelVersionFactory(modality="ct")
    study = StudyFactory(modality="ct", upload__finished=True)
    for place in random.Random(1).sample(range(100), 100):
        image = ImageFactory(study=study, series_uid="1.2", position=float(-place))
        scores = {"covid": place / 100, "normal": 1 - place / 100}
        ScreeningFactory(image=image, model_version=version, scored=True, scores=scores)
    rows = list(Screening.objects.select_related("image"))

    chosen = [round(row.scores["covid"] * 100) for row in even_slices(rows)]
    settle_studies([study.pk])

    steps = {before - after for before, after in pairwise(chosen)}
    assert (len(chosen), chosen[0], chosen[-1], steps) == (32, 99, 0, {3, 4})
    result = SeriesResult.objects.get()
    assert result.slices == 32
    assert result.scores["covid"] == pytest.approx((0.99 + 0.96 + 0.93 + 0.9) / 4, abs=0.011)
