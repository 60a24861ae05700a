"""Webhooks that a program makes: the same rules and the same audit as on the pages, and a secret that is told once."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from screening.api.models import NamedRequest
from screening.audit.models import AuditEvent
from screening.hooks.bodies import body_of
from screening.hooks.endpoints import MOST_ENDPOINTS
from screening.hooks.signing import secret_of
from screening.outbox.leases import next_endpoint
from screening.outbox.models import Delivery, Endpoint, EventKind, SendState
from screening.users.models import Membership, Role, Scope
from tests.api.conftest import refusal

ROOT = "/api/v1/webhooks/"
URL = "https://ris.example.org/hooks?door=7"
KEY = {"HTTP_IDEMPOTENCY_KEY": "one"}


@pytest.fixture
def client(ward):
    return ward.by_token(ward.admin, Scope.WEBHOOKS)


@pytest.fixture
def hook(client) -> dict:
    answer = client.post(ROOT, {"url": URL, "events": ["study.ready", "upload.finished", "study.ready"]})
    assert answer.status_code == 201, answer.content
    return answer.json()


@pytest.fixture
def address(hook) -> str:
    return f"{ROOT}{hook['id']}/"


def tell(hook: dict, state: SendState = SendState.WAITING, *, ago: int = 0, **more) -> Delivery:
    """Lay a delivery of a study in a state."""
    moment = timezone.now() - timedelta(minutes=ago)
    done = {} if state == SendState.WAITING else {"done_at": moment}
    told = {"kind": EventKind.STUDY_READY, "subject": uuid4(), "subject_state": "ready", "change_number": 3}
    return Delivery.objects.create(endpoint_id=hook["id"], state=state, created_at=moment, **told, **done, **more)


def audited(action: str) -> list[dict]:
    return [event.detail for event in AuditEvent.objects.filter(action=action).order_by("pk")]


def test_a_webhook_is_made_with_a_secret_that_no_other_answer_holds(client, hook, address):
    endpoint = Endpoint.objects.get()

    assert hook["secret"] == secret_of(endpoint, 1)
    assert (hook["url"], hook["events"], hook["enabled"]) == (URL, ["study.ready", "upload.finished"], True)
    assert (hook["waiting"], hook["dead"]) == (0, 0)
    [listed] = client.get(ROOT).json()["results"]
    read = client.get(address).json()
    assert "secret" not in listed
    assert "secret" not in read
    assert {name: read[name] for name in listed} == listed
    assert audited("webhook:added") == [{"endpoint": hook["id"], "kinds": hook["events"]}]


def test_the_same_key_makes_one_webhook_and_tells_its_secret_without_keeping_it(client):
    asked = {"url": URL, "events": ["study.ready"]}

    first, second = (client.post(ROOT, asked, **KEY) for _ in range(2))

    assert (first.status_code, second.status_code, second["Idempotency-Replayed"]) == (201, 201, "true")
    assert first.json() == second.json()
    assert Endpoint.objects.count() == 1
    kept = str(NamedRequest.objects.get().body)
    assert first.json()["secret"] not in kept
    assert URL not in kept


def test_told_again_after_the_secret_was_replaced_there_is_none(client):
    asked = {"url": URL, "events": ["study.ready"]}
    made = client.post(ROOT, asked, **KEY).json()

    client.post(f"{ROOT}{made['id']}/secret/")
    rotated = client.post(ROOT, asked, **KEY).json()
    client.delete(f"{ROOT}{made['id']}/")
    removed = client.post(ROOT, asked, **KEY).json()

    assert rotated == made | {"secret": None}
    assert removed == made | {"secret": None, "url": ""}


def test_one_key_with_tokens_of_two_sites_tells_no_secret_of_the_other(ward, client):
    Membership.objects.create(user=ward.admin, site=ward.elsewhere, role=Role.ADMIN)
    elsewhere = ward.by_token(ward.admin, Scope.WEBHOOKS, site=ward.elsewhere)
    asked = {"url": URL, "events": ["study.ready"]}
    client.post(ROOT, asked, **KEY)

    answer = elsewhere.post(ROOT, asked, **KEY)

    assert refusal(answer) == (409, "idempotency_key_reused")
    assert Endpoint.objects.get().site == ward.site


def test_whoever_administers_the_site_no_more_is_told_no_secret_again(ward, client):
    asked = {"url": URL, "events": ["study.ready"]}
    client.post(ROOT, asked, **KEY)
    Membership.objects.filter(user=ward.admin).update(role=Role.REVIEWER)

    again = client.post(ROOT, asked, **KEY)

    assert refusal(again) == (404, "not_found")


def test_a_new_secret_is_told_once_and_the_one_before_it_signs_for_a_day(client, hook, address):
    first, again = (client.post(f"{address}secret/", **KEY) for _ in range(2))

    endpoint = Endpoint.objects.get()
    assert first.status_code == 201
    assert first.json() == again.json()
    assert endpoint.generation == 2
    assert first.json()["secret"] == secret_of(endpoint, 2) != hook["secret"]
    assert first.json()["previous_secret_until"] is not None
    assert "secret" not in client.get(address).json()
    assert audited("webhook:secret_rotated") == [{"endpoint": hook["id"], "generation": 2}]


@pytest.mark.parametrize(
    "url",
    ["http://ris.example.org/", "https://10.0.0.1/", "https://2130706433/", "https://a@ris.example.org/", "ris", "//x"],
)
def test_where_no_page_lets_a_webhook_go_no_program_does(client, hook, address, url):
    made = client.post(ROOT, {"url": url, "events": ["study.ready"]})
    changed = client.patch(address, {"url": url, "enabled": False})

    assert refusal(made) == refusal(changed) == (400, "address_refused")
    endpoint = Endpoint.objects.get()
    assert (endpoint.url, endpoint.disabled_at) == (URL, None)


@pytest.mark.parametrize("events", [[], ["study.gone"], ["webhook.test"], "study.ready", None])
def test_events_that_nobody_can_choose_are_refused(client, events):
    assert refusal(client.post(ROOT, {"url": URL, "events": events})) == (400, "invalid")


def test_a_site_has_no_more_webhooks_than_it_may(client, hook):
    for number in range(1, MOST_ENDPOINTS):
        assert client.post(ROOT, {"url": f"{URL}{number}", "events": ["study.ready"]}).status_code == 201

    assert refusal(client.post(ROOT, {"url": URL, "events": ["study.ready"]})) == (413, "limit_exceeded")


def test_another_address_has_not_failed_yet_and_what_is_not_named_stays(client, hook, address):
    past = timezone.now() - timedelta(days=1)
    Endpoint.objects.update(failures=9, failing_since=past, resting_until=timezone.now() + timedelta(minutes=5))

    moved = client.patch(address, {"url": "https://new.example.org/"}).json()

    assert (moved["url"], moved["events"]) == ("https://new.example.org/", hook["events"])
    assert (moved["failures"], moved["failing_since"], moved["resting_until"]) == (0, None, None)
    assert client.patch(address, {"events": ["study.changed"]}).json()["events"] == ["study.changed"]
    assert client.patch(address, {}).json()["events"] == ["study.changed"]
    told = audited("webhook:changed")
    assert [event["another_address"] for event in told] == [True, False]
    assert "example.org" not in str(told)


def test_switched_off_what_waits_is_given_up_and_switched_on_it_can_be_replayed(client, hook, address):
    row = tell(hook)

    off = client.patch(address, {"enabled": False}).json()
    off_again = client.patch(address, {"enabled": False}).json()

    assert (off["enabled"], off["waiting"], off["dead"]) == (False, 0, 1)
    assert off_again == off
    assert audited("webhook:disabled") == [{"endpoint": hook["id"], "given_up": 1}]
    assert refusal(client.post(f"{address}test/")) == (409, "webhook_off")
    assert refusal(client.post(f"{address}replay/", {})) == (409, "webhook_off")
    row.refresh_from_db()
    assert row.state == SendState.DEAD
    assert client.patch(address, {"enabled": True}).json()["enabled"]
    assert client.post(f"{address}replay/", {"deliveries": [str(row.pk)]}).json()["replayed"] == 1
    assert next_endpoint() == UUID(hook["id"])


def test_a_removed_webhook_is_not_found_and_has_no_address_left(client, hook, address):
    assert client.delete(address).json()["removed"] == hook["id"]

    assert refusal(client.get(address)) == refusal(client.delete(address)) == (404, "not_found")
    assert client.get(ROOT).json()["results"] == []
    assert Endpoint.objects.get().url == ""
    assert audited("webhook:removed") == [{"endpoint": hook["id"]}]


def test_deliveries_are_listed_newest_first_by_state_and_page(client, hook, address, monkeypatch):
    monkeypatch.setattr("screening.api.views.webhooks.PAGE", 2)
    dead = tell(hook, SendState.DEAD, ago=3, problem="not_accepted", answered=503, attempts=15)
    sent = tell(hook, SendState.SENT, ago=2, answered=200, attempts=1)
    held = tell(hook, SendState.LEASED, ago=1, lease_token=uuid4(), lease_until=timezone.now())
    waiting = tell(hook)

    first = client.get(f"{address}deliveries/").json()
    rest = client.get(f"{address}deliveries/", {"cursor": first["cursor"]}).json()
    by_state = {
        state: [one["id"] for one in client.get(f"{address}deliveries/", {"state": state}).json()["results"]]
        for state in ("waiting", "sent", "dead")
    }

    shown = [*first["results"], *rest["results"]]
    assert [one["id"] for one in shown] == [str(row.pk) for row in (waiting, held, sent, dead)]
    assert rest["cursor"] is None
    assert by_state == {
        "waiting": [str(waiting.pk), str(held.pk)],
        "sent": [str(sent.pk)],
        "dead": [str(dead.pk)],
    }
    assert [(one["state"], one["problem"], one["answered"]) for one in shown[1:]] == [
        ("waiting", None, None),
        ("sent", None, 200),
        ("dead", "not_accepted", 503),
    ]
    assert refusal(client.get(f"{address}deliveries/", {"state": "leased"})) == (400, "invalid")
    assert refusal(client.get(f"{address}deliveries/", {"cursor": "eA"})) == (400, "invalid")


def test_dead_letters_are_replayed_named_or_all_and_once_for_a_key(client, hook, address):
    rows = [tell(hook, SendState.DEAD, ago=number) for number in range(3)]
    taken = tell(hook, SendState.SENT)

    named = client.post(f"{address}replay/", {"deliveries": [str(rows[0].pk), str(taken.pk), str(uuid4())]})
    rest, again = (client.post(f"{address}replay/", {}, **KEY) for _ in range(2))

    assert (named.status_code, named.json()["replayed"]) == (202, 1)
    assert rest.json()["replayed"] == again.json()["replayed"] == 2
    assert set(Delivery.objects.filter(state=SendState.WAITING).values_list("pk", flat=True)) == {
        row.pk for row in rows
    }
    assert [event["deliveries"] for event in audited("webhook:replayed")] == [1, 2]
    assert refusal(client.post(f"{address}replay/", {"deliveries": []})) == (400, "invalid")


def test_a_test_is_sent_at_once_and_says_nothing_but_that_it_is_one(client, hook, address):
    Endpoint.objects.update(resting_until=timezone.now() + timedelta(minutes=5))

    first, again = (client.post(f"{address}test/", **KEY) for _ in range(2))

    row = Delivery.objects.select_related("endpoint").get()
    assert first.status_code == 202
    assert first.json() == again.json()
    assert first.json()["delivery"] == str(row.pk)
    assert next_endpoint() == UUID(hook["id"])
    assert '"type":"webhook.test"' in body_of(row).decode()
    assert hook["url"] not in body_of(row).decode()
    [listed] = client.get(f"{address}deliveries/").json()["results"]
    assert (listed["type"], listed["subject"]) == ("webhook.test", hook["id"])
    assert audited("webhook:tested") == [{"endpoint": hook["id"], "delivery": str(row.pk)}]


def test_few_tests_are_sent_in_a_minute(client, address):
    answers = [client.post(f"{address}test/") for _ in range(11)]

    assert [answer.status_code for answer in answers[:10]] == [202] * 10
    assert refusal(answers[10]) == (429, "too_many_requests")
    assert Delivery.objects.count() == 10


def test_a_token_needs_the_scope_of_its_own_and_its_owner_the_role(ward, hook, address):
    for scope in (Scope.READ, Scope.UPLOAD, Scope.REVIEW):
        assert refusal(ward.by_token(ward.admin, scope).get(ROOT)) == (403, "not_allowed")
    demoted = ward.by_token(ward.integrator, Scope.WEBHOOKS)  # as one that was made before its owner's role changed

    assert demoted.get(ROOT).json()["results"] == []
    assert refusal(demoted.get(address)) == (404, "not_found")
    assert refusal(demoted.post(ROOT, {"url": URL, "events": ["study.ready"]})) == (403, "not_allowed")


def test_a_webhook_of_another_site_is_not_found(ward, hook, address):
    stranger = ward.by_token(ward.stranger, Scope.WEBHOOKS, site=ward.elsewhere)

    answers = [stranger.get(address), stranger.patch(address, {"enabled": False}), stranger.delete(address)]
    answers += [stranger.post(f"{address}{act}/") for act in ("secret", "replay", "test")]
    answers.append(stranger.get(f"{address}deliveries/"))

    assert [refusal(answer) for answer in answers] == [(404, "not_found")] * 7
    assert stranger.get(ROOT).json()["results"] == []
    assert Endpoint.objects.get().disabled_at is None
