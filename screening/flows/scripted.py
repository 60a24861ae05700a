"""The script of a sandbox answers what is tried again there: no worker does, and nothing may wait for ever."""

from datetime import timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from screening import leasing
from screening.audit.actor import Actor
from screening.errors import LeaseLost
from screening.flows.scored import record_outcomes
from screening.results.leases import MOST_ROWS, SCRIPTED
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.studies.values import ModelIdentity, ScreenOutcome

SCRIPT: Final = Actor.service("sandbox")
QUIET: Final = ScreenOutcome(kind="scored", scores={"covid": 0.04, "other": 0.96})
MAKING: Final = timedelta(minutes=10)  # for which a sandbox that is being made says its own outcomes


def identity_of(version: ModelVersion) -> ModelIdentity:
    """Give what a result of the script carries: no device computed it."""
    return ModelIdentity(name=version.name, sha256=version.sha256, runtime="script", precision="none")


def answer_scripted() -> int:
    """Say "not flagged" of every picture that waits for the script. How many. The reconciler's part."""
    done = 0
    for version in ModelVersion.objects.filter(slug=SCRIPTED):
        waiting = Screening.objects.filter(model_version=version, state=ScreeningState.WAITING)
        if version.active:
            waiting = waiting.filter(created_at__lt=timezone.now() - MAKING)
        while said := _answer(version, waiting):
            done += said
    return done


def _answer(version: ModelVersion, waiting: QuerySet[Screening]) -> int:
    lease, rows = leasing.claim(waiting, limit=MOST_ROWS, seconds=60, state=ScreeningState.LEASED)
    if not rows:
        return 0
    leasing.begin(Screening, lease)
    outcomes = {row.pk: QUIET for row in rows}
    try:
        return record_outcomes(lease=lease, model=identity_of(version), outcomes=outcomes, timings={}, actor=SCRIPT)
    except LeaseLost:  # cancelled in between
        return 0
