"""Letters: counts and a link, to a confirmed address, and a mail server that is down loses none."""

import json
import re
import socketserver
import threading
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ml.vocabulary import DISCLAIMER
from screening.hooks.letters import confirmation_of
from screening.hooks.mail import MOST_ADDRESSES, want_mail, want_no_mail
from screening.outbox.announcing import write_letters
from screening.outbox.models import Letter, LetterKind, MailWish, SendState
from screening.uploads.models import ItemState
from tests.factories import ItemFactory, UploadFactory, UserFactory
from workers.crew import Stop
from workers.outbound.letters import post_somewhere

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner():
    user = UserFactory(username="s.ito")
    MailWish.objects.create(user=user, address="s.ito@example.org", confirmed_at=timezone.now())
    return user


def drain() -> int:
    sent = 0
    while post_somewhere(Stop()):
        sent += 1
    return sent


def due() -> None:
    Letter.objects.filter(state=SendState.WAITING).update(due_at=timezone.now() - timedelta(seconds=1))


def finished(owner, **items: int):
    upload = UploadFactory(created_by=owner, finished=True, name="Mrs. Planted, ward 3")
    for state, number in items.items():
        for _ in range(number):
            ItemFactory(upload=upload, state=ItemState(state), path="planted/name.png")
    write_letters([owner.pk], LetterKind.UPLOAD_FINISHED, upload.pk)
    return upload


class MailServer(socketserver.StreamRequestHandler):
    """As much of SMTP (RFC 5321) as a message needs."""

    def handle(self):
        self.say("220 ready")
        for line in self.rfile:
            word = line[:4].upper().strip()
            if word == b"DATA":
                self.say("354 go on")
                body = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.came.append(body.decode())
            self.say("221 bye" if word == b"QUIT" else "250 ok")
            if word == b"QUIT":
                return

    def say(self, words):
        self.wfile.write(f"{words}\r\n".encode())


@contextmanager
def mail_server(settings) -> Iterator[list[str]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailServer) as server:
        server.daemon_threads = True
        server.came = []
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        yield server.came
        server.shutdown()
        thread.join()


def test_a_finished_upload_is_told_with_counts_and_a_link_and_no_path(owner):
    upload = finished(owner, accepted=3, duplicate=1, rejected=2)

    assert drain() == 1

    [message] = mail.outbox
    assert message.to == ["s.ito@example.org"]
    assert [line for line in message.body.splitlines() if re.match(r"\w+: \d", line)] == [
        "Accepted: 3",
        "Duplicate: 1",
        "Rejected: 2",
    ]
    assert f"http://localhost:8000{reverse('desk:detail', args=[upload.pk])}" in message.body
    assert DISCLAIMER in message.body
    whole = message.message().as_string().lower()
    assert "planted" not in whole
    assert message.content_subtype == "plain"
    assert Letter.objects.get().state == SendState.SENT


def test_a_mail_server_that_is_down_loses_nothing(owner, settings):
    upload = finished(owner, accepted=1)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1  # nobody listens there
    drain()
    waiting = Letter.objects.get()
    assert (waiting.state, waiting.problem, waiting.attempts) == (SendState.WAITING, "mail_server_not_reached", 1)
    assert waiting.due_at > timezone.now()

    due()
    with mail_server(settings) as came:
        drain()

    [message] = came
    assert f"uploads/{upload.pk}" in message
    assert f"Message-ID: <{waiting.pk}@localhost>" in message
    assert (Letter.objects.get().state, Letter.objects.get().attempts) == (SendState.SENT, 2)


def test_an_address_is_confirmed_by_what_is_sent_to_it_before_anything_else_is():
    user = UserFactory()
    want_mail(user=user, address="new@example.org", uploads=True)
    want_mail(user=user, address="new@example.org", uploads=True)  # asking twice writes once
    upload = finished(user, accepted=1)
    drain()
    [message] = mail.outbox
    assert str(upload.pk) not in message.body
    token = re.search(r"/notifications/confirm/(\S+)/", message.body)[1]
    other, own = Client(), Client()
    other.force_login(UserFactory())
    own.force_login(user)
    address = reverse("hooks:confirm", args=[token])

    assert other.post(address).status_code == 404
    assert own.get(address).status_code == 200
    assert MailWish.objects.get().confirmed_at is None  # reading confirms nothing
    assert own.post(address).status_code == 302
    assert MailWish.objects.get().confirmed_at is not None

    finished(user, accepted=1)
    drain()
    assert len(mail.outbox) == 2


def asked() -> int:
    return Letter.objects.filter(kind=LetterKind.CONFIRM).count()


def test_an_address_is_asked_once_a_day_however_often_somebody_wants_it():
    user = UserFactory()
    for _ in range(3):
        want_mail(user=user, address="new@example.org", uploads=True)
        drain()
        want_no_mail(user=user)

    assert len(mail.outbox) == 1
    Letter.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    want_mail(user=user, address="new@example.org", uploads=True)
    assert asked() == 2


def test_somebody_who_names_one_address_after_another_is_stopped_and_told():
    user = UserFactory()
    client = Client()
    client.force_login(user)
    form = {"uploads": "on"}
    for number in range(MOST_ADDRESSES):
        client.post(reverse("hooks:notifications"), form | {"address": f"{number}@example.org"})

    answer = client.post(reverse("hooks:notifications"), form | {"address": "further@example.org"})

    assert "Try again tomorrow" in answer.content.decode()
    assert MailWish.objects.get().address == "2@example.org"
    assert asked() == MOST_ADDRESSES
    assert client.post(reverse("hooks:notifications"), form | {"address": "0@example.org"}).status_code == 302
    assert MailWish.objects.get().address == "0@example.org"
    assert asked() == MOST_ADDRESSES


def test_a_question_about_an_address_that_was_replaced_goes_nowhere():
    user = UserFactory()
    want_mail(user=user, address="old@example.org", uploads=True)
    want_mail(user=user, address="new@example.org", uploads=True)

    drain()

    assert [message.to for message in mail.outbox] == [["new@example.org"]]


def test_no_address_can_be_read_from_the_link_that_confirms_it():
    wish = want_mail(user=UserFactory(), address="new@example.org", uploads=True)

    token = confirmation_of(wish)

    told = urlsafe_b64decode(token.partition(":")[0] + "==").decode()
    assert json.loads(told)[0] == wish.user_id
    assert "example" not in told
    assert "new" not in told


def test_a_new_address_must_be_confirmed_anew_and_an_old_link_does_not_do_it():
    user = UserFactory()
    want_mail(user=user, address="old@example.org", uploads=True)
    drain()
    token = re.search(r"/notifications/confirm/(\S+)/", mail.outbox[0].body)[1]
    want_mail(user=user, address="new@example.org", uploads=True)
    client = Client()
    client.force_login(user)

    answers = [ask(reverse("hooks:confirm", args=[token])) for ask in (client.get, client.post)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert MailWish.objects.get().confirmed_at is None


def test_whoever_wants_none_any_more_gets_none_that_waited(owner):
    finished(owner, accepted=1)
    client = Client()
    client.force_login(owner)

    client.post(reverse("hooks:no_mail"))
    drain()

    assert mail.outbox == []
    assert not MailWish.objects.exists()
    assert Letter.objects.get().state == SendState.SENT  # it is done with


def test_a_letter_is_written_in_the_language_that_its_reader_chose(owner):
    owner.language = "de"
    owner.save()
    finished(owner, accepted=2, rejected=1)

    assert drain() == 1

    [letter] = mail.outbox
    assert letter.subject == "Einer Ihrer Uploads ist abgeschlossen"
    assert "Angenommen: 2\nAbgelehnt: 1" in letter.body
    assert letter.body.endswith("\n\nNur für Lehr- und Ausbildungszwecke, kein Medizinprodukt.\n")
