"""Links that let somebody in, once: to sign in, or to join a site. Only their hashes are stored."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import InvitationInvalid
from screening.users.models import OneTimeLink, Role, Site, User

SIGN_IN_LIFE: Final = timedelta(days=1)
INVITATION_LIFE: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link just made. Its secret is in no database and can be shown only now."""

    link: OneTimeLink
    secret: str


def make_sign_in_link(*, user: User) -> NewLink:
    """A link that signs the user in once, within a day. It replaces every older one that was not used."""
    made = _draw(kind=OneTimeLink.Kind.SIGN_IN, life=SIGN_IN_LIFE)
    made.link.user = user
    with transaction.atomic():
        OneTimeLink.objects.filter(kind=OneTimeLink.Kind.SIGN_IN, user=user, used_at__isnull=True).delete()
        made.link.save()
    return made


def invite(*, site: Site, role: Role, actor: Actor, created_by: User | None = None) -> NewLink:
    """A link that lets one person join the site in a role, within a week."""
    made = _draw(kind=OneTimeLink.Kind.INVITATION, life=INVITATION_LIFE)
    made.link.site, made.link.role, made.link.created_by = site, role, created_by
    with transaction.atomic():
        made.link.save()
        record(actor, [Draft(ChainKind.SITE, site.pk, site.pk, "member:invited", {"role": role.value})])
    return made


def withdraw_invitation(*, site: Site, link_id: int, actor: Actor) -> None:
    """Make an open invitation of the site useless. Nothing happens if it was used in the meantime."""
    with transaction.atomic():
        gone, _ = _open_links(OneTimeLink.Kind.INVITATION).filter(pk=link_id, site=site).delete()
        if gone:
            record(actor, [Draft(ChainKind.SITE, site.pk, site.pk, "member:invitation_withdrawn")])


def open_invitations(site: Site) -> list[OneTimeLink]:
    """Invitations of the site that can still be used, the newest first."""
    return list(_open_links(OneTimeLink.Kind.INVITATION).filter(site=site).order_by("-expires_at"))


def find_link(secret: str, kind: OneTimeLink.Kind) -> OneTimeLink:
    """The link of this secret, if it can still be used. Looking at it does not use it.

    Raises:
        InvitationInvalid: it was used, has expired or never existed; which of the three is not said.
    """
    link = _open_links(kind).select_related("site", "user").filter(digest=_digest(secret)).first()
    if link is None:
        raise InvitationInvalid(_("This link was used before, has expired or is not complete."))
    return link


def consume(secret: str, kind: OneTimeLink.Kind) -> OneTimeLink:
    """Use the link up, in the caller's transaction: of two who try at once, one succeeds.

    Raises:
        InvitationInvalid: as `find_link`.
    """
    link = find_link(secret, kind)
    if not _open_links(kind).filter(pk=link.pk).update(used_at=timezone.now()):
        raise InvitationInvalid(_("This link was used before, has expired or is not complete."))
    return link


def _open_links(kind: OneTimeLink.Kind) -> models.QuerySet[OneTimeLink]:
    return OneTimeLink.objects.filter(Q(kind=kind) & Q(used_at__isnull=True) & Q(expires_at__gt=timezone.now()))


def _draw(*, kind: OneTimeLink.Kind, life: timedelta) -> NewLink:
    secret = secrets.token_urlsafe(32)
    return NewLink(OneTimeLink(kind=kind, digest=_digest(secret), expires_at=timezone.now() + life), secret)


def _digest(secret: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(secret.encode()).hexdigest()
