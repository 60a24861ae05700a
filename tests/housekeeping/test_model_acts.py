"""Versions are retired and come back; what sites decided on is not taken from them unsaid; what waits is finished."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import chain_key, verify_chain
from screening.errors import BundleAway, IllegalTransition, NotAllowed
from screening.housekeeping.errors import VersionInUse
from screening.housekeeping.model_acts import activate_version, retire_version
from screening.housekeeping.model_uses import retiring, uses_of
from screening.numbers.points import propose_point
from screening.numbers.replays import start_replay, switch
from screening.results.leases import lanes_with_work
from screening.results.models import OperatingPoint, ScreeningState, SiteVersion
from screening.results.selectors import chosen_models
from screening.results.services import register_model
from screening.results.versions import retire_gone
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


def told(site) -> list[tuple[str, str]]:
    events = AuditEvent.objects.filter(chain=chain_key(ChainKind.SITE, site.pk)).order_by("seq")
    return [(event.action, event.detail.get("model", "")) for event in events]


def decide(site, version, user) -> None:
    SiteVersion.objects.create(site=site, slug=version.slug, version=version, proposed_by=user)


def test_a_retired_version_is_offered_to_nobody_and_every_site_is_told(site, version, operator):
    other = SiteFactory()

    assert retire_version(version_id=version.pk, user=operator)

    version.refresh_from_db()
    assert (version.active, version.standing, version.retired_by) == (False, "retired", operator)
    assert chosen_models([]) == []
    assert told(site) == told(other) == [("model:retired", version.name)]
    assert verify_chain(ChainKind.SITE, site.pk).intact


def test_retiring_twice_is_one_retiring(site, version, operator):
    retire_version(version_id=version.pk, user=operator)

    assert not retire_version(version_id=version.pk, user=operator)
    assert len(told(site)) == 1


def test_an_administrator_of_a_site_does_not_retire_for_the_others(ada, version):
    with pytest.raises(NotAllowed):
        retire_version(version_id=version.pk, user=ada)

    version.refresh_from_db()
    assert version.active


def test_what_waits_for_a_retired_version_is_still_screened(site, version, operator):
    row = ScreeningFactory(
        image=ImageFactory(study=StudyFactory(upload=UploadFactory(site=site, sealed=True))), model_version=version
    )

    retire_version(version_id=version.pk, user=operator)

    assert lanes_with_work() == [version.pk]
    lease, rows = claim(version)
    commit(lease, rows, scored(0.9))
    row.refresh_from_db()
    assert (row.state, row.flagged) == (ScreeningState.SCORED, True)


def test_a_version_that_a_site_decided_on_is_retired_only_when_that_is_said(site, version, newer, ada, operator):
    decide(site, version, ada)

    with pytest.raises(VersionInUse):
        retire_version(version_id=version.pk, user=operator)
    version.refresh_from_db()
    assert version.active
    assert told(site) == []

    retire_version(version_id=version.pk, user=operator, all_the_same=True)

    assert chosen_models([version.slug], site_id=site.pk) == [newer]


@pytest.mark.parametrize("held", ["point", "proposal", "replay"])
def test_points_proposals_and_replays_hold_a_version_too(held, site, version, newer, ada, operator):
    if held == "point":
        OperatingPoint.objects.create(site=site, model_version=newer, label="covid", value=0.4)
    elif held == "proposal":
        propose_point(site_id=site.pk, version=newer, label="covid", value=0.3, reason="missed", user=ada)
    else:
        screened(site, version, 0.2)
        start_replay(site=site, old=version, new=newer, studies=1, user=ada)

    with pytest.raises(VersionInUse):
        retire_version(version_id=newer.pk, user=operator)


def test_a_point_of_a_version_that_the_site_left_holds_nothing(site, version, newer, operator):
    OperatingPoint.objects.create(site=site, model_version=version, label="covid", value=0.4)

    assert retire_version(version_id=version.pk, user=operator)


def test_what_retiring_means_is_counted(site, version, newer):
    UploadFactory(site=site, models_chosen=[newer.name])
    UploadFactory(site=site, models_chosen=[newer.name], finished=True)
    ScreeningFactory(model_version=newer)

    means = retiring(newer)

    assert (means.instead, means.uploads, means.waiting, means.last_of_modality) == (version, 1, 1, False)
    assert [(one.site, one.decided) for one in means.uses.sites if one.site == site] == [(site, False)]


def test_the_last_version_of_a_modality_is_said_to_be_that(version):
    ModelVersionFactory(modality="ct")

    assert retiring(version).last_of_modality


def test_uses_name_only_the_sites_that_were_asked_about(site, version, ada):
    elsewhere = SiteFactory()
    decide(elsewhere, version, ada)

    uses = uses_of([version], [site])[version.pk]

    assert [(one.site, one.since) for one in uses.sites] == [(site, None)]


def test_a_retired_version_comes_back_with_what_sites_decided(site, version, newer, ada, operator):
    decide(site, version, ada)
    retire_version(version_id=version.pk, user=operator, all_the_same=True)

    assert activate_version(version_id=version.pk, user=operator)

    version.refresh_from_db()
    assert (version.active, version.retired_at, version.retired_by) == (True, None, None)
    assert chosen_models([version.slug], site_id=site.pk) == [version]
    assert [action for action, _ in told(site)] == ["model:retired", "model:activated"]


def test_without_its_bundle_a_version_does_not_come_back(site, version, operator, settings):
    retire_version(version_id=version.pk, user=operator)
    (settings.CONFIG.model_root / version.folder / "card.json").write_text('{"model_sha256": "of another"}')

    with pytest.raises(BundleAway):
        activate_version(version_id=version.pk, user=operator)

    version.refresh_from_db()
    assert not version.active
    assert [action for action, _ in told(site)] == ["model:retired"]


def test_registering_again_brings_back_what_was_gone_and_not_what_was_retired(version, newer, operator):
    retire_version(version_id=version.pk, user=operator)
    retire_gone(versions=[newer])

    for one in (version, newer):
        card = {**one.card, "model_sha256": one.sha256}
        register_model(card=card, folder=one.folder)
        one.refresh_from_db()

    assert (version.standing, newer.standing) == ("retired", "active")


def test_nobody_switches_to_a_version_that_was_retired_meanwhile(site, version, newer, ada, bea, operator):
    screened(site, version, 0.2)
    replay = start_replay(site=site, old=version, new=newer, studies=1, user=ada)
    replay.studies.clear()  # nothing left to try
    retire_version(version_id=newer.pk, user=operator, all_the_same=True)

    with pytest.raises(IllegalTransition):
        switch(replay_id=replay.pk, user=bea)


def test_the_command_says_who_runs_the_installation(site, ada):
    for words, expected in ((["ada"], True), (["ada"], True), (["ada", "--end"], False)):
        call_command("operator", *words, stdout=StringIO())
        ada.refresh_from_db()
        assert ada.is_superuser is expected

    assert [action for action, _ in told(site)] == ["operator:made", "operator:ended"]


def test_the_command_knows_nobody_who_left(site):
    UserFactory(username="gone", is_active=False, last_login=timezone.now())

    with pytest.raises(CommandError):
        call_command("operator", "gone", stdout=StringIO())
