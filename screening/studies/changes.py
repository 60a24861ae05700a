"""A site's change number: how a poller learns what is new without missing a late commit."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import F

from screening.outbox.announcing import announce_changes, anyone_listens
from screening.studies.models import SiteChange, Study


@dataclass(slots=True)
class Unwritten:
    """Columns of locked studies that are written together with their change number, and not by a statement before."""

    alike: list[tuple[dict[str, object], set[UUID]]] = field(default_factory=list)

    def take(self, studies: set[UUID]) -> list[tuple[dict[str, object], set[UUID]]]:
        """Columns and the studies that they are of, each study once, those without any among them."""
        groups = [(columns, keys & studies) for columns, keys in self.alike]
        self.alike = [(columns, left) for columns, keys in self.alike if (left := keys - studies)]
        return [*groups, ({}, studies.difference(*(keys for _, keys in groups)))]


def mark_changed(pairs: Iterable[tuple[UUID, UUID]], unwritten: Unwritten | None = None) -> None:
    """Give the studies, as (site, study), the next change number of their site, and write what `unwritten` holds.

    Call it last in the transaction: the site's row stays locked until the commit, so that
    numbers become visible in the order in which they were taken.

    Raises:
        ValueError: a study of `unwritten` is not among the pairs.
    """
    unwritten = unwritten or Unwritten()
    by_site: dict[UUID, set[UUID]] = defaultdict(set)
    for site_id, study_id in pairs:
        by_site[site_id].add(study_id)
    for site_id in sorted(by_site):
        if not SiteChange.objects.filter(pk=site_id).update(number=F("number") + 1):
            SiteChange.objects.bulk_create([SiteChange(site_id=site_id)], ignore_conflicts=True)
            SiteChange.objects.filter(pk=site_id).update(number=F("number") + 1)
        number = SiteChange.objects.values_list("number", flat=True).get(pk=site_id)
        for columns, keys in unwritten.take(by_site[site_id]):
            Study.objects.filter(pk__in=keys).update(change_number=number, **columns)
        if anyone_listens(site_id):
            states = Study.objects.filter(pk__in=by_site[site_id]).values_list("pk", "state")
            announce_changes(site_id, dict(states), number)
    if unwritten.alike:
        raise ValueError("A study was moved that is not marked as changed.")
