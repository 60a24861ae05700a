"""The only module that says whether a model version may be chosen. Each change is on the chain of every site.

active <-> retired            by whoever runs the installation; the bundle stays where it is
active --> gone --> active    the bundle left the model root, and was registered again
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import BundleAway
from screening.results.models import ModelVersion, Standing
from screening.users.models import Site, User

CARD: Final = "card.json"
REGISTRY: Final = Actor.service("registry")


def bundle_is_there(version: ModelVersion) -> bool:
    """Whether the bundle of a version lies below the model root, with the weights that were registered.

    Its card is believed here; workers hash the weights themselves each time they load them.
    """
    try:
        card = json.loads((Path(settings.CONFIG.model_root) / version.folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(card, dict) and card.get("model_sha256") == version.sha256


def retire(*, version: ModelVersion, user: User, instead: str) -> bool:
    """Offer a locked version to nobody any more, in the caller's transaction. Whether that is a change.

    Results stay, and so does what waits: workers finish it. `instead` names what uploads under way go on with.
    """
    if version.standing == Standing.RETIRED:
        return False
    version.active, version.retired_at, version.retired_by = False, timezone.now(), user
    version.save(update_fields=["active", "retired_at", "retired_by"])
    _tell_sites(Actor.user(user), "model:retired", model=version.name, instead=instead)
    return True


def activate(*, version: ModelVersion, user: User) -> bool:
    """Offer a locked version again, in the caller's transaction. Whether that is a change.

    Raises:
        BundleAway: its bundle is not where it was registered, or holds other weights.
    """
    if version.standing == Standing.ACTIVE:
        return False
    if not bundle_is_there(version):
        raise BundleAway(f"The bundle of {version.name} is not at {version.folder} below the model root.")
    version.active, version.retired_at, version.retired_by = True, None, None
    version.save(update_fields=["active", "retired_at", "retired_by"])
    _tell_sites(Actor.user(user), "model:activated", model=version.name)
    return True


@transaction.atomic
def retire_gone(*, versions: Collection[ModelVersion]) -> None:
    """Choose versions no more whose bundles are gone.

    Their results stay, what waits for them ends as not assessed, and what uploads under way that chose them bring
    from now on goes to the newest version of the same slug.
    """
    ModelVersion.objects.filter(pk__in=[version.pk for version in versions]).update(active=False)
    for version in versions:
        _tell_sites(REGISTRY, "model:bundle_gone", model=version.name)


def _tell_sites(actor: Actor, action: str, **detail: str) -> None:
    """Models are the installation's: what becomes of one is on the chain of each site that there is."""
    sites = Site.objects.order_by("pk").values_list("pk", flat=True)
    record(actor, [Draft(ChainKind.SITE, site, site, action, dict(detail)) for site in sites])
