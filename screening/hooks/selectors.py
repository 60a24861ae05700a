"""What pages and the API ask about endpoints."""

from typing import Final
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from screening.outbox.models import Delivery, Endpoint, SendState
from screening.users.models import Site, User
from screening.users.roles import ADMINISTRATORS, sites_where

SHOWN: Final = 50
IN_HANDS: Final = (SendState.WAITING, SendState.LEASED)


def administered_sites(user: User) -> QuerySet[Site]:
    """Sites whose endpoints the user may see and change."""
    return sites_where(user, ADMINISTRATORS)


def endpoints_of(site: Site) -> list[Endpoint]:
    """The site's endpoints, each with `waiting` and `dead`: how many deliveries wait, and how many were given up."""
    return list(counted(Endpoint.objects.kept().filter(site=site)))


def counted(endpoints: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
    """Give endpoints with `waiting` and `dead`."""
    waiting = Count("deliveries", filter=Q(deliveries__state__in=IN_HANDS))
    dead = Count("deliveries", filter=Q(deliveries__state=SendState.DEAD))
    return endpoints.annotate(waiting=waiting, dead=dead)


def deliveries_of(endpoint_id: UUID, state: SendState | None) -> QuerySet[Delivery]:
    """Deliveries of an endpoint, the newest first; of one state if it is named. What a worker holds is waiting."""
    rows = Delivery.objects.filter(endpoint_id=endpoint_id).order_by("-created_at", "-pk")
    if state is None:
        return rows
    return rows.filter(state__in=IN_HANDS) if state in IN_HANDS else rows.filter(state=state)


def dead_letters(endpoint_id: UUID) -> list[Delivery]:
    """What was given up, the newest first."""
    return list(_done(endpoint_id, SendState.DEAD))


def last_sent(endpoint_id: UUID) -> list[Delivery]:
    """What was taken, the newest first."""
    return list(_done(endpoint_id, SendState.SENT)[:10])


def next_to_send(endpoint_id: UUID) -> list[Delivery]:
    """What waits, in the order in which it is tried."""
    waiting = Delivery.objects.filter(endpoint_id=endpoint_id, state__in=IN_HANDS)
    return list(waiting.order_by("rank", "pk")[:10])


def _done(endpoint_id: UUID, state: SendState) -> QuerySet[Delivery]:
    return Delivery.objects.filter(endpoint_id=endpoint_id, state=state, done_at__isnull=False).order_by(
        "-done_at", "pk"
    )[:SHOWN]
