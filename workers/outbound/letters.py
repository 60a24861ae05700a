"""Bring letters to the mail server. One that is down loses nothing: they wait, and are tried again."""

import smtplib
from typing import Final
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMessage

from screening.errors import LeaseLost
from screening.faultpoints import reach
from screening.hooks.letters import Text, text_of
from screening.leasing import Lease
from screening.outbox.leases import begin_letter, claim_letter, release_letters
from screening.outbox.models import Letter
from screening.outbox.outcomes import record_letter
from workers.crew import Crew, Stop
from workers.keeper import keeping

log = structlog.get_logger(__name__)


def post_somewhere(stop: Stop) -> bool:
    """Send the next letter that is due. Whether there was one."""
    if stop.is_set():
        return False
    lease, letter = claim_letter()
    if letter is None:
        return False
    with keeping(Letter, lease, ()):
        try:
            _post(lease, letter)
        except LeaseLost:
            log.warning("lease_lost", rows=1)
        finally:
            release_letters(lease)
    return True


def _post(lease: Lease, letter: Letter) -> None:
    text = text_of(letter)
    if text is None:  # nobody wants it any more, or there is nothing left to say
        record_letter(lease=lease, letter=letter)
        return
    if not begin_letter(lease, letter.pk):
        return
    problem = _problem_with(letter, text)
    reach("letter.sent")
    record_letter(lease=lease, letter=letter, problem=problem)


def _problem_with(letter: Letter, text: Text) -> str:
    """Hand a letter to the mail server. Why it was not taken, or nothing."""
    host = urlsplit(settings.CONFIG.public_url).hostname or "localhost"
    # The same at every try, so that a reader's mail program shows one that came twice once.
    headers = {"Message-ID": f"<{letter.pk}@{host}>", "Auto-Submitted": "auto-generated"}
    try:
        EmailMessage(text.subject, text.body, to=[text.to], headers=headers).send()
    except (OSError, smtplib.SMTPException, ValueError) as problem:
        # Its words may hold the address: they are kept nowhere.
        log.warning("letter_not_taken", letter=str(letter.pk), reason=type(problem).__name__)
        return "mail_server_refused" if isinstance(problem, smtplib.SMTPException) else "mail_server_not_reached"
    return ""


CREW: Final = Crew("letters", post_somewhere, poll=settings.CONFIG.poll_seconds)
