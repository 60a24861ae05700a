"""What an administrator does at a site: roles, removals, policy. Each act is on the site's audit chain."""

from collections.abc import Mapping
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import LastAdministrator
from screening.users.models import ApiToken, Membership, Role, Site
from screening.users.roles import SCOPES_OF


def create_site(*, name: str, actor: Actor) -> Site:
    """A new site, without members."""
    with transaction.atomic():
        site = Site.objects.create(name=name)
        record(actor, [Draft(ChainKind.SITE, site.pk, site.pk, "site:created")])
    return site


def change_role(*, membership: Membership, role: Role, actor: Actor) -> Membership:
    """Give a member another role. Tokens with scopes that the new role does not hold are revoked.

    Raises:
        LastAdministrator: the site would be left without one.
    """
    with transaction.atomic():
        locked = _lock(membership)
        if locked.role == role:
            return locked
        _keep_an_administrator(locked, stays=role == Role.ADMIN)
        before, locked.role = locked.role, role
        locked.save(update_fields=["role"])
        revoked = _revoke_beyond(locked, SCOPES_OF[role])
        detail = {"user": locked.user_id, "before": before, "role": role.value, "tokens_revoked": revoked}
        record(actor, [_draft(locked.site_id, "member:role_changed", detail)])
    return locked


def remove_member(*, membership: Membership, actor: Actor) -> None:
    """End a membership and every token that the person had at the site.

    Raises:
        LastAdministrator: the site would be left without one.
    """
    with transaction.atomic():
        locked = _lock(membership)
        _keep_an_administrator(locked, stays=False)
        revoked = _revoke_beyond(locked, ())
        record(actor, [_draft(locked.site_id, "member:removed", {"user": locked.user_id, "tokens_revoked": revoked})])
        locked.delete()


def set_policy(*, site_id: UUID, hold_burned_in: bool, mask_text: bool, actor: Actor) -> Site:
    """Decide whether pictures that may carry burned-in text are held back, and whether what seems to be text is filled.

    Pictures that the site holds already stay as they are.
    """
    return _decide(site_id, {"hold_burned_in": hold_burned_in, "mask_text": mask_text}, actor)


def set_limits(*, site_id: UUID, flagged_hours: int, rest_hours: int, reads: str, actor: Actor) -> Site:
    """Decide within how many hours studies are to be read, and whether what is not flagged is read or sampled.

    It holds at once, for the studies that wait too.
    """
    return _decide(site_id, {"flagged_hours": flagged_hours, "rest_hours": rest_hours, "reads": reads}, actor)


def set_retention(*, site_id: UUID, study_days: int | None, keep_unread: bool, failed_days: int, actor: Actor) -> Site:
    """Decide after how many days studies are deleted, and the bytes of failed files. It holds at once."""
    return _decide(site_id, {"study_days": study_days, "keep_unread": keep_unread, "failed_days": failed_days}, actor)


def _decide(site_id: UUID, chosen: Mapping[str, object], actor: Actor) -> Site:
    with transaction.atomic():
        site = Site.objects.select_for_update().get(pk=site_id)
        changed: dict[str, object] = {name: value for name, value in chosen.items() if getattr(site, name) != value}
        if not changed:
            return site
        for name, value in changed.items():
            setattr(site, name, value)
        site.save(update_fields=list(changed))
        record(actor, [_draft(site.pk, "site:policy_changed", changed)])
    return site


def _lock(membership: Membership) -> Membership:
    # The site first: two administrators who demote each other at once must not both succeed.
    Site.objects.select_for_update().get(pk=membership.site_id)
    return Membership.objects.select_for_update().get(pk=membership.pk)


def _keep_an_administrator(membership: Membership, *, stays: bool) -> None:
    if stays or membership.role != Role.ADMIN:
        return
    others = Membership.objects.filter(site_id=membership.site_id, role=Role.ADMIN, user__is_active=True)
    if not others.exclude(pk=membership.pk).exists():
        raise LastAdministrator(_("This is the last administrator of the site."))


def _revoke_beyond(membership: Membership, scopes: tuple[str, ...]) -> int:
    tokens = ApiToken.objects.filter(user_id=membership.user_id, site_id=membership.site_id)
    beyond = [token.pk for token in tokens if not set(token.scopes) <= set(scopes) or not scopes]
    return ApiToken.objects.filter(pk__in=beyond).delete()[0]


def _draft(site_id: UUID, action: str, detail: dict[str, object]) -> Draft:
    return Draft(ChainKind.SITE, site_id, site_id, action, detail)
