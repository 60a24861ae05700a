"""API tokens that a person makes and revokes: hashed, scoped, expiring, bound to one site."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from ml.vocabulary import DISCLAIMER_VERSION
from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import NotAllowed
from screening.users.models import ApiToken, Scope, Site, User
from screening.users.roles import SCOPES_OF, role_at

LONGEST_DAYS: Final = 365


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made. Its secret is in no database and can be shown only now."""

    token: ApiToken
    secret: str


def make_token(*, user: User, site: Site, name: str, scopes: Sequence[Scope], days: int) -> NewToken:
    """A token of the user at the site. By asking for it the user accepts the disclaimer for its program.

    Raises:
        NotAllowed: the user's role at the site does not hold one of the scopes.
        ValueError: no scope, or a life outside 1 to 365 days; the form refuses both before.
    """
    if not scopes or not 1 <= days <= LONGEST_DAYS:
        raise ValueError(f"a token needs a scope and a life of 1 to {LONGEST_DAYS} days, got {list(scopes)} and {days}")
    with transaction.atomic():
        role = role_at(user, site.pk)
        if role is None or not set(scopes) <= set(SCOPES_OF[role]):
            raise NotAllowed(_("Your role at this site does not hold one of these scopes."))
        token, secret = ApiToken.objects.create(  # type: ignore[no-untyped-call] # the token library ships no types
            user,
            expiry=timedelta(days=days),
            name=name,
            site=site,
            scopes=[scope.value for scope in scopes],
            disclaimer_version=DISCLAIMER_VERSION,
        )
        detail = {"token": _mark(token), "scopes": token.scopes, "days": days, "disclaimer": DISCLAIMER_VERSION}
        record(Actor.user(user), [Draft(ChainKind.SITE, site.pk, site.pk, "token:made", detail)])
    return NewToken(token, secret)


def revoke_token(*, token: ApiToken, actor: Actor) -> None:
    """End a token at once. Revoking one that is gone already changes nothing."""
    with transaction.atomic():
        gone, _ = ApiToken.objects.filter(pk=token.pk).delete()
        if gone:
            draft = Draft(ChainKind.SITE, token.site_id, token.site_id, "token:revoked", {"token": _mark(token)})
            record(actor, [draft])


def _mark(token: ApiToken) -> str:
    # Of the hash, so that no part of the secret enters the audit.
    return token.digest[:16]


def tokens_of(user: User) -> list[ApiToken]:
    """The user's tokens, the newest first."""
    return list(ApiToken.objects.filter(user=user).select_related("site").order_by("-created", "pk"))
