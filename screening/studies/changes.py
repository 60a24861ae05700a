"""A site's change number: how a poller learns what is new without missing a late commit."""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from django.db.models import F

from screening.outbox.announcing import announce_changes, anyone_listens
from screening.studies.models import SiteChange, Study


def mark_changed(pairs: Iterable[tuple[UUID, UUID]]) -> None:
    """Give the studies, as (site, study), the next change number of their site.

    Call it last in the transaction: the site's row stays locked until the commit, so that
    numbers become visible in the order in which they were taken.
    """
    by_site: dict[UUID, set[UUID]] = defaultdict(set)
    for site_id, study_id in pairs:
        by_site[site_id].add(study_id)
    for site_id in sorted(by_site):
        if not SiteChange.objects.filter(pk=site_id).update(number=F("number") + 1):
            SiteChange.objects.bulk_create([SiteChange(site_id=site_id)], ignore_conflicts=True)
            SiteChange.objects.filter(pk=site_id).update(number=F("number") + 1)
        number = SiteChange.objects.values_list("number", flat=True).get(pk=site_id)
        studies = Study.objects.filter(pk__in=by_site[site_id])
        studies.update(change_number=number)
        if anyone_listens(site_id):
            announce_changes(site_id, dict(studies.values_list("pk", "state")), number)
