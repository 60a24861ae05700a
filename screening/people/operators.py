"""Who runs the installation: decides what holds at every site, such as which model versions may be chosen."""

from django.db import transaction

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.users.models import User


@transaction.atomic
def set_operator(*, user: User, runs: bool, actor: Actor) -> bool:
    """Give or take the right to run the installation. Whether that is a change; it is told to the user's sites.

    It opens no site and no study: memberships do.
    """
    locked = User.objects.select_for_update().get(pk=user.pk)
    if locked.is_superuser == runs:
        return False
    locked.is_superuser = runs
    locked.save(update_fields=["is_superuser"])
    action = "operator:made" if runs else "operator:ended"
    sites = locked.memberships.order_by("site_id").values_list("site_id", flat=True)
    record(actor, [Draft(ChainKind.SITE, site, site, action, {"user": locked.pk}) for site in sites])
    return True
