"""What came to a list since its page was opened, counted no further than anybody reads."""

from typing import Final

from django.http import QueryDict
from django.utils.dateparse import parse_datetime

from screening.review.blinding import Veil
from screening.review.forms import FilterForm
from screening.review.reading import lines_of
from screening.review.shelves import InTray
from screening.review.together import together
from screening.review.trays import Tray, in_tray
from screening.users.models import User

COUNTED: Final = 99


def news_of(user: User, query: QueryDict) -> str:
    """How many new studies, as it is said; empty where there are none."""
    try:
        since = parse_datetime(query.get("since", ""))
    except ValueError:
        since = None
    if since is None or since.tzinfo is None:
        return ""
    shelves = [shelf for tray in _trays(user, query) for shelf in tray.shelves]
    fresh = sum(map(len, together([shelf.moments(COUNTED + 1, after=since) for shelf in shelves])))
    return f"{COUNTED}+" if fresh > COUNTED else str(fresh or "")


def _trays(user: User, query: QueryDict) -> tuple[InTray, ...]:
    asked = query.get("tray", "")
    if asked in set(Tray):
        return (in_tray(user, FilterForm(query).filters(Tray(asked))),)
    lines = lines_of(Veil(user))
    return (*lines.urgent, *lines.rest)
