"""The text of letters: counts, states and a link. No path, no name of an upload, no score."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db.models import Count
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import override

from ml.vocabulary import DISCLAIMER
from screening.addresses import public_address
from screening.outbox.models import Endpoint, Letter, LetterKind, MailWish
from screening.uploads.models import Item, ItemState, Upload

SALT: Final = "screening.hooks.mail"
CONFIRM_SECONDS: Final = 7 * 86_400
ORDER: Final = tuple(ItemState)


@dataclass(frozen=True, slots=True)
class Text:
    """A letter as it is sent."""

    to: str
    subject: str
    body: str


def text_of(letter: Letter) -> Text | None:
    """The letter as it stands now, in its reader's language; None if there is nothing to say, or nobody wants it."""
    wish = MailWish.objects.filter(user_id=letter.user_id).first()
    if wish is None or (wish.confirmed_at is None and letter.kind != LetterKind.CONFIRM):
        return None
    with override(letter.user.language or settings.LANGUAGE_CODE):
        told = WORDS[LetterKind(letter.kind)](letter, wish)
        if told is None:
            return None
        subject, lines = told
        return Text(wish.address, subject, "\n".join([*lines, "", _(DISCLAIMER), ""]))


def _subject(letter: Letter) -> UUID:
    assert letter.subject is not None  # of every kind but the confirmation
    return letter.subject


def _confirm(letter: Letter, wish: MailWish) -> tuple[str, list[str]] | None:
    if wish.confirmed_at is not None or letter.subject != UUID(mark_of(wish.address)):
        return None
    address = public_address(reverse("hooks:confirm", args=[confirmation_of(wish)]))
    asked = _("Somebody asked for e-mail of a chest screening service at this address.")
    return _("Confirm your e-mail address"), [
        asked,
        "",
        _("If it was you, sign in and confirm it within 7 days:"),
        address,
        "",
        _("If it was not you, do nothing: nothing but this question comes here, from one person at most once a day."),
    ]


def _upload_finished(letter: Letter, wish: MailWish) -> tuple[str, list[str]] | None:
    upload = Upload.objects.filter(pk=_subject(letter), purged_at__isnull=True).first()
    if upload is None or not wish.uploads:
        return None
    counted = Item.objects.filter(upload=upload).order_by().values_list("state").annotate(Count("pk"))
    counts: dict[str, int] = dict(counted)
    lines = [f"{state.label}: {counts[state]}" for state in ORDER if state in counts]
    return _("An upload of yours is finished"), [
        _("Every file of an upload of yours has its outcome."),
        "",
        *(lines or [_("It held no file.")]),
        "",
        _("The receipt:"),
        public_address(reverse("desk:detail", args=[upload.pk])),
    ]


def _endpoint_disabled(letter: Letter, _wish: MailWish) -> tuple[str, list[str]] | None:
    endpoint = Endpoint.objects.kept().filter(pk=_subject(letter), disabled_at__isnull=False).first()
    if endpoint is None:
        return None
    return _("A webhook was switched off"), [
        _("An endpoint of a site that you administer took nothing for days, and was switched off."),
        _("What was given up can be sent again from its page:"),
        public_address(reverse("hooks:endpoint", args=[endpoint.site_id, endpoint.pk])),
    ]


WORDS: Final[dict[LetterKind, Callable[[Letter, MailWish], tuple[str, list[str]] | None]]] = {
    LetterKind.CONFIRM: _confirm,
    LetterKind.UPLOAD_FINISHED: _upload_finished,
    LetterKind.ENDPOINT_DISABLED: _endpoint_disabled,
}


def confirmation_of(wish: MailWish) -> str:
    """What proves that somebody reads mail at this address, which is not in it: it becomes a part of an address.

    Of use to nobody else: it needs the person's session.
    """
    return signing.dumps([wish.user_id, mark_of(wish.address)], salt=SALT)


def confirmed_by(token: str) -> tuple[int, str] | None:
    """The person and the mark of the address that a confirmation is about; None if it is not ours, or too old."""
    try:
        user_id, mark = signing.loads(token, salt=SALT, max_age=CONFIRM_SECONDS)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return user_id, mark


def mark_of(address: str) -> str:
    """Tell an address from others without telling it: 128 bits of a keyed hash, in hex."""
    return salted_hmac(SALT, address, algorithm="sha256").hexdigest()[:32]
