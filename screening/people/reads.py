"""What a site decides about reading: what is blinded, sampled and read twice. Each change is on the site's chain."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.users.models import Site, new_draw_key


def set_reads(
    *,
    site_id: UUID,
    blinded: bool,
    sample_share: float,
    mixed_share: float,
    second_share: float,
    second_when_unsure: bool,
    second_dismissed_from: float | None,
    actor: Actor,
) -> Site:
    """Store a site's policy of reading. It holds for studies that become complete, or are answered, from now on.

    Blinding holds at once, for every study that a reviewer has not answered. Shares are from 0 to 1.
    """
    chosen: dict[str, Any] = {
        "sample_share": sample_share,
        "mixed_share": mixed_share,
        "second_share": second_share,
        "second_when_unsure": second_when_unsure,
        "second_dismissed_from": second_dismissed_from,
    }
    with transaction.atomic():
        site = Site.objects.select_for_update().get(pk=site_id)
        changed = {name: value for name, value in chosen.items() if getattr(site, name) != value}
        told: dict[str, object] = dict(changed)
        if bool(site.blinded_since) != blinded:
            changed["blinded_since"] = timezone.now() if blinded else None
            told["blinded"] = blinded
        if not changed:
            return site
        if not site.draw_key:  # made by a release that drew nothing
            changed["draw_key"] = new_draw_key()
        for name, value in changed.items():
            setattr(site, name, value)
        site.save(update_fields=list(changed))
        record(actor, [Draft(ChainKind.SITE, site.pk, site.pk, "site:reads_changed", told)])
    return site
