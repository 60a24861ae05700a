"""What administrators ask about their sites."""

from dataclasses import dataclass
from typing import Final

from django.db.models import Count, Q, QuerySet

from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import chain_key
from screening.users.models import Membership, Site, User
from screening.users.roles import ADMINISTRATORS, sites_where

EVENTS_PER_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Happening:
    """An audit event with the name of who did it, for the administrators of the site."""

    event: AuditEvent
    who: str
    detail: list[str]


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events of a chain, the newest first, and where the next page begins."""

    happenings: list[Happening]
    older: int | None


def administered(user: User) -> QuerySet[Site]:
    """Sites at which the user is an administrator."""
    return sites_where(user, ADMINISTRATORS)


def members_of(site: Site) -> list[Membership]:
    """Members of the site by name, each with `tokens`: how many tokens they hold there."""
    counted = Count("user__auth_token_set", filter=Q(user__auth_token_set__site=site))
    return list(site.memberships.select_related("user").annotate(tokens=counted).order_by("user__username"))


def site_events(site: Site, *, before: str) -> EventPage:
    """A page of the site's chain; `before` is the place at which it ends, from `EventPage.older`."""
    events = AuditEvent.objects.filter(chain=chain_key(ChainKind.SITE, site.pk)).order_by("-seq")
    if before.isdecimal():
        events = events.filter(seq__lt=int(before[:18]))
    found = list(events[: EVENTS_PER_PAGE + 1])
    shown = found[:EVENTS_PER_PAGE]
    names = _names(shown)
    older = shown[-1].seq if len(found) > EVENTS_PER_PAGE else None
    return EventPage([_happening(event, names) for event in shown], older)


def _happening(event: AuditEvent, names: dict[str, str]) -> Happening:
    parts = []
    for name, value in event.detail.items():
        shown = names.get(f"user:{value}", value) if name == "user" else value
        parts.append(f"{name.replace('_', ' ')}: {', '.join(shown) if isinstance(shown, list) else shown}")
    return Happening(event, names.get(event.actor, event.actor), parts)


def _names(events: list[AuditEvent]) -> dict[str, str]:
    # The audit holds numbers, never names: they are looked up for the administrators of the site alone.
    keys = {event.actor for event in events} | {
        f"user:{event.detail['user']}" for event in events if "user" in event.detail
    }
    ids = [int(key.removeprefix("user:")) for key in keys if key.startswith("user:")]
    return {f"user:{pk}": name for pk, name in User.objects.filter(pk__in=ids).values_list("pk", "username")}
