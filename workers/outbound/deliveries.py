"""Bring events to the endpoints of sites, at least once: what was sent and not noted is sent again."""

import time
from typing import Final

import structlog
from django.conf import settings

from screening import VERSION
from screening.errors import LeaseLost
from screening.faultpoints import reach
from screening.hooks.bodies import body_of
from screening.hooks.signing import HEADER, SecretGone, secrets_in_force, signature
from screening.leasing import Lease
from screening.outbox.leases import begin_delivery, claim_deliveries, next_endpoint, release_deliveries
from screening.outbox.models import Delivery, Endpoint
from screening.outbox.outcomes import record_delivered, record_refused
from workers.crew import PROGRESS, Crew, Stop
from workers.keeper import keeping
from workers.outbound.posting import NotTaken, Poster

log = structlog.get_logger(__name__)

AT_ONCE: Final = 16  # events over one connection
HANDS: Final = 4  # so many endpoints that hang hold up the others; each rests longer after every failure


def deliver_somewhere(stop: Stop) -> bool:
    """Send some due events to one endpoint. Whether there were any."""
    endpoint_id = next_endpoint()
    if endpoint_id is None or stop.is_set():
        return False
    lease, rows = claim_deliveries(endpoint_id=endpoint_id, limit=AT_ONCE)
    if not rows:
        return False
    reach("delivery.claimed")
    with keeping(Delivery, lease, ()):
        try:
            _deliver(lease, rows, stop)
        except LeaseLost:
            log.warning("lease_lost", rows=len(rows))
        finally:
            release_deliveries(lease)  # of what a failure, or the end of this worker, left undone
    return True


def _deliver(lease: Lease, rows: list[Delivery], stop: Stop) -> None:
    endpoint = Endpoint.objects.get(pk=rows[0].endpoint_id)
    poster = Poster(endpoint.url, settings.CONFIG.webhooks)
    try:
        for row in rows:
            PROGRESS.note()
            if stop.is_set() or not begin_delivery(lease, row.pk):
                return
            reach("delivery.begun")
            if not _one(poster, lease, row, endpoint):
                return  # the others are not tried against an endpoint that just failed, and count no attempt
    finally:
        poster.close()


def _one(poster: Poster, lease: Lease, row: Delivery, endpoint: Endpoint) -> bool:
    """Send one event. Whether it was taken."""
    try:
        answered = _posted(poster, row, endpoint)
    except NotTaken as refusal:
        off = record_refused(lease=lease, delivery=row, problem=refusal.problem, answered=refusal.answered)
        told = {"endpoint": str(endpoint.pk), "problem": refusal.problem, "answered": refusal.answered}
        log.warning("event_not_taken", **told, switched_off=off)
        return False
    reach("delivery.sent")
    record_delivered(lease=lease, delivery=row, answered=answered)
    reach("delivery.committed")
    return True


def _posted(poster: Poster, row: Delivery, endpoint: Endpoint) -> int:
    """Post one event, signed. The HTTP status with which it was taken.

    Raises:
        NotTaken: it was not, or there is nothing to sign it with.
    """
    try:
        secrets = secrets_in_force(endpoint)
    except SecretGone:
        raise NotTaken("secret_missing") from None
    body = body_of(row)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"chest-screening/{VERSION}",
        "Chest-Event-Id": str(row.pk),
        "Chest-Event": row.kind,
        HEADER: signature(body, at=int(time.time()), secrets=secrets),
    }
    return poster.post(body, headers)


CREW: Final = Crew("deliveries", deliver_somewhere, poll=settings.CONFIG.poll_seconds)
