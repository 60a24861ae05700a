"""Another operating point for a site: one administrator proposes it, another person decides.

Every act is on the site's audit chain. What is screened after the approval stands under the new point; what was
screened before keeps its flags until somebody asks for them to be set again (reflagging.py).
"""

from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import IllegalTransition, NotAllowed
from screening.numbers.errors import AlreadyProposed, NothingProposed, SecondPersonNeeded
from screening.numbers.models import PointProposal, ProposalState
from screening.results.models import ModelVersion
from screening.results.services import set_point, thresholds_of
from screening.users.models import Site, User
from screening.users.roles import ADMINISTRATORS, holds
from screening.wording import figure

PLACES: Final = 4  # decimals that a point is kept with; scores are told with three


def propose_point(
    *, site_id: UUID, version: ModelVersion, label: str, value: float, reason: str, user: User
) -> PointProposal:
    """Propose another value for one label of a model version at a site. Nothing applies yet.

    Raises:
        NotAllowed: the user does not administer the site.
        NothingProposed: the value is the present one or not between 0 and 1, the label raises no flag, or no reason.
        AlreadyProposed: another proposal for this label is open; nothing changed.
    """
    _refuse_strangers(user, site_id)
    value, reason = round(value, PLACES), reason.strip()
    present = thresholds_of(site_ids=[site_id], version=version)[site_id].get(label)
    if present is None:
        raise NothingProposed(_("%(label)s raises no flag of %(name)s.") % {"label": label, "name": version.name})
    if not 0 < value < 1 or value == present or not reason:
        raise NothingProposed(
            _("%(value)s was proposed where %(present)s applies.")
            % {"value": figure(value), "present": figure(present)}
        )
    try:
        return _propose(site_id, version, label, value, present, reason, user)
    except IntegrityError as error:
        raise AlreadyProposed(
            _("Another operating point for %(label)s of %(name)s waits.") % {"label": label, "name": version.name}
        ) from error


@transaction.atomic
def _propose(
    site_id: UUID, version: ModelVersion, label: str, value: float, present: float, reason: str, user: User
) -> PointProposal:
    proposal = PointProposal.objects.create(
        site_id=site_id,
        model_version=version,
        label=label,
        value=value,
        present=present,
        reason=reason,
        proposed_by=user,
    )
    record(Actor.user(user), [_draft(proposal, "point:proposed")])
    return proposal


@transaction.atomic
def approve_point(*, proposal_id: UUID, user: User) -> PointProposal:
    """Approve what another person proposed: from now on it applies to what is screened.

    Raises:
        NotAllowed: the user does not administer the site.
        SecondPersonNeeded: the user proposed it.
        IllegalTransition: somebody decided already; nothing changed.
    """
    proposal = _open(proposal_id, user)
    if proposal.proposed_by_id == user.pk:
        raise SecondPersonNeeded(_("Nobody approves a proposal of their own."))
    proposal.point = set_point(
        site_id=proposal.site_id,
        version=proposal.model_version,
        label=proposal.label,
        value=proposal.value,
        proposed_by=proposal.proposed_by,
        approved_by=user,
    )
    return _decide(proposal, ProposalState.APPROVED, user)


@transaction.atomic
def decline_point(*, proposal_id: UUID, user: User) -> PointProposal:
    """Decline a proposal; one's own is withdrawn.

    Raises:
        NotAllowed: the user does not administer the site.
        IllegalTransition: somebody decided already; nothing changed.
    """
    proposal = _open(proposal_id, user)
    own = proposal.proposed_by_id == user.pk
    return _decide(proposal, ProposalState.WITHDRAWN if own else ProposalState.DECLINED, user)


def _open(proposal_id: UUID, user: User) -> PointProposal:
    locked = PointProposal.objects.select_for_update(of=("self",)).select_related("model_version", "proposed_by")
    proposal = locked.get(pk=proposal_id)
    _refuse_strangers(user, proposal.site_id)
    if proposal.state != ProposalState.OPEN:
        raise IllegalTransition(_("The proposal was %(state)s already.") % {"state": _(proposal.state)})
    return proposal


def _decide(proposal: PointProposal, to: ProposalState, user: User) -> PointProposal:
    proposal.state, proposal.decided_by, proposal.decided_at = to, user, timezone.now()
    proposal.save(update_fields=["state", "decided_by", "decided_at", "point"])
    record(Actor.user(user), [_draft(proposal, f"point:{to}")])
    return proposal


def _refuse_strangers(user: User, site_id: UUID) -> None:
    if not holds(user, site_id, ADMINISTRATORS):
        raise NotAllowed(_("Operating points are decided by administrators of the site."))


def _draft(proposal: PointProposal, action: str) -> Draft:
    detail = {
        "proposal": str(proposal.pk),
        "model": proposal.model_version.name,
        "label": proposal.label,
        "before": proposal.present,
        "value": proposal.value,
        "reason": proposal.reason,
        "user": proposal.proposed_by_id,
    }
    return Draft(ChainKind.SITE, proposal.site_id, proposal.site_id, action, detail)


def colleagues_of(user: User, site: Site) -> list[str]:
    """Who else could decide: the names of the site's other administrators."""
    others = site.memberships.filter(role__in=ADMINISTRATORS, user__is_active=True).exclude(user=user)
    return list(others.order_by("user__username").values_list("user__username", flat=True))
