"""Setting the flags of past results: asked for, in batches, on the chain of every study that it touches."""

import pytest
from django.utils import timezone

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import chain_key, verify_chain
from screening.errors import NotAllowed
from screening.flows.integrity import find_violations
from screening.flows.settle import settle_studies
from screening.numbers import reflagging
from screening.numbers.errors import AlreadyProposed
from screening.numbers.points import approve_point
from screening.numbers.reflagging import left_to_reflag, reflag_some, start_reflagging
from screening.numbers.replays import start_replay
from screening.results.models import Explanation, Screening, SeriesResult
from screening.review.blinding import is_hidden
from screening.review.services import AnswerIn, record_review
from screening.review.undo import undo_answer
from screening.studies.models import Sample, Study
from screening.users.models import Role
from tests.factories import (
    ImageFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)
from tests.numbers.acting import proposed, screened
from tests.results.test_record_outcomes import claim, commit, scored

pytestmark = pytest.mark.django_db


def set_all(work, user) -> None:
    for _ in range(50):
        work = reflag_some(reflagging_id=work.pk, user=user)
        if work.finished_at:
            return
    raise AssertionError("it does not end")


def lower(site, version, ada, bea, value: float = 0.3) -> None:
    approve_point(proposal_id=proposed(site, version, ada, value).pk, user=bea)


def test_past_results_change_only_once_somebody_sets_them(site, version, ada, bea):
    rows = [screened(site, version, covid) for covid in (0.2, 0.4, 0.6)]
    lower(site, version, ada, bea)
    work = start_reflagging(site_id=site.pk, version=version, days=30, user=ada)
    assert [Screening.objects.get(pk=row.pk).flagged for row in rows] == [False, False, True]

    set_all(work, ada)

    flags = [Screening.objects.get(pk=row.pk).flagged for row in rows]
    studies = [Study.objects.get(pk=row.study_id) for row in rows]
    assert flags == [False, True, True]
    assert [study.flagged for study in studies] == [False, True, True]
    assert {tuple(Screening.objects.get(pk=row.pk).thresholds.items()) for row in rows} == {(("covid", 0.3),)}
    work.refresh_from_db()
    assert (work.studies, work.newly_flagged, work.no_longer_flagged) == (3, 1, 0)
    event = AuditEvent.objects.get(chain=chain_key(ChainKind.STUDY, rows[1].study_id), action="study:reflagged")
    assert event.actor == f"user:{ada.pk}"
    assert (event.detail["before"], event.detail["thresholds"]) == ({"covid": 0.5}, {"covid": 0.3})
    assert Explanation.objects.filter(screening=rows[1]).exists()  # what flags a study owes a heat map
    assert list(find_violations(blobs=False)) == []
    assert verify_chain(ChainKind.SITE, site.pk).intact


def test_a_higher_point_takes_flags_back_and_answers_stay(site, version, ada, bea):
    row = screened(site, version, 0.6)
    reader = UserFactory(role_at=(site, Role.REVIEWER))
    record_review(
        study_id=row.study_id,
        reader=reader,
        answers={"covid": AnswerIn(answer="present")},
        comment="",
        actor=Actor.user(reader),
    )
    lower(site, version, ada, bea, 0.8)

    set_all(start_reflagging(site_id=site.pk, version=version, days=30, user=bea), bea)

    study = Study.objects.get(pk=row.study_id)
    assert (study.flagged, study.state) == (False, "reviewed")
    assert study.reviews.count() == 1


def test_an_answered_study_that_becomes_flagged_is_due_again(site, version, ada, bea):
    row = screened(site, version, 0.4)
    reader = UserFactory(role_at=(site, Role.REVIEWER))
    record_review(
        study_id=row.study_id,
        reader=reader,
        answers={"covid": AnswerIn(answer="absent")},
        comment="",
        actor=Actor.user(reader),
    )
    lower(site, version, ada, bea)

    set_all(start_reflagging(site_id=site.pk, version=version, days=30, user=bea), bea)

    assert Study.objects.get(pk=row.study_id).state == "ready"


def test_batches_go_on_where_the_last_ended_and_a_late_press_changes_nothing(site, version, ada, bea, monkeypatch):
    monkeypatch.setattr(reflagging, "AT_ONCE", 2)
    rows = [screened(site, version, 0.4) for _ in range(5)]
    lower(site, version, ada, bea)
    work = start_reflagging(site_id=site.pk, version=version, days=30, user=ada)
    told = []
    while not work.finished_at:
        work = reflag_some(reflagging_id=work.pk, user=ada)
        told.append((work.studies, left_to_reflag(work)))

    events = AuditEvent.objects.count()
    reflag_some(reflagging_id=work.pk, user=ada)

    assert told == [(2, 3), (4, 1), (5, 0)]
    assert AuditEvent.objects.count() == events
    assert Screening.objects.filter(pk__in=[row.pk for row in rows], flagged=True).count() == 5


def test_only_administrators_set_flags_and_one_act_at_a_time(site, version, ada):
    with pytest.raises(NotAllowed):
        start_reflagging(site_id=site.pk, version=version, days=7, user=UserFactory(role_at=(site, Role.REVIEWER)))
    work = start_reflagging(site_id=site.pk, version=version, days=7, user=ada)
    with pytest.raises(AlreadyProposed):
        start_reflagging(site_id=site.pk, version=version, days=7, user=ada)
    with pytest.raises(NotAllowed):
        reflag_some(reflagging_id=work.pk, user=UserFactory())


def a_series(site, ct) -> Study:
    study = StudyFactory(upload=UploadFactory(site=site, sealed=True), modality="ct")
    for place in range(12):
        ScreeningFactory(
            image=ImageFactory(study=study, series_uid="1.2", position=float(place)),
            model_version=ct,
            scored=True,
            scores={"covid": 0.4, "normal": 0.6},
            model_sha256="m" * 64,
            done_at=timezone.now(),
        )
    settle_studies([study.pk])
    return study


def test_a_series_keeps_its_flags_when_it_is_judged_again_and_changes_when_they_are_set(site, ada, bea):
    ct = ModelVersionFactory(modality="ct")
    study = a_series(site, ct)
    lower(site, ct, ada, bea)

    settle_studies([study.pk])
    kept = SeriesResult.objects.get(study=study)
    set_all(start_reflagging(site_id=site.pk, version=ct, days=7, user=ada), ada)
    changed = SeriesResult.objects.get(study=study)

    assert (kept.flagged, kept.thresholds) == (False, {"covid": 0.5})
    assert (changed.flagged, changed.thresholds) == (True, {"covid": 0.3})
    assert Study.objects.get(pk=study.pk).flagged is True


def answered_before_its_flag(site, version, ada, bea) -> Study:
    """A study that was answered, and that a lower point flagged since."""
    row = screened(site, version, 0.4)
    answer(row.study_id, UserFactory(role_at=(site, Role.REVIEWER)))
    lower(site, version, ada, bea)
    set_all(start_reflagging(site_id=site.pk, version=version, days=30, user=bea), bea)
    return Study.objects.get(pk=row.study_id)


def answer(study_id, reader) -> None:
    record_review(
        study_id=study_id,
        reader=reader,
        answers={"covid": AnswerIn(answer="absent")},
        comment="",
        actor=Actor.user(reader),
    )


def test_a_flag_that_came_after_the_answer_waits_however_often_the_study_is_judged(site, version, ada, bea):
    study = answered_before_its_flag(site, version, ada, bea)

    settle_studies([study.pk])

    study.refresh_from_db()
    assert (study.state, study.flagged) == ("ready", True)
    answer(study.pk, ada)
    settle_studies([study.pk])
    study.refresh_from_db()
    assert study.state == "reviewed"


def test_a_flag_that_came_after_the_answer_waits_while_a_replay_is_scored(site, version, ada, bea):
    study = answered_before_its_flag(site, version, ada, bea)
    newer = ModelVersionFactory(slug=version.slug, version="1.1.0")
    before = Study.objects.values().get(pk=study.pk)
    start_replay(site=site, old=version, new=newer, studies=20, user=ada)
    lease, rows = claim(newer)

    commit(lease, rows, scored(0.9))

    assert Study.objects.values().get(pk=study.pk) == before


def test_a_trial_judges_no_study(site, version, ada):
    study = Study.objects.get(pk=screened(site, version, 0.4).study_id)
    newer = ModelVersionFactory(slug=version.slug, version="1.1.0")
    start_replay(site=site, old=version, new=newer, studies=20, user=ada)
    Study.objects.update(state="incomplete", not_assessed=True)  # what judging it would change
    lease, rows = claim(newer)

    commit(lease, rows, scored(0.9))

    study.refresh_from_db()
    assert study.state == "incomplete"


def test_an_answered_study_that_one_of_two_further_results_flags_is_due_again(site, version):
    study = Study.objects.get(pk=screened(site, version, 0.4).study_id)
    answer(study.pk, UserFactory(role_at=(site, Role.REVIEWER)))
    others = [ModelVersionFactory() for _ in range(2)]
    for other in others:
        ScreeningFactory(image=study.images.get(), model_version=other)

    for other, covid in zip(others, (0.9, 0.1), strict=True):
        lease, rows = claim(other)
        commit(lease, rows, scored(covid))

    study.refresh_from_db()
    assert (study.state, study.flagged) == ("ready", True)


def test_an_answer_to_the_new_flag_that_is_taken_back_leaves_the_study_due(site, version, ada, bea):
    study = answered_before_its_flag(site, version, ada, bea)
    answer(study.pk, ada)

    undo_answer(study_id=study.pk, reader=ada, actor=Actor.user(ada))
    settle_studies([study.pk])

    study.refresh_from_db()
    assert study.state == "ready"


def test_a_drawn_study_that_was_answered_stays_open_to_others_when_a_flag_comes(site, version, ada, bea):
    study = Study.objects.get(pk=screened(site, version, 0.4).study_id)
    Sample.objects.create(site=site, study=study, revision=1, flagged=False, probability=0.5, drawn=True)
    one, two = (UserFactory(role_at=(site, Role.REVIEWER)) for _ in range(2))
    hidden = is_hidden(two, study)
    answer(study.pk, one)
    lower(site, version, ada, bea)

    set_all(start_reflagging(site_id=site.pk, version=version, days=30, user=bea), bea)

    study.refresh_from_db()
    assert (study.state, hidden, is_hidden(two, study)) == ("ready", True, False)
