"""What demo studies hang on: a site, its people, and models that say plainly that they are none."""

from dataclasses import dataclass
from itertools import count

from django.db import transaction

from ml.vocabulary import Modality
from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.demo.drawn import BEGAN, POINT
from screening.demo.rows import LABEL, SECOND, Versions
from screening.people.members import create_site
from screening.results.models import ModelVersion, OperatingPoint
from screening.users.models import Membership, Role, Site, User

CARD = {"limits": ["Demo scores, drawn by dice: no model looked at any picture, and there is no picture."]}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    site: Site
    admin: User
    reader: User
    versions: Versions


@transaction.atomic
def make_world(*, name: str, actor: Actor) -> World:
    """Make what is missing of the site, its people and the demo models. Nobody gets a password."""
    site = Site.objects.filter(name=name).first() or create_site(name=name, actor=actor)
    first = Membership.objects.filter(role=Role.ADMIN, user__is_active=True).order_by("pk").first()
    return World(
        site=site,
        admin=_member(site, Role.ADMIN, first.user if first else None, actor),
        reader=_member(site, Role.REVIEWER, None, actor),
        versions={name: _version(f"{name}-demo", name) for name in (Modality.XRAY.value, Modality.CT.value, SECOND)},
    )


def _member(site: Site, role: Role, offered: User | None, actor: Actor) -> User:
    """Give somebody who holds the role at the site: a member, else the one offered, else a new user."""
    held = Membership.objects.filter(site=site, role=role).select_related("user").order_by("pk").first()
    if held is not None:
        return held.user
    user = offered or User.objects.create_user(username=_free_name(f"demo-{role}"))
    Membership.objects.create(user=user, site=site, role=role)
    record(actor, [Draft(ChainKind.SITE, site.pk, site.pk, "member:joined", {"user": user.pk, "role": role.value})])
    return user


def _free_name(wanted: str) -> str:
    names = (wanted if number == 1 else f"{wanted}-{number}" for number in count(1))
    return next(name for name in names if not User.objects.filter(username__iexact=name).exists())


def _version(slug: str, served: str) -> ModelVersion:
    """Give a demo model. It is not active, so that nobody is offered it and no worker looks for its bundle."""
    modality = Modality.XRAY.value if served == SECOND else served
    version, fresh = ModelVersion.objects.get_or_create(
        slug=slug,
        version="0.0.0",
        defaults={
            "title": "Demo scores, no model",
            "modality": modality,
            "labels": [LABEL, "other"],
            "flag_labels": [LABEL],
            "card": {"slug": slug, "version": "0.0.0", "default": False, **CARD},
            "sha256": "0" * 64,
            "folder": "none",
            "active": False,
            "registered_at": BEGAN,
        },
    )
    if fresh:
        OperatingPoint.objects.create(model_version=version, label=LABEL, value=POINT, valid_from=BEGAN)
    return version
