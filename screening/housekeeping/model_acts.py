"""Retire a model version, and offer it again. Only whoever runs the installation may: it holds at every site."""

from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from screening.errors import NotAllowed
from screening.housekeeping.errors import VersionInUse
from screening.housekeeping.model_uses import retiring
from screening.results.models import ModelVersion
from screening.results.versions import activate, retire
from screening.retrying import again_on_conflict
from screening.users.models import Site, User
from screening.users.roles import runs_installation


@again_on_conflict
@transaction.atomic
def retire_version(*, version_id: UUID, user: User, all_the_same: bool = False) -> bool:
    """Offer a version to nobody any more. Whether that is a change.

    What waits for it is finished; its results, cards and heat maps stay. Sites that it applied to go on with the
    newest other version of the model. `all_the_same` says that this is meant though sites decided on it.

    Raises:
        NotAllowed: the user does not run the installation.
        VersionInUse: sites decided on it, set a point of their own, or are about to, and it was not said to be meant.
    """
    version = _locked(version_id, user)
    told = retiring(version)
    if version.active and told.is_held and not all_the_same:
        raise VersionInUse(_("Sites decided on %(name)s.") % {"name": version.name})
    return retire(version=version, user=user, instead=told.instead.name if told.instead else "")


@again_on_conflict
@transaction.atomic
def activate_version(*, version_id: UUID, user: User) -> bool:
    """Offer a retired version again. Sites that had decided on it, and on nothing since, screen with it again.

    Raises:
        NotAllowed: the user does not run the installation.
        BundleAway: its bundle is not there.
    """
    return activate(version=_locked(version_id, user), user=user)


def _locked(version_id: UUID, user: User) -> ModelVersion:
    if not runs_installation(user):
        raise NotAllowed(_("Which model versions there are is decided by whoever runs the installation."))
    # The sites first, as those do who decide what a site screens with: one of the two sees what the other did.
    list(Site.objects.select_for_update().order_by("pk").values_list("pk", flat=True))
    return ModelVersion.objects.select_for_update().get(pk=version_id)
