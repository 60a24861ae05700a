"""Webhooks of a site: made, changed, tried and removed by a program of its administrator."""

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from screening.api import cursors
from screening.api.access import ApiView, actor, administered_endpoint, one_site, sites, visible_endpoint
from screening.api.repeating import Body, Repeating
from screening.api.schema import answers, described
from screening.api.shapes.webhooks import (
    DeliveriesOut,
    DeliveriesQuery,
    RemovedOut,
    ReplayedOut,
    ReplayIn,
    TestedOut,
    WebhookChangeIn,
    WebhookIn,
    WebhookOut,
    WebhookSecretOut,
    WebhooksOut,
)
from screening.api.throttling import TestThrottle
from screening.errors import LimitExceeded
from screening.hooks.addresses import AddressRefused
from screening.hooks.endpoints import (
    MOST_ENDPOINTS,
    EndpointGone,
    EndpointOff,
    NewSecret,
    add_endpoint,
    change_endpoint,
    remove_endpoint,
    replay,
    rotate_secret,
    send_test,
)
from screening.hooks.selectors import counted, deliveries_of
from screening.hooks.signing import SecretGone, secret_of
from screening.outbox.models import Endpoint, EventKind, SendState
from screening.users.models import Scope
from screening.users.roles import ADMINISTRATORS

PAGE = 50
GENERATION = "generation"  # of the secret, in what is kept of an answer
EXAMPLE = {"url": "https://ris.example.org/hooks", "events": ["study.ready", "upload.finished"]}


class WebhookView(ApiView):
    """The base of these views: for administrators, and for tokens of theirs with the scope of its own."""

    reading_scopes = (Scope.WEBHOOKS,)
    writing_scopes = (Scope.WEBHOOKS,)


class TellingSecret(WebhookView):
    """The base of the views whose answer holds a secret. Neither it nor the address is kept with the answer."""

    repeating = Repeating.TOLD
    generation = 0  # of the secret that this request is told

    def secret_told(self, request: Request, made: NewSecret) -> Response:
        """Answer with a webhook and its secret."""
        self.generation = made.endpoint.generation
        endpoint = visible_endpoint(request, made.endpoint.pk)
        vars(endpoint)["secret"] = made.secret
        headers = {"Cache-Control": "no-store"}
        return Response(WebhookSecretOut(endpoint).data, status=status.HTTP_201_CREATED, headers=headers)

    def keep(self, body: Body) -> Body:
        kept = {name: told for name, told in body.items() if name not in {"secret", "url"}}
        return kept | {GENERATION: self.generation}

    def tell(self, body: Body) -> Body:
        told = {name: value for name, value in body.items() if name != GENERATION}
        endpoint = administered_endpoint(self.request, body["id"])  # a removed one stays as a tombstone
        stands = endpoint.removed_at is None and endpoint.generation == body[GENERATION]
        return told | {"url": endpoint.url, "secret": _kept_secret(endpoint) if stands else None}


def _kept_secret(endpoint: Endpoint) -> str | None:
    try:
        return secret_of(endpoint, endpoint.generation)
    except SecretGone:
        return None


class Webhooks(TellingSecret):
    """All webhooks of the caller's sites."""

    @described(
        operation_id="webhooks_list",
        summary="List webhooks, the oldest first",
        parameters=[OpenApiParameter("site", OpenApiTypes.UUID)],
        responses=answers({200: WebhooksOut}, 400),
    )
    def get(self, request: Request) -> Response:
        found = Endpoint.objects.kept().filter(site__in=sites(request, ADMINISTRATORS))
        if site_id := cursors.uuid_of(request.query_params.get("site"), field="site"):
            found = found.filter(site_id=site_id)
        return Response(WebhooksOut({"results": counted(found)}).data)

    @described(
        operation_id="webhooks_create",
        summary="Send events to an address from now on",
        description=f"The answer alone holds the secret. A site has at most {MOST_ENDPOINTS}.",
        request=WebhookIn,
        responses=answers({201: WebhookSecretOut}, 400, 403, 404, AddressRefused, LimitExceeded),
        examples=[OpenApiExample("Two events", value=EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        shape = WebhookIn(data=request.data)
        shape.is_valid(raise_exception=True)
        asked = shape.validated_data
        site = one_site(request, asked.get("site"), ADMINISTRATORS)
        kinds = [EventKind(value) for value in asked["events"]]
        return self.secret_told(request, add_endpoint(site=site, url=asked["url"], kinds=kinds, actor=actor(request)))


class OneWebhook(WebhookView):
    """One webhook."""

    @described(
        operation_id="webhooks_read",
        summary="How a webhook fares",
        responses=answers({200: WebhookOut}, 404),
    )
    def get(self, request: Request, webhook_id: UUID) -> Response:
        return Response(WebhookOut(visible_endpoint(request, webhook_id)).data)

    @described(
        operation_id="webhooks_change",
        summary="Give a webhook another address or other events, switch it off or on",
        description=(
            "What waits goes to the new address. Switched off, what waits is given up and nothing is written for it; "
            "switched on, it is as if it had never failed."
        ),
        request=WebhookChangeIn,
        responses=answers({200: WebhookOut}, 400, 404, AddressRefused, EndpointGone),
        examples=[OpenApiExample("Switch it off", value={"enabled": False}, request_only=True)],
    )
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        shape = WebhookChangeIn(data=request.data)
        shape.is_valid(raise_exception=True)
        asked = dict(shape.validated_data)
        events = asked.pop("events", None)
        kinds = None if events is None else [EventKind(value) for value in events]
        found = visible_endpoint(request, webhook_id)
        change_endpoint(endpoint_id=found.pk, kinds=kinds, actor=actor(request), **asked)
        return Response(WebhookOut(visible_endpoint(request, webhook_id)).data)

    @described(
        operation_id="webhooks_remove",
        summary="Send nothing there any more",
        description="Its deliveries and its secret go with it.",
        responses=answers({200: RemovedOut}, 404, EndpointGone),
    )
    def delete(self, request: Request, webhook_id: UUID) -> Response:
        found = visible_endpoint(request, webhook_id)
        remove_endpoint(endpoint_id=found.pk, actor=actor(request))
        return Response(RemovedOut({"removed": found.pk}).data)


class Secret(TellingSecret):
    """The secret of a webhook."""

    @described(
        operation_id="webhooks_rotate",
        summary="Make the next secret",
        description="For a day the secret before it signs as well. The answer alone holds the new one.",
        request=None,
        responses=answers({201: WebhookSecretOut}, 404, EndpointGone),
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        found = visible_endpoint(request, webhook_id)
        return self.secret_told(request, rotate_secret(endpoint_id=found.pk, actor=actor(request)))


class Deliveries(WebhookView):
    """What a webhook was told, is to be told, and was not told."""

    @described(
        operation_id="webhooks_deliveries",
        summary="List deliveries, newest first: `state=dead` are those that were given up",
        description="What was taken is forgotten after a week, what was given up after a month.",
        parameters=[DeliveriesQuery],
        responses=answers({200: DeliveriesOut}, 400, 404),
    )
    def get(self, request: Request, webhook_id: UUID) -> Response:
        query = DeliveriesQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        found = visible_endpoint(request, webhook_id)
        state = SendState(asked["state"]) if "state" in asked else None
        page, cursor = cursors.newest_first(deliveries_of(found.pk, state), asked.get("cursor"), PAGE)
        return Response(DeliveriesOut({"webhook": found.pk, "results": page, "cursor": cursor}).data)


class Replay(WebhookView):
    """Deliveries that were given up."""

    repeating = Repeating.TOLD

    @described(
        operation_id="webhooks_replay",
        summary="Send again what was given up, with the identifiers it had",
        description="What a webhook that is switched off waits for is sent once it is on.",
        request=ReplayIn,
        responses=answers({202: ReplayedOut}, 400, 404, EndpointGone, EndpointOff),
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        shape = ReplayIn(data=request.data)
        shape.is_valid(raise_exception=True)
        found = visible_endpoint(request, webhook_id)
        chosen = shape.validated_data.get("deliveries")
        replayed = replay(endpoint_id=found.pk, delivery_ids=chosen, actor=actor(request))
        body = ReplayedOut({"webhook": found.pk, "replayed": replayed})
        return Response(body.data, status=status.HTTP_202_ACCEPTED)


class Test(WebhookView):
    """A message that says nothing."""

    repeating = Repeating.TOLD
    throttle_classes = (TestThrottle,)

    @described(
        operation_id="webhooks_test",
        summary="Have a message of type `webhook.test` sent, signed and tried as every other",
        request=None,
        responses=answers({202: TestedOut}, 404, EndpointGone, EndpointOff),
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        found = visible_endpoint(request, webhook_id)
        delivery = send_test(endpoint_id=found.pk, actor=actor(request))
        body = TestedOut({"webhook": found.pk, "delivery": delivery.pk})
        return Response(body.data, status=status.HTTP_202_ACCEPTED)
