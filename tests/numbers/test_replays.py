"""Another version on past studies: tried beside the old, a result of nothing, switched to by a second person."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from screening import leasing
from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import chain_key, verify_chain
from screening.errors import IllegalTransition, NotAllowed, ScreeningError
from screening.flows.integrity import find_violations
from screening.flows.offering import open_upload
from screening.flows.purge import purge_study
from screening.flows.reclaim import reclaim_expired
from screening.flows.settle import settle_studies
from screening.numbers.comparing import compare
from screening.numbers.errors import AlreadyProposed, NothingToReplay, SecondPersonNeeded
from screening.numbers.history import history_of
from screening.numbers.models import Replay
from screening.numbers.replays import close_replay, left_to_try, start_replay, switch
from screening.results.models import Screening, SeriesResult, SiteVersion
from screening.results.selectors import chosen_models
from screening.results.services import plan
from screening.studies.models import Image, Study
from screening.users.models import Role
from tests.factories import (
    ImageFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)
from tests.numbers.acting import screened
from tests.results.test_record_outcomes import claim, commit, scored

pytestmark = pytest.mark.django_db


@pytest.fixture
def newer(version):
    return ModelVersionFactory(slug=version.slug, version="1.1.0")


def begin(site, version, newer, user, studies: int = 50) -> Replay:
    return start_replay(site=site, old=version, new=newer, studies=studies, user=user)


def try_all(newer, *scores: float) -> None:
    """Score what waits as the workers do, in the order in which it stands."""
    for score in scores:
        lease, rows = claim(newer, limit=1)
        leasing.begin(Screening, lease)
        commit(lease, rows, scored(score))


def used(site, version) -> list[str]:
    return [one.version for one in chosen_models([version.slug], site_id=site.pk)]


def actions(site) -> list[str]:
    events = AuditEvent.objects.filter(chain=chain_key(ChainKind.SITE, site.pk)).order_by("seq")
    return list(events.values_list("action", flat=True))


def test_a_trial_is_scored_by_workers_and_is_a_result_of_nothing(site, version, newer, ada):
    row = screened(site, version, 0.2)
    before = Study.objects.values().get(pk=row.study_id)

    replay = begin(site, version, newer, ada)
    assert left_to_try(replay) == 1
    try_all(newer, 0.9)

    trial = Screening.with_trials.get(trial=True)
    assert (trial.state, trial.flagged, trial.scores["covid"]) == ("scored", True, 0.9)
    assert left_to_try(replay) == 0
    assert Study.objects.values().get(pk=row.study_id) == before
    settle_studies([row.study_id])
    assert Study.objects.values().get(pk=row.study_id) == before
    assert list(Screening.objects.all()) == [row]
    assert list(Study.objects.get(pk=row.study_id).screenings.all()) == [row]
    assert len(history_of(site_id=site.pk, version=newer, label="covid", days=7).judged) == 0
    event = AuditEvent.objects.filter(chain=chain_key(ChainKind.STUDY, row.study_id), detail__trial=True).get()
    assert event.action == "screening:scored"
    assert list(find_violations(blobs=False)) == []


def test_the_list_tells_which_flags_would_change(site, version, newer, ada):
    rows = [screened(site, version, covid) for covid in (0.2, 0.8, 0.7)]
    replay = begin(site, version, newer, ada)
    order = {row.image_id: score for row, score in zip(rows, (0.9, 0.1, 0.6), strict=True)}
    for _ in rows:
        lease, [one] = claim(newer, limit=1)
        commit(lease, [one], scored(order[one.image_id]))

    told = compare(replay)

    assert (told.newly_flagged, told.no_longer_flagged, told.same) == (1, 1, 1)
    assert {change.study: (change.old.word, change.new.word) for change in told.differing} == {
        rows[0].study_id: ("not flagged", "flagged"),
        rows[1].study_id: ("flagged", "not flagged"),
    }
    [up] = [change for change in told.differing if change.study == rows[0].study_id]
    assert (up.old.score, up.new.score) == (0.2, 0.9)


def test_a_series_is_compared_as_a_series(site, ada):
    ct = ModelVersionFactory(modality="ct", slug="ct-test")
    newer = ModelVersionFactory(modality="ct", slug="ct-test", version="1.1.0")
    study = StudyFactory(upload=UploadFactory(site=site, finished=True), modality="ct")
    for place in range(12):
        ScreeningFactory(
            image=ImageFactory(study=study, series_uid="1.2", position=float(place)), model_version=ct, scored=True
        )
    settle_studies([study.pk])
    replay = begin(site, ct, newer, ada)

    try_all(newer, 0.9, *[0.2] * 11)

    # One bright slice of twelve: the mean of the top tenth, of three at least, is 0.43.
    [change] = compare(replay).changes
    assert change.new.word == "not flagged"
    assert change.new.score == pytest.approx((0.9 + 0.2 + 0.2) / 3)


def test_slices_of_a_series_that_was_inconclusive_are_compared_as_not_assessed(site, ada):
    ct = ModelVersionFactory(modality="ct", slug="ct-test")
    newer = ModelVersionFactory(modality="ct", slug="ct-test", version="1.1.0")
    study = StudyFactory(upload=UploadFactory(site=site, finished=True), modality="ct")
    for place, row in enumerate([{"scored_flagged": True}, *[{"state": "inconclusive", "code": "not_chest"}] * 11]):
        ScreeningFactory(
            image=ImageFactory(study=study, series_uid="1.2", position=float(place)), model_version=ct, **row
        )
    settle_studies([study.pk])

    [change] = compare(begin(site, ct, newer, ada)).changes

    assert (SeriesResult.objects.get().outcome, change.old.word) == ("inconclusive", "not assessed")


def test_until_the_switch_the_site_keeps_the_old_version_and_others_take_the_new(site, version, newer, ada, bea):
    screened(site, version, 0.2)
    assert used(site, version) == ["1.1.0"]  # nobody decided: the newest
    replay = begin(site, version, newer, ada)
    try_all(newer, 0.9)
    kept = used(site, version)

    switch(replay_id=replay.pk, user=bea)

    assert (kept, used(site, version), used(SiteFactory(), version)) == (["1.0.0"], ["1.1.0"], ["1.1.0"])
    choice = SiteVersion.objects.first()
    assert (choice.version, choice.proposed_by, choice.approved_by) == (newer, ada, bea)
    assert actions(site) == ["model:replay_started", "model:switched"]
    assert verify_chain(ChainKind.SITE, site.pk).intact


def test_an_upload_is_screened_with_the_version_of_its_site(site, version, newer, ada):
    screened(site, version, 0.2)
    begin(site, version, newer, ada)

    upload = open_upload(site=site, user=ada, name="x", models=[])

    assert upload.models_chosen == [version.name]


def test_after_the_switch_a_picture_that_was_tried_is_screened_for_real(site, version, newer, ada, bea):
    row = screened(site, version, 0.2)
    replay = begin(site, version, newer, ada)
    try_all(newer, 0.9)
    switch(replay_id=replay.pk, user=bea)

    for one in plan(image=Image.objects.get(pk=row.image_id), upload_id=row.upload_id, versions=[newer], rank=0.0):
        one.save(force_insert=True)
    try_all(newer, 0.8)

    assert Screening.objects.get(model_version=newer).scores["covid"] == 0.8
    assert Study.objects.get(pk=row.study_id).flagged is True


def test_nobody_switches_after_a_replay_of_their_own_nor_before_it_is_done(site, version, newer, ada, bea):
    screened(site, version, 0.2)
    replay = begin(site, version, newer, ada)

    with pytest.raises(IllegalTransition):
        switch(replay_id=replay.pk, user=bea)
    try_all(newer, 0.9)
    with pytest.raises(SecondPersonNeeded):
        switch(replay_id=replay.pk, user=ada)

    assert used(site, version) == ["1.0.0"]
    assert actions(site) == ["model:replay_started"]


def test_a_closed_replay_stays_with_the_old_version(site, version, newer, ada):
    screened(site, version, 0.2)
    replay = begin(site, version, newer, ada)

    close_replay(replay_id=replay.pk, user=ada)

    with pytest.raises(IllegalTransition):
        switch(replay_id=replay.pk, user=ada)
    assert used(site, version) == ["1.0.0"]


def test_what_cannot_be_compared_is_refused(site, version, newer, ada):
    other = ModelVersionFactory()
    with pytest.raises(NothingToReplay):
        begin(site, version, newer, ada)  # nothing was screened
    screened(site, version, 0.2)
    retired = ModelVersionFactory(slug=version.slug, version="0.9.0", active=False)
    for old, new in ((version, other), (version, version), (version, retired)):
        with pytest.raises(NothingToReplay):
            begin(site, old, new, ada)
    with pytest.raises(NotAllowed):
        begin(site, version, newer, UserFactory(role_at=(site, Role.REVIEWER)))
    begin(site, version, newer, ada)
    with pytest.raises(AlreadyProposed):
        begin(site, version, newer, ada)

    assert Replay.objects.count() == 1


def test_one_person_cannot_go_back_by_naming_an_older_version_as_the_one_in_use(site, version, newer, ada, bea):
    screened(site, version, 0.2)
    replay = begin(site, version, newer, ada)
    try_all(newer, 0.9)
    switch(replay_id=replay.pk, user=bea)
    third = ModelVersionFactory(slug=version.slug, version="1.2.0")

    with pytest.raises(NothingToReplay):
        begin(site, version, third, ada)

    assert used(site, version) == ["1.1.0"]


def test_one_person_cannot_go_back_at_a_site_that_decided_nothing_either(site, version, newer, ada):
    screened(site, version, 0.2)
    screened(site, newer, 0.2)  # by having been registered it applies, and the site is used to it

    with pytest.raises(NothingToReplay):
        begin(site, version, newer, ada)

    assert used(site, version) == ["1.1.0"]
    assert not SiteVersion.objects.exists()


def test_a_purge_takes_trials_along_and_a_dead_worker_gives_them_back(site, version, newer, ada):
    row = screened(site, version, 0.2)
    begin(site, version, newer, ada)
    _, [trial] = claim(newer)
    Screening.with_trials.filter(pk=trial.pk).update(lease_until="2020-01-01T00:00:00Z")

    assert reclaim_expired() == 1
    assert Screening.with_trials.get(pk=trial.pk).state == "waiting"
    purge_study(study_id=row.study_id, actor=Actor.user(ada))

    assert not Screening.with_trials.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_a_replay_at_once_one_wins(site, version, newer, ada, bea):
    cleo = UserFactory(username="cleo", role_at=(site, Role.ADMIN))
    screened(site, version, 0.2)
    replay = begin(site, version, newer, ada)
    try_all(newer, 0.9)
    together = Barrier(2)

    def decide(act, user) -> str:
        together.wait(timeout=30)
        try:
            return act(replay_id=replay.pk, user=user).state
        except ScreeningError as refused:
            return refused.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        told = [one.result() for one in (pool.submit(decide, switch, bea), pool.submit(decide, switch, cleo))]

    assert sorted(told) == ["illegal_transition", "switched"]
    assert SiteVersion.objects.filter(version=newer).count() == 1


def test_the_pages_show_the_change_and_offer_the_switch_to_the_colleague_alone(site, version, newer, ada, bea):
    row = screened(site, version, 0.2)
    client = Client()
    replay = begin(site, version, newer, ada)
    try_all(newer, 0.9)
    client.force_login(ada)
    assert f"knows {version.name}" in client.get(reverse("numbers:upgrades", args=[site.pk])).content.decode()
    shown = {}
    for user in (ada, bea):
        client.force_login(user)
        shown[user.username] = client.get(reverse("numbers:replay", args=[site.pk, replay.pk])).content.decode()

    assert str(row.study_id)[:8] in shown["ada"]
    assert f"Switch to {newer.name}" not in shown["ada"]
    assert "another administrator of the site switches" in shown["ada"]
    assert f"Switch to {newer.name}" in shown["bea"]


def test_a_site_that_decided_nothing_is_offered_the_newer_version_beside_the_one_it_knows(site, version, newer, ada):
    screened(site, version, 0.2)
    client = Client()
    client.force_login(ada)

    shown = client.get(reverse("numbers:upgrades", args=[site.pk])).content.decode()

    assert f"This site knows {version.name}." in shown
    assert f"{newer.name} was registered since" in shown
    assert f"Try <strong>{newer.name}</strong>" in shown
    assert f"Try <strong>{version.name}</strong>" not in shown
