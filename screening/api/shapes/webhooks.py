"""Webhooks as they go in and come out."""

from rest_framework import serializers

from screening.api.shapes.base import Answer, Shape
from screening.hooks.addresses import LONGEST_URL
from screening.hooks.endpoints import BOTH_HOURS, MOST_REPLAYED
from screening.hooks.selectors import IN_HANDS
from screening.outbox.models import CHOSEN_KINDS, Delivery, Endpoint, EventKind, SendState

STATES = (SendState.WAITING, SendState.SENT, SendState.DEAD)
STATE_WORDS = "`waiting` to be sent, or sent again; `sent`: taken; `dead`: given up, and kept to be replayed."
URL_WORDS = "A public https address of a program of yours."


def chosen_events(*, required: bool = True) -> serializers.ListField:
    """Events, at least one; named twice is named once."""
    choices = [(kind.value, kind.label) for kind in CHOSEN_KINDS]
    child = serializers.ChoiceField(choices)
    return serializers.ListField(child=child, min_length=1, max_length=20, required=required)


class WebhookIn(Shape):
    """What a webhook is made with."""

    url = serializers.CharField(max_length=LONGEST_URL, help_text=URL_WORDS)
    events = chosen_events()
    site = serializers.UUIDField(required=False, help_text="Needed only by callers that administer several sites.")


class WebhookChangeIn(Shape):
    """What is to become of a webhook; what is not named stays."""

    url = serializers.CharField(max_length=LONGEST_URL, required=False, help_text=URL_WORDS)
    events = chosen_events(required=False)
    enabled = serializers.BooleanField(required=False, help_text="Switched off, what waits is given up.")


class WebhookBrief(Shape):
    """An address of a site's own programs, and how it fares."""

    id = serializers.UUIDField()
    site = serializers.UUIDField(source="site_id")
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField(), source="kinds")
    enabled = serializers.SerializerMethodField()
    waiting = serializers.IntegerField(help_text="Deliveries that are to be sent.")
    dead = serializers.IntegerField(help_text="Deliveries that were given up and can be replayed.")
    failures = serializers.IntegerField(help_text="In a row.")
    failing_since = serializers.DateTimeField(allow_null=True)
    resting_until = serializers.DateTimeField(allow_null=True, help_text="Nothing is sent before.")
    delivered_at = serializers.DateTimeField(allow_null=True, help_text="Of the last success.")
    disabled_at = serializers.DateTimeField(allow_null=True)
    previous_secret_until = serializers.DateTimeField(
        allow_null=True,
        source="previous_until",
        help_text=f"Until then, {BOTH_HOURS} hours after a rotation, the secret before this one signs as well.",
    )
    created_at = serializers.DateTimeField()

    def get_enabled(self, endpoint: Endpoint) -> bool:
        return endpoint.disabled_at is None


class WebhookOut(WebhookBrief, Answer):
    """One webhook."""


class WebhookSecretOut(WebhookOut):
    """A webhook and its secret, which no other answer holds."""

    secret = serializers.CharField(
        allow_null=True,
        help_text="Keep it now. Null where the request came again under its key after the secret was replaced.",
    )


class WebhooksOut(Answer):
    """The webhooks of the sites that the caller administers."""

    results = WebhookBrief(many=True)


class DeliveryBrief(Shape):
    """One event for one webhook: its `id` is that of the message."""

    id = serializers.UUIDField()
    type = serializers.ChoiceField(EventKind.choices, source="kind")
    subject = serializers.UUIDField(help_text="The upload or the study; of a test the webhook.")
    change_number = serializers.IntegerField(allow_null=True, help_text="Of a study.")
    state = serializers.SerializerMethodField(help_text=STATE_WORDS)
    attempts = serializers.IntegerField()
    answered = serializers.IntegerField(allow_null=True, help_text="HTTP status of the last try.")
    problem = serializers.SerializerMethodField(help_text="Of the last try: a code, never what was answered.")
    due_at = serializers.DateTimeField(allow_null=True, help_text="Not tried before; null: at once.")
    created_at = serializers.DateTimeField()
    done_at = serializers.DateTimeField(allow_null=True)

    def get_state(self, delivery: Delivery) -> str:
        return str(SendState.WAITING if delivery.state in IN_HANDS else delivery.state)

    def get_problem(self, delivery: Delivery) -> str | None:
        return delivery.problem or None


class DeliveriesQuery(Shape):
    """Which deliveries are asked for."""

    state = serializers.ChoiceField([state.value for state in STATES], required=False, help_text=STATE_WORDS)
    cursor = serializers.CharField(required=False, max_length=200, help_text="From an earlier answer.")


class DeliveriesOut(Answer):
    """Deliveries, newest first."""

    webhook = serializers.UUIDField()
    results = DeliveryBrief(many=True)
    cursor = serializers.CharField(allow_null=True, help_text="Send it to read on; null at the end.")


class ReplayIn(Shape):
    """Which dead deliveries are to be sent again."""

    deliveries = serializers.ListField(
        child=serializers.UUIDField(),
        min_length=1,
        max_length=MOST_REPLAYED,
        required=False,
        help_text=f"None named: all that are dead, the {MOST_REPLAYED} oldest at most.",
    )


class ReplayedOut(Answer):
    """How many deliveries wait again."""

    webhook = serializers.UUIDField()
    replayed = serializers.IntegerField()


class TestedOut(Answer):
    """The delivery that is a test: `deliveries/` tells what became of it."""

    webhook = serializers.UUIDField()
    delivery = serializers.UUIDField()


class RemovedOut(Answer):
    """Nothing is sent there any more."""

    removed = serializers.UUIDField()
