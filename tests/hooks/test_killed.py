"""The process that sends is killed between sending and noting it: the event comes again, with the same identifier."""

import signal
import threading
from pathlib import Path

import pytest

from chest_client.webhooks import verify
from screening.audit.actor import Actor
from screening.faultpoints import OUTSIDE
from screening.hooks.endpoints import add_endpoint
from screening.hooks.signing import secret_of
from screening.outbox.announcing import announce_changes
from screening.outbox.models import Delivery, EventKind, SendState
from screening.users.models import Role, Site
from tests.environment import STATE
from tests.factories import StudyFactory, UploadFactory, UserFactory
from tests.hooks.receivers import Receiver, receiving, reply
from tests.workers.processes import Process, running, until

pytestmark = pytest.mark.django_db(transaction=True)
QUICK = {"LEASE_SECONDS": "2", "POLL_SECONDS": "1", "RECONCILE_SECONDS": "1", "TEST_EVERY": "1"}


def variables(receiver: Receiver) -> dict[str, str]:
    allowed = {"WEBHOOK_PLAIN_HTTP": "true", "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}
    return {**QUICK, **allowed, "WEBHOOK_PORTS": str(receiver.port), "FAULTS_ALLOWED": "true"}


@pytest.fixture
def allowed(settings, allow):
    """An endpoint of a receiver, whose secret follows from a key that other processes find."""
    settings.KEY_ROOT = STATE / "keys"

    def build(receiver: Receiver):
        allow(receiver)
        site = Site.objects.create(name="A site")
        admin = UserFactory(role_at=(site, Role.ADMIN))
        made = add_endpoint(site=site, url=receiver.url(), kinds=list(EventKind), actor=Actor.user(admin))
        return made.endpoint

    return build


def announce(endpoint, number: int) -> list[str]:
    upload = UploadFactory(site=endpoint.site, finished=True)
    studies = [StudyFactory(upload=upload, ready=True).pk for _ in range(number)]
    announce_changes(endpoint.site_id, dict.fromkeys(studies, "ready"), 3)
    return sorted(str(pk) for pk in Delivery.objects.values_list("pk", flat=True))


def all_sent() -> bool:
    return not Delivery.objects.exclude(state=SendState.SENT).exists()


PASSED_TWICE = {"delivery.sent": "delivery.sent:2"}  # the third of five


@pytest.mark.parametrize("place", [PASSED_TWICE.get(one, one) for one in OUTSIDE if one.startswith("delivery")])
def test_nothing_is_lost_wherever_the_sender_is_killed(place, allowed, child_environment, tmp_path: Path):
    with receiving() as receiver:
        endpoint = allowed(receiver)
        announced = announce(endpoint, 5)
        sender = Process("reconciler", child_environment(**variables(receiver)), tmp_path)
        with running(sender):
            sender.start(FAULT=place)
            until(lambda: not sender.alive(), 60, f"it was not killed:\n{sender.tail()}")
            before = list(receiver.ids)
            sender.start()
            until(all_sent, 60, f"not all were sent:\n{sender.tail()}")

        twice = [one for one in announced if receiver.ids.count(one) == 2]
        assert sorted(set(receiver.ids)) == announced  # never zero times
        assert max(receiver.ids.count(one) for one in announced) <= 2
        assert len(twice) == (1 if place.startswith("delivery.sent") else 0)
        if twice:
            bodies = [one.body for one in receiver.came if one.headers["chest-event-id"] == twice[0]]
            assert bodies[0] == bodies[1]
            assert before.count(twice[0]) == 1
        for one in receiver.came:
            assert verify(one.body, one.headers["chest-signature"], [secret_of(endpoint, 1)]).id in announced


def test_the_end_of_the_sender_gives_back_what_it_holds_at_once(allowed, child_environment, tmp_path: Path):
    told, ended = threading.Event(), threading.Event()
    with receiving(lambda handler: (told.set(), ended.wait(20), reply(handler, 200))) as receiver:
        endpoint = allowed(receiver)
        announced = announce(endpoint, 3)
        long = {**variables(receiver), "LEASE_SECONDS": "60"}
        sender = Process("reconciler", child_environment(**long), tmp_path)
        with running(sender):
            sender.start()
            assert told.wait(60), sender.tail()
            sender.signal(signal.SIGTERM)
            seconds = until(lambda: not sender.alive(), 15, "it did not end")
        held = Delivery.objects.filter(lease_token__isnull=False).count()
        ended.set()
        receiver.answer = lambda handler: reply(handler, 200)
        with running(sender):
            sender.start()
            until(all_sent, 60, f"not all were sent:\n{sender.tail()}")

        assert held == 0
        assert seconds < 6.5  # after which the supervisor kills
        assert sorted(set(receiver.ids)) == announced
