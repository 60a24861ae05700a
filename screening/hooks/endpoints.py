"""What administrators do with endpoints, on pages and by the API. Each act is in the audit, without the address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazily

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import LimitExceeded, ScreeningError
from screening.hooks.addresses import read_url
from screening.hooks.signing import fresh_secret
from screening.outbox.announcing import announce_test
from screening.outbox.models import Delivery, Endpoint, EventKind, SendState
from screening.outbox.outcomes import give_up_undone
from screening.retrying import again_on_conflict
from screening.users.keys import forget_key
from screening.users.models import Site

MOST_ENDPOINTS: Final = 10  # of a site: every change of a study writes a row for each
BOTH_HOURS: Final = 24  # for which the secret before a rotation signs as well
MOST_REPLAYED: Final = 500
HEALTH: Final = ("failing_since", "resting_until", "failures")


class EndpointOff(ScreeningError):
    """A test was to be sent to an endpoint that is switched off."""

    code: ClassVar[str] = "webhook_off"
    http_status: ClassVar[int] = 409
    what_to_do: ClassVar[str | Promise] = lazily("Switch it on first.")


class EndpointGone(ScreeningError):
    """The endpoint was removed in the meantime."""

    code: ClassVar[str] = "endpoint_gone"
    http_status: ClassVar[int] = 410
    what_to_do: ClassVar[str | Promise] = lazily("Add it again if you need it.")


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint and its secret, which can be shown only now."""

    endpoint: Endpoint
    secret: str


def add_endpoint(*, site: Site, url: str, kinds: Sequence[EventKind], actor: Actor) -> NewSecret:
    """Send events of these kinds to an address from now on.

    Raises:
        AddressRefused: no webhook may go there.
        LimitExceeded: the site has as many endpoints as it may.
    """
    read_url(url, settings.CONFIG.webhooks)
    endpoint = Endpoint(site=site, url=url, kinds=_values(kinds))
    secret = fresh_secret(endpoint)  # before a worker sees the row: nothing that is sent makes a key
    try:
        _add(endpoint, actor)
    except BaseException:
        forget_key(endpoint.pk)
        raise
    return NewSecret(endpoint, secret)


@transaction.atomic
def _add(endpoint: Endpoint, actor: Actor) -> None:
    Site.objects.select_for_update().get(pk=endpoint.site_id)
    if Endpoint.objects.kept().filter(site_id=endpoint.site_id).count() >= MOST_ENDPOINTS:
        raise LimitExceeded(_("A site has at most %(n)s endpoints.") % {"n": MOST_ENDPOINTS})
    endpoint.save(force_insert=True)
    _record(endpoint, "webhook:added", actor, kinds=endpoint.kinds)


def rotate_secret(*, endpoint_id: UUID, actor: Actor) -> NewSecret:
    """Make the next secret. For a day both sign, so that the receiver can be changed meanwhile.

    Raises:
        EndpointGone: it was removed.
    """
    with transaction.atomic():
        endpoint = _locked(endpoint_id)
        endpoint.generation += 1
        endpoint.previous_until = timezone.now() + timedelta(hours=BOTH_HOURS)
        endpoint.save(update_fields=["generation", "previous_until"])
        _record(endpoint, "webhook:secret_rotated", actor, generation=endpoint.generation)
    return NewSecret(endpoint, fresh_secret(endpoint))


def remove_endpoint(*, endpoint_id: UUID, actor: Actor) -> None:
    """Send nothing there any more. The row stays without its address: a change under way may still write for it.

    Raises:
        EndpointGone: it was removed before.
    """
    _remove(endpoint_id, actor)
    forget_key(endpoint_id)


@again_on_conflict
@transaction.atomic
def _remove(endpoint_id: UUID, actor: Actor) -> None:
    endpoint = _locked(endpoint_id)
    endpoint.url, endpoint.removed_at = "", timezone.now()
    endpoint.save(update_fields=["url", "removed_at"])
    Delivery.objects.filter(endpoint=endpoint).delete()  # also what a worker holds: it can note nothing of it
    _record(endpoint, "webhook:removed", actor)


@again_on_conflict
@transaction.atomic
def change_endpoint(
    *,
    endpoint_id: UUID,
    actor: Actor,
    url: str | None = None,
    kinds: Sequence[EventKind] | None = None,
    enabled: bool | None = None,
) -> Endpoint:
    """Give an endpoint another address or other events, switch it off or on; None leaves what is.

    Another address has not failed yet. What waits goes there too. Switched off, what waits is given up.

    Raises:
        AddressRefused: no webhook may go there; nothing is changed.
        EndpointGone: it was removed.
    """
    if url is not None:
        read_url(url, settings.CONFIG.webhooks)
    endpoint = _locked(endpoint_id)
    moved = url is not None and url != endpoint.url
    if moved or (kinds is not None and _values(kinds) != endpoint.kinds):
        endpoint.url = endpoint.url if url is None else url
        endpoint.kinds = endpoint.kinds if kinds is None else _values(kinds)
        if moved:
            _forgive(endpoint)
        endpoint.save(update_fields=["url", "kinds", *HEALTH])
        _record(endpoint, "webhook:changed", actor, kinds=endpoint.kinds, another_address=moved)
    if enabled is not None and enabled == (endpoint.disabled_at is not None):
        _switch(endpoint, actor, on=enabled)
    return endpoint


def _switch(endpoint: Endpoint, actor: Actor, *, on: bool) -> None:
    endpoint.disabled_at = None if on else timezone.now()
    _forgive(endpoint)
    endpoint.save(update_fields=["disabled_at", *HEALTH])
    if on:
        _record(endpoint, "webhook:resumed", actor)
    else:
        _record(endpoint, "webhook:disabled", actor, given_up=give_up_undone(endpoint))


def _forgive(endpoint: Endpoint) -> None:
    endpoint.failing_since = endpoint.resting_until = None
    endpoint.failures = 0


def _values(kinds: Sequence[EventKind]) -> list[str]:
    return sorted({kind.value for kind in kinds})


@again_on_conflict
@transaction.atomic
def send_test(*, endpoint_id: UUID, actor: Actor) -> Delivery:
    """Have a message sent that tells nothing, signed and tried as every other.

    Raises:
        EndpointGone: it was removed.
        EndpointOff: it is switched off.
    """
    endpoint = _locked(endpoint_id)
    if endpoint.disabled_at is not None:
        raise EndpointOff(_("This endpoint is switched off."))
    delivery = announce_test(endpoint)
    Endpoint.objects.filter(pk=endpoint.pk).update(resting_until=None)
    _record(endpoint, "webhook:tested", actor, delivery=str(delivery.pk))
    return delivery


@again_on_conflict
@transaction.atomic
def resume_endpoint(*, endpoint_id: UUID, actor: Actor) -> None:
    """Switch an endpoint on again, as if it had never failed. What was given up stays given up until it is replayed.

    Raises:
        EndpointGone: it was removed.
    """
    _switch(_locked(endpoint_id), actor, on=True)


@again_on_conflict
@transaction.atomic
def replay(*, endpoint_id: UUID, delivery_ids: Sequence[UUID] | None, actor: Actor) -> int:
    """Try given-up deliveries again, all of an endpoint's if none are named, at most 500 at once. How many.

    They keep their identifiers: a receiver that had seen one knows it.

    Raises:
        EndpointGone: the endpoint was removed.
        EndpointOff: it is switched off: they would wait, and stand in no list of what was given up.
    """
    endpoint = _locked(endpoint_id)
    if endpoint.disabled_at is not None:
        raise EndpointOff(_("This endpoint is switched off."))
    dead = Delivery.objects.filter(endpoint=endpoint, state=SendState.DEAD)
    if delivery_ids is not None:
        dead = dead.filter(pk__in=delivery_ids)
    keys = list(dead.order_by("created_at", "pk").values_list("pk", flat=True)[:MOST_REPLAYED])
    fresh: dict[str, Any] = {"state": SendState.WAITING, "due_at": None, "done_at": None, "attempts": 0, "deaths": 0}
    replayed = Delivery.objects.filter(pk__in=keys, state=SendState.DEAD).update(alone=False, **fresh)
    if replayed:
        Endpoint.objects.filter(pk=endpoint.pk).update(resting_until=None)
        _record(endpoint, "webhook:replayed", actor, deliveries=replayed)
    return replayed


def _locked(endpoint_id: UUID) -> Endpoint:
    endpoint = Endpoint.objects.kept().select_for_update().filter(pk=endpoint_id).first()
    if endpoint is None:
        raise EndpointGone(_("This endpoint was removed."))
    return endpoint


def _record(endpoint: Endpoint, action: str, actor: Actor, **detail: Any) -> None:
    told = {"endpoint": str(endpoint.pk), **detail}
    record(actor, [Draft(ChainKind.SITE, endpoint.site_id, endpoint.site_id, action, told)])
