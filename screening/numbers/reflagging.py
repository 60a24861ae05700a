"""Set the flags of past results by the operating points of now: asked for, audited, and done in batches.

A batch is one transaction of some studies; who presses the button again goes on where the last batch ended.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import NotAllowed
from screening.flows.reflagging import reflag
from screening.numbers.errors import AlreadyProposed
from screening.numbers.models import Reflagging
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.results.services import thresholds_of
from screening.retrying import again_on_conflict
from screening.users.models import User
from screening.users.roles import ADMINISTRATORS, holds

AT_ONCE: Final = 200  # rows that a transaction begins with; it takes the whole studies they belong to


def start_reflagging(*, site_id: UUID, version: ModelVersion, days: int, user: User) -> Reflagging:
    """Begin to hold the results of the last days against the operating points of now. No flag changes yet.

    Raises:
        NotAllowed: the user does not administer the site.
        AlreadyProposed: another one for this model version is under way.
    """
    _refuse_strangers(user, site_id)
    try:
        with transaction.atomic():
            now = timezone.now()
            work = Reflagging.objects.create(
                site_id=site_id,
                model_version=version,
                thresholds=thresholds_of(site_ids=[site_id], version=version)[site_id],
                since=now - timedelta(days=days),
                until=now,
                asked_by=user,
            )
            record(Actor.user(user), [_draft(work, "point:reflagging_started")])
    except IntegrityError as error:
        raise AlreadyProposed(_("Flags of %(name)s are being set already.") % {"name": version.name}) from error
    return work


@again_on_conflict
@transaction.atomic
def reflag_some(*, reflagging_id: UUID, user: User) -> Reflagging:
    """Do the next batch. The row says how far it is; `finished_at` is set by the batch that finds nothing more.

    Raises:
        NotAllowed: the user does not administer the site.
    """
    # The studies are locked before this row in no other place: it only keeps two batches of one act apart.
    work = Reflagging.objects.select_for_update(of=("self",)).select_related("model_version").get(pk=reflagging_id)
    _refuse_strangers(user, work.site_id)
    if work.finished_at is not None:
        return work
    actor = Actor.user(user)
    rows = list(_ahead(work).order_by("done_at", "pk").values_list("study_id", "done_at", "pk")[:AT_ONCE])
    done = reflag(
        study_ids={study for study, _, _ in rows},
        version_id=work.model_version_id,
        thresholds=work.thresholds,
        actor=actor,
    )
    work.studies += done.studies
    work.newly_flagged += done.newly_flagged
    work.no_longer_flagged += done.no_longer_flagged
    if rows:
        _, work.reached, work.reached_id = rows[-1]
    if len(rows) < AT_ONCE:
        work.finished_at = timezone.now()
        record(actor, [_draft(work, "point:reflagging_finished")])
    work.save()
    return work


def left_to_reflag(work: Reflagging) -> int:
    """How many results are still ahead."""
    return 0 if work.finished_at else _ahead(work).count()


def _ahead(work: Reflagging) -> QuerySet[Screening]:
    rows = Screening.objects.filter(
        site_id=work.site_id,
        model_version_id=work.model_version_id,
        state=ScreeningState.SCORED,
        done_at__gte=work.since,
        done_at__lte=work.until,
    )
    if work.reached is None:
        return rows
    return rows.filter(Q(done_at__gt=work.reached) | Q(done_at=work.reached, pk__gt=work.reached_id))


def _refuse_strangers(user: User, site_id: UUID) -> None:
    if not holds(user, site_id, ADMINISTRATORS):
        raise NotAllowed(_("Flags of past results are set by administrators of the site."))


def _draft(work: Reflagging, action: str) -> Draft:
    detail = {
        "reflagging": str(work.pk),
        "model": work.model_version.name,
        "thresholds": work.thresholds,
        "since": work.since.isoformat(),
        "studies": work.studies,
        "newly_flagged": work.newly_flagged,
        "no_longer_flagged": work.no_longer_flagged,
    }
    return Draft(ChainKind.SITE, work.site_id, work.site_id, action, detail)
