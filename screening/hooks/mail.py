"""Whether somebody wants e-mail, and where."""

from datetime import timedelta
from typing import ClassVar, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from screening.errors import ScreeningError
from screening.hooks.letters import confirmed_by, mark_of
from screening.outbox.announcing import write_letters
from screening.outbox.models import Letter, LetterKind, MailWish
from screening.users.models import User

MOST_ADDRESSES: Final = 3  # that one person can have written to in a day


class TooManyAddresses(ScreeningError):
    """Somebody named one address after another to be written to."""

    code: ClassVar[str] = "too_many_addresses"
    http_status: ClassVar[int] = 429
    what_to_do: ClassVar[str] = "Try again tomorrow, or give an address that a link was sent to today."


@transaction.atomic
def want_mail(*, user: User, address: str, uploads: bool) -> MailWish:
    """Store where a person wants e-mail. An unconfirmed address is written to once a day, whatever is asked meanwhile.

    Raises:
        TooManyAddresses: three others were written to within a day; nothing is changed.
    """
    User.objects.select_for_update().get(pk=user.pk)
    wish = MailWish.objects.filter(user=user).first() or MailWish(user=user)
    if wish.address != address:
        wish.address, wish.confirmed_at = address, None
    wish.uploads = uploads
    if wish.confirmed_at is None:
        _ask(user, address)
    wish.save()
    return wish


def _ask(user: User, address: str) -> None:
    """Have a link sent to an address, unless one was written within a day."""
    day = timezone.now() - timedelta(days=1)
    written = Letter.objects.filter(user=user, kind=LetterKind.CONFIRM, created_at__gt=day)
    mark = UUID(mark_of(address))
    if written.filter(subject=mark).exists():
        return
    if written.count() >= MOST_ADDRESSES:
        raise TooManyAddresses("Links were sent to as many addresses as one person may name in a day.")
    write_letters([user.pk], LetterKind.CONFIRM, mark)


def want_no_mail(*, user: User) -> None:
    """Forget the address. Letters that wait find nobody who wants them."""
    MailWish.objects.filter(user=user).delete()


def asked_at(*, user: User, token: str) -> str | None:
    """The person's address if what was sent proves that they read it; None if it is about another."""
    found = confirmed_by(token)
    wish = MailWish.objects.filter(user=user).first()
    if wish is None or found != (user.pk, mark_of(wish.address)):
        return None
    return wish.address


def confirm_mail(*, user: User, token: str) -> bool:
    """Confirm one's own address with what was sent to it. Whether it fits; a second time changes nothing."""
    address = asked_at(user=user, token=token)
    if address is None:
        return False
    wishes = MailWish.objects.filter(user=user, address=address)
    wishes.filter(confirmed_at__isnull=True).update(confirmed_at=timezone.now())
    return wishes.exists()
