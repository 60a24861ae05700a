"""What an administrator does with a site's pseudonym key: export and rotate. Each act is on the site's chain."""

from django.contrib.auth import authenticate
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.people.errors import KeyNotChanged, NotYourself
from screening.store.errors import StoreAway
from screening.users.keys import fingerprint, fresh_key, site_key
from screening.users.models import Site, User


def prove_yourself(request: HttpRequest, user: User, password: str) -> None:
    """Ask for the password again: a session left open is not enough. Wrong tries count as at sign-in.

    Raises:
        NotYourself: it is wrong, or the account has none, or too many tries were made.
    """
    proven = authenticate(request, username=user.username, password=password) if user.has_usable_password() else None
    if proven is None or proven.pk != user.pk:
        raise NotYourself(_("The password is not that of your account."))


def export_key(*, site: Site, actor: Actor) -> str:
    """Give the key in hexadecimal, once the audit says that it was given."""
    key = site_key(site.pk)
    with transaction.atomic():
        _record(site, actor, "key:exported", {"key": fingerprint(key)})
    return key.hex()


def rotate_key(*, site: Site, actor: Actor) -> None:
    """Put a new key in the place of the site's. The old one is gone with that, except from exports and backups.

    Written to the audit first: a key that changed without an event would be worse than an event, corrected
    by the next one, of a change that a full disk prevented.

    Raises:
        KeyNotChanged: the new key could not be written; the old one stands.
    """
    before = fingerprint(site_key(site.pk))
    try:
        fresh = fresh_key(site.pk)
    except OSError as error:
        raise KeyNotChanged(_("There was no room for the new key.")) from error
    detail: dict[str, object] = {"before": before, "key": fingerprint(fresh.key)}
    with transaction.atomic():
        _record(site, actor, "key:rotated", detail)
    try:
        fresh.take_over()
    except (OSError, StoreAway) as error:
        fresh.discard()
        with transaction.atomic():
            _record(site, actor, "key:not_rotated", {"key": before})
        raise KeyNotChanged(_("The new key could not be put in its place.")) from error


def _record(site: Site, actor: Actor, action: str, detail: dict[str, object]) -> None:
    Site.objects.select_for_update().get(pk=site.pk)
    record(actor, [Draft(ChainKind.SITE, site.pk, site.pk, action, detail)])
