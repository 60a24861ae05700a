"""Coming in: by password, by a one-time link, by an invitation; and accepting the disclaimer.

A refused sign-in writes nothing to the audit: a row for known names only would tell them apart by
time, and a stranger could make an append-only table grow. `axes` keeps the refused tries.
"""

from dataclasses import dataclass
from itertools import chain, count

from django.db import transaction
from django.utils.translation import gettext as _

from ml.vocabulary import DISCLAIMER_VERSION
from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import AlreadyMember, InvitationInvalid, UsernameTaken
from screening.people.links import consume
from screening.users.models import DisclaimerAcceptance, Membership, OneTimeLink, Role, Site, User


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What somebody without an account chooses when joining."""

    username: str
    password: str


def record_sign_in(*, user: User, method: str) -> None:
    """Write to the chain of each of the user's sites that the user came in."""
    with transaction.atomic():
        tell_sites(user, "session:signed_in", method=method)


def use_sign_in_link(*, secret: str) -> User:
    """Use a sign-in link up and return whom it lets in.

    Raises:
        InvitationInvalid: the link was used, has expired, never existed or belongs to a closed account.
    """
    with transaction.atomic():
        user = consume(secret, OneTimeLink.Kind.SIGN_IN).user
        if user is None or not user.is_active:
            raise InvitationInvalid(_("This link was used before, has expired or is not complete."))
        tell_sites(user, "session:signed_in", method="link")
    return user


def join(*, secret: str, user: User | None = None, account: NewAccount | None = None) -> User:
    """Use an invitation up: give the user, or a new account, the role at the site.

    Raises:
        InvitationInvalid: the link was used, has expired or never existed.
        AlreadyMember: the user belongs to the site already; the link stays usable for another.
        UsernameTaken: somebody else has this name; the link stays usable.
    """
    with transaction.atomic():
        link = consume(secret, OneTimeLink.Kind.INVITATION)
        assert link.site is not None  # an invitation is made for a site
        member = user or _open_account(account)
        if Membership.objects.filter(user=member, site=link.site).exists():
            raise AlreadyMember(_("You belong to this site already."))
        Membership.objects.create(user=member, site=link.site, role=link.role)
        detail = {"user": member.pk, "role": link.role}
        record(Actor.user(member), [Draft(ChainKind.SITE, link.site.pk, link.site.pk, "member:joined", detail)])
    return member


def accept_disclaimer(*, user: User) -> DisclaimerAcceptance:
    """Store that the user accepted the current version. Accepting twice changes nothing."""
    with transaction.atomic():
        acceptance, fresh = DisclaimerAcceptance.objects.get_or_create(user=user, version=DISCLAIMER_VERSION)
        if fresh:
            tell_sites(user, "disclaimer:accepted", version=DISCLAIMER_VERSION)
    return acceptance


def bootstrap(*, site_name: str) -> User:
    """The first administrator of a fresh installation, who also runs it, made with the first site if there is none.

    Safe to call at every start: an installation that has an administrator stays as it is.
    """
    with transaction.atomic():
        first = (
            Membership.objects.filter(role=Role.ADMIN, user__is_active=True)
            .select_related("user")
            .order_by("pk")
            .first()
        )
        if first is not None:
            return first.user
        site = Site.objects.order_by("created_at", "pk").first() or Site.objects.create(name=site_name)
        admin = User.objects.create_user(username=_free_name("admin"), is_superuser=True)
        Membership.objects.create(user=admin, site=site, role=Role.ADMIN)
        detail = {"user": admin.pk, "role": Role.ADMIN.value}
        record(Actor.service("bootstrap"), [Draft(ChainKind.SITE, site.pk, site.pk, "member:joined", detail)])
    return admin


def _open_account(account: NewAccount | None) -> User:
    if account is None:
        raise TypeError("join() needs a user or an account to open")
    if User.objects.filter(username__iexact=account.username).exists():
        raise UsernameTaken(_("This user name is taken."))
    return User.objects.create_user(username=account.username, password=account.password)


def _free_name(wanted: str) -> str:
    # Somebody who joined under the wanted name is not made an administrator by it.
    names = chain([wanted], (f"{wanted}-{number}" for number in count(2)))
    return next(name for name in names if not User.objects.filter(username__iexact=name).exists())


def tell_sites(user: User, action: str, **detail: str) -> None:
    """Write to the chain of each of the user's sites, in the caller's transaction."""
    sites = user.memberships.order_by("site_id").values_list("site_id", flat=True)
    record(Actor.user(user), [Draft(ChainKind.SITE, site, site, action, dict(detail)) for site in sites])
