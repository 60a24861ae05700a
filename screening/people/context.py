"""What every page shows: the disclaimer, the theme, and the ways that this person's roles open."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ml.vocabulary import DISCLAIMER, DISCLAIMER_VERSION
from screening.users.models import Membership, Role, User
from screening.users.roles import ADMINISTRATORS, READERS, SEE_RESULTS, UPLOADERS

DEFAULT_THEME: Final = "dark"
THEMES: Final = ("dark", "light")


@dataclass(frozen=True, slots=True)
class Way:
    """A link of the top bar, and the roles that it is offered to."""

    name: str
    label: Promise
    icon: str
    roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A link as the template draws it."""

    href: str
    label: Promise
    icon: str
    current: bool


NAVIGATION: Final = (
    Way("desk:upload", _("Upload"), "upload", UPLOADERS),
    Way("desk:quick", _("Quick answer"), "bolt", UPLOADERS),
    Way("desk:uploads", _("Uploads"), "list", UPLOADERS),
    Way("review:worklist", _("Worklist"), "inbox", READERS),
    Way("classroom:home", _("Classes"), "cap", READERS),
    Way("numbers:home", _("Numbers"), "chart", ADMINISTRATORS),
    Way("review:models", _("Models"), "cube", SEE_RESULTS),
    Way("sites", _("Site"), "people", ADMINISTRATORS),
)
ACCOUNT: Final = (
    Way("hooks:notifications", _("E-mail"), "inbox", ()),
    Way("tokens", _("API tokens"), "key", SEE_RESULTS),
    Way("api:docs", _("API documentation"), "code", SEE_RESULTS),
    Way("password", _("Password"), "shield", ()),
)


def everywhere(request: HttpRequest) -> dict[str, Any]:
    """The context that `base.html` needs. One query for a signed-in visitor, none for others."""
    memberships = _memberships(request)
    roles = {Role(membership.role) for membership in memberships}
    return {
        "disclaimer": gettext(DISCLAIMER),
        "disclaimer_version": DISCLAIMER_VERSION,
        "theme": theme_of(request),
        "languages": settings.LANGUAGES,
        "my_memberships": memberships,
        "navigation": _entries(NAVIGATION, roles, request.path),
        "account_links": _entries(ACCOUNT, roles, request.path),
    }


def theme_of(request: HttpRequest) -> str:
    """The theme that the visitor chose, or the dark of a reading room."""
    chosen = request.COOKIES.get("theme", DEFAULT_THEME)
    return chosen if chosen in THEMES else DEFAULT_THEME


def _memberships(request: HttpRequest) -> list[Membership]:
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return []
    return list(user.memberships.select_related("site").order_by("site__name"))


def _entries(ways: Iterable[Way], roles: set[Role], path: str) -> list[Entry]:
    entries = []
    for way in ways:
        if way.roles and not roles.intersection(way.roles):
            continue
        href = reverse(way.name)
        entries.append(Entry(href, way.label, way.icon, current=path == href))
    return entries
