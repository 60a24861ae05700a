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
from screening.prepared import Prepared
from screening.users.models import Membership, Role, User
from screening.users.roles import ADMINISTRATORS, READERS, SEE_RESULTS, UPLOADERS

DEFAULT_THEME: Final = "dark"
THEMES: Final = ("dark", "light")


@dataclass(frozen=True, slots=True)
class Way:
    """A link of the top bar, the roles that it is offered to, and the routes of its section beside its own."""

    name: str
    label: Promise
    icon: str
    roles: tuple[Role, ...]
    section: tuple[str, ...] = ()  # names of routes; one that ends in ":" stands for a whole part, but for named ones


@dataclass(frozen=True, slots=True)
class Entry:
    """A link as the template draws it."""

    href: str
    label: Promise
    icon: str
    current: str  # "page" where it is this page, "true" where the page is of its section


SITE: Final = (
    "admin_site",
    "site_invite",
    "site_policy",
    "site_key",
    "key_rotate",
    "site_limits",
    "site_reads",
    "site_audit",
    "member_role",
    "member_remove",
    "housekeeping:retention",
    "hooks:",
)
MODELS: Final = ("review:model", "housekeeping:versions", "housekeeping:version")
NAVIGATION: Final = (
    Way("desk:upload", _("Upload"), "upload", UPLOADERS),
    Way("desk:quick", _("Quick answer"), "bolt", UPLOADERS, ("desk:verdict",)),
    Way("desk:uploads", _("Uploads"), "list", UPLOADERS, ("desk:",)),
    Way("review:to_read", _("Worklist"), "inbox", READERS, ("review:", "housekeeping:study_delete")),
    Way("classroom:home", _("Classes"), "cap", READERS, ("classroom:",)),
    Way("numbers:home", _("Numbers"), "chart", ADMINISTRATORS, ("numbers:",)),
    Way(
        "review:models",
        _("Models"),
        "cube",
        SEE_RESULTS,
        ("review:model", "housekeeping:versions", "housekeeping:version"),
    ),
    Way("sites", _("Site"), "people", ADMINISTRATORS, SITE),
)
ACCOUNT: Final = (
    Way("hooks:notifications", _("E-mail"), "inbox", (), ("hooks:no_mail", "hooks:confirm")),
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
        "navigation": _entries(NAVIGATION, roles, request),
        "account_links": _entries(ACCOUNT, roles, request),
    }


def theme_of(request: HttpRequest) -> str:
    """The theme that the visitor chose, or the dark of a reading room."""
    chosen = request.COOKIES.get("theme", DEFAULT_THEME)
    return chosen if chosen in THEMES else DEFAULT_THEME


def _memberships(request: HttpRequest) -> list[Membership]:
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return []
    return _MEMBERSHIPS(user.pk)


_MEMBERSHIPS: Final = Prepared(
    lambda user_id: Membership.objects.filter(user_id=user_id).select_related("site").order_by("site__name")
)


def _entries(ways: Iterable[Way], roles: set[Role], request: HttpRequest) -> list[Entry]:
    entries = []
    here = _place(request)
    for way in ways:
        if way.roles and not roles.intersection(way.roles):
            continue
        href = reverse(way.name)
        current = "page" if request.path == href else "true" if way is here else ""
        entries.append(Entry(href, way.label, way.icon, current))
    return entries


def _place(request: HttpRequest) -> Way | None:
    """The way whose section a page is of: the one that names its route, else the one that names its part."""
    name = request.resolver_match.view_name if request.resolver_match else ""
    part, colon, _name = name.partition(":")
    for asked in (name, part + colon):
        for way in NAVIGATION + ACCOUNT:
            if asked and asked in (way.name, *way.section):
                return way
    return None
