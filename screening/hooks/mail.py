"""Whether somebody wants e-mail, and where."""

from django.db import transaction
from django.utils import timezone

from screening.hooks.letters import confirmed_by, mark_of
from screening.outbox.announcing import write_letters
from screening.outbox.models import Letter, LetterKind, MailWish, SendState
from screening.users.models import User


@transaction.atomic
def want_mail(*, user: User, address: str, uploads: bool) -> MailWish:
    """Store where a person wants e-mail. A new address is written to once, to be confirmed, and not before again."""
    wish = MailWish.objects.select_for_update().filter(user=user).first() or MailWish(user=user)
    if wish.address != address:
        wish.address, wish.confirmed_at = address, None
    wish.uploads = uploads
    wish.save()
    asked = Letter.objects.filter(user=user, kind=LetterKind.CONFIRM, state=SendState.WAITING)
    if wish.confirmed_at is None and not asked.exists():
        write_letters([user.pk], LetterKind.CONFIRM, None)
    return wish


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
