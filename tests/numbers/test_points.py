"""Another operating point: proposed by one administrator, approved by another, in force from then on and not before."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import IntegrityError, connections, transaction

from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import chain_key, verify_chain
from screening.errors import IllegalTransition, NotAllowed, ScreeningError
from screening.numbers.errors import AlreadyProposed, NothingProposed, SecondPersonNeeded
from screening.numbers.models import PointProposal
from screening.numbers.points import approve_point, colleagues_of, decline_point, propose_point
from screening.results.models import OperatingPoint
from screening.results.services import thresholds_of
from screening.users.models import Role
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory
from tests.numbers.acting import proposed, screened

pytestmark = pytest.mark.django_db


def in_force(site, version) -> float:
    return thresholds_of(site_ids=[site.pk], version=version)[site.pk]["covid"]


def actions(site) -> list[str]:
    chain = chain_key(ChainKind.SITE, site.pk)
    return list(AuditEvent.objects.filter(chain=chain).order_by("seq").values_list("action", flat=True))


def test_a_point_applies_from_the_approval_of_another_person_on_and_past_results_stay(site, version, ada, bea):
    before = screened(site, version, 0.4)
    proposal = proposed(site, version, ada)
    meanwhile = screened(site, version, 0.4)

    approve_point(proposal_id=proposal.pk, user=bea)

    after = screened(site, version, 0.4)
    assert [row.flagged for row in (before, meanwhile, after)] == [False, False, True]
    assert [row.thresholds["covid"] for row in (before, meanwhile, after)] == [0.5, 0.5, 0.3]
    before.refresh_from_db()
    assert before.flagged is False
    point = OperatingPoint.objects.get(site=site)
    assert (point.value, point.proposed_by, point.approved_by) == (0.3, ada, bea)
    assert actions(site) == ["point:proposed", "point:approved"]
    assert verify_chain(ChainKind.SITE, site.pk).intact


def test_nobody_approves_what_they_proposed(site, version, ada):
    proposal = proposed(site, version, ada)

    with pytest.raises(SecondPersonNeeded):
        approve_point(proposal_id=proposal.pk, user=ada)

    proposal.refresh_from_db()
    assert proposal.state == "open"
    assert in_force(site, version) == 0.5
    assert actions(site) == ["point:proposed"]


def test_the_database_refuses_an_approval_by_the_proposer_as_well(site, version, ada):
    proposal = proposed(site, version, ada)
    point = OperatingPoint.objects.create(site=site, model_version=version, label="covid", value=0.3)

    with pytest.raises(IntegrityError), transaction.atomic():
        PointProposal.objects.filter(pk=proposal.pk).update(state="approved", decided_by=ada, point=point)


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.STAFF, Role.INTEGRATOR])
def test_only_administrators_of_the_site_propose_and_decide(site, version, ada, role):
    other = UserFactory(role_at=(site, role))
    stranger = UserFactory(role_at=(SiteFactory(), Role.ADMIN))
    proposal = proposed(site, version, ada)

    for act in (
        lambda user: proposed(site, version, user, 0.7),
        lambda user: approve_point(proposal_id=proposal.pk, user=user),
        lambda user: decline_point(proposal_id=proposal.pk, user=user),
    ):
        for user in (other, stranger):
            with pytest.raises(NotAllowed):
                act(user)

    assert in_force(site, version) == 0.5
    assert actions(site) == ["point:proposed"]


def test_an_administrator_whose_membership_ended_decides_nothing(site, version, ada, bea):
    proposal = proposed(site, version, ada)
    bea.memberships.all().delete()

    with pytest.raises(NotAllowed):
        approve_point(proposal_id=proposal.pk, user=bea)


def test_a_point_holds_for_its_model_version_and_its_site_alone(site, version, ada, bea):
    elsewhere, newer = SiteFactory(), ModelVersionFactory(slug=version.slug, version="1.1.0")

    approve_point(proposal_id=proposed(site, version, ada).pk, user=bea)

    assert in_force(site, version) == 0.3
    assert in_force(elsewhere, version) == 0.5
    assert in_force(site, newer) == 0.5


def test_a_decided_proposal_is_not_decided_again(site, version, ada, bea):
    proposal = proposed(site, version, ada)
    decline_point(proposal_id=proposal.pk, user=bea)

    with pytest.raises(IllegalTransition):
        approve_point(proposal_id=proposal.pk, user=bea)

    assert in_force(site, version) == 0.5
    assert actions(site) == ["point:proposed", "point:declined"]


def test_one_withdraws_ones_own(site, version, ada):
    proposal = decline_point(proposal_id=proposed(site, version, ada).pk, user=ada)

    assert proposal.state == "withdrawn"
    assert actions(site) == ["point:proposed", "point:withdrawn"]


@pytest.mark.parametrize(
    ("label", "value", "reason"),
    [("covid", 0.5, "why"), ("covid", 0.0, "why"), ("covid", 1.0, "why"), ("covid", 0.4, "  "), ("normal", 0.4, "why")],
)
def test_what_would_change_nothing_or_cannot_be_is_not_proposed(site, version, ada, label, value, reason):
    with pytest.raises(NothingProposed):
        propose_point(site_id=site.pk, version=version, label=label, value=value, reason=reason, user=ada)

    assert not PointProposal.objects.exists()
    assert actions(site) == []


def test_one_proposal_for_a_label_waits_at_a_time(site, version, ada, bea):
    proposed(site, version, ada)

    with pytest.raises(AlreadyProposed):
        proposed(site, version, bea, 0.7)

    assert actions(site) == ["point:proposed"]


def test_a_lone_administrator_has_no_colleague_and_learns_of_those_there_are(site, ada):
    assert colleagues_of(ada, site) == []

    gone = UserFactory(username="gone", role_at=(site, Role.ADMIN))
    gone.is_active = False
    gone.save()
    UserFactory(username="bea", role_at=(site, Role.ADMIN))
    UserFactory(username="rea", role_at=(site, Role.REVIEWER))

    assert colleagues_of(ada, site) == ["bea"]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_one_wins(site, version, ada, bea):
    cleo = UserFactory(username="cleo", role_at=(site, Role.ADMIN))
    proposal = proposed(site, version, ada)
    together = Barrier(2)

    def decide(user) -> str:
        together.wait(timeout=30)
        try:
            return approve_point(proposal_id=proposal.pk, user=user).state
        except ScreeningError as refused:
            return refused.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(decide, [bea, cleo]))

    assert told == ["approved", "illegal_transition"]
    assert OperatingPoint.objects.filter(site=site).count() == 1
    assert actions(site) == ["point:proposed", "point:approved"]
    assert verify_chain(ChainKind.SITE, site.pk).intact
