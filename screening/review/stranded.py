"""Second reads and adjudications that wait for somebody who does not exist: no member of their site may give them.

Only reviewers give them, and nobody about a study that they answered themselves. Where a site has too few reviewers,
or lost one, such a read would wait for ever in a list that nobody sees it in.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, QuerySet
from django.db.models.functions import Coalesce

from screening.review.blind_lists import COMPLETE
from screening.review.blinding import BOUND, Veil
from screening.review.models import FurtherRead, ReadState, Review, Stage
from screening.users.models import Membership, Site

NOBODY: Final = 0  # the key of no user


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranded:
    """How many reads of a site wait for nobody."""

    site: Site
    second: int
    adjudication: int


def stranded_reads() -> QuerySet[FurtherRead]:
    """Reads that wait, and that no active member of their site may give."""
    answered = Review.objects.filter(study=OuterRef(OuterRef("study")), reader=OuterRef("user"))
    able = (
        Membership.objects.filter(~Exists(answered), site=OuterRef("site"), role__in=BOUND, user__is_active=True)
        .exclude(user=OuterRef("first"))
        .exclude(user=Coalesce(OuterRef("second"), NOBODY))
    )
    return FurtherRead.objects.filter(
        ~Exists(able), state=ReadState.WAITING, revision=F("study__revision"), study__state__in=COMPLETE
    )


def stranded_at(sites: Sequence[Site]) -> list[Stranded]:
    """The sites among these at which reads are stranded, and how many of each stage. One question, of no sites none."""
    if not sites:
        return []
    rows = stranded_reads().filter(site__in=sites).order_by().values_list("site_id", "stage").annotate(Count("pk"))
    found: defaultdict[UUID, dict[str, int]] = defaultdict(dict)
    for site_id, stage, number in rows:
        found[site_id][stage] = number
    return [
        Stranded(
            site=site,
            second=found[site.pk].get(Stage.SECOND, 0),
            adjudication=found[site.pk].get(Stage.ADJUDICATION, 0),
        )
        for site in sites
        if site.pk in found
    ]


def stranded_for(veil: Veil) -> list[Stranded]:
    """The same at the sites that somebody administers: nobody else can do anything about it. Others ask nothing."""
    return stranded_at(sorted(veil.overseen, key=lambda site: site.name))
