"""Draw the random sample that readers read blinded, when a study becomes complete."""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.studies.draws import chance
from screening.studies.models import Sample, Study, StudyState
from screening.upserting import insert_rows
from screening.users.models import Reads, Site

PURPOSE: Final = "sample"


def draw_samples(studies: Sequence[Study], *, actor: Actor, open_before: Collection[UUID] = ()) -> list[Sample]:
    """Draw among locked studies that just became ready, in the caller's transaction. The new rows are returned.

    A study that took part in a draw at this revision keeps what was drawn then, whatever the policy is now. One with
    a picture that was not assessed takes no part: it is due like the flagged. `open_before` names those that were
    complete earlier: what is drawn of them may have been seen.
    """
    ready = [study for study in studies if study.state == StudyState.READY and not study.not_assessed]
    if not ready:
        return []
    sites = Site.objects.in_bulk({study.site_id for study in ready})
    rows = [row for study in ready if (row := _row(study, sites[study.site_id], study.pk in open_before)) is not None]
    if not rows:
        return []
    known = set(Sample.objects.filter(study__in=[row.study_id for row in rows]).values_list("study_id", "revision"))
    fresh = [row for row in rows if (row.study_id, row.revision) not in known]
    insert_rows(fresh)
    record(actor, [_draft(row) for row in sorted(fresh, key=_key)])
    return fresh


def _row(study: Study, site: Site, open_before: bool) -> Sample | None:  # noqa: FBT001 - told by its one caller
    probability = _probability(study, site)
    if not probability:
        return None
    return Sample(
        site_id=study.site_id,
        study_id=study.pk,
        revision=study.revision,
        flagged=study.flagged,
        probability=probability,
        # Not of the revision: a study that was drawn stays drawn when a late picture comes.
        drawn=chance(site.draw_key, PURPOSE, study.pk) < probability,
        open_before=open_before,
    )


def _probability(study: Study, site: Site) -> float:
    if not study.flagged:
        return 1.0 if site.blinded_since and site.reads == Reads.ALL else site.sample_share
    # Where the whole site is blinded, every flagged study is read blinded: there is nothing to draw.
    return 0.0 if site.blinded_since or not site.sample_share else site.mixed_share


def _key(row: Sample) -> UUID:
    return row.study_id


def _draft(row: Sample) -> Draft:
    detail = {"probability": row.probability, "revision": row.revision, "flagged": row.flagged}
    action = "study:sample_drawn" if row.drawn else "study:sample_not_drawn"
    return Draft(ChainKind.STUDY, row.study_id, row.site_id, action, detail)
