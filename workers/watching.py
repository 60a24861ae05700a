"""Wait for an upload's outcomes, and look after the service meanwhile if nobody else does."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, QuerySet

from screening.results.models import PENDING, Screening
from screening.uploads.models import PENDING_ITEMS, Item, Upload, UploadState
from workers.upkeep import DUTIES, look_after

LOOK_SECONDS: Final = 0.25
UPKEEP_SECONDS: Final = 5.0
OWN_DUTIES: Final = tuple(duty for duty in DUTIES if duty[0] != "called")  # the workers of a call look by themselves


class WorkersGone(Exception):
    """The workers that were started for this call have ended; nothing more would happen."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an upload is."""

    state: str
    files: int
    files_done: int
    screenings: int
    screenings_done: int

    @property
    def finished(self) -> bool:
        return self.state in {UploadState.FINISHED, UploadState.CANCELLED}


def standing(upload_id: UUID) -> Standing:
    """Count where the files and screenings of an upload stand."""
    items = _by_state(Item.objects.filter(upload_id=upload_id))
    rows = _by_state(Screening.objects.filter(upload_id=upload_id))
    return Standing(
        state=Upload.objects.values_list("state", flat=True).get(pk=upload_id),
        files=sum(items.values()),
        files_done=sum(count for state, count in items.items() if state not in PENDING_ITEMS),
        screenings=sum(rows.values()),
        screenings_done=sum(count for state, count in rows.items() if state not in PENDING),
    )


def watch(upload_id: UUID, shown: Callable[[Standing], None], alive: Callable[[], bool] | None = None) -> Standing:
    """Return once the upload is finished. With `alive`, the service's upkeep is done from here.

    Raises:
        WorkersGone: `alive` said no.
    """
    next_upkeep = time.monotonic()
    while True:
        now = standing(upload_id)
        shown(now)
        if now.finished:
            return now
        if alive is not None:
            if not alive():
                raise WorkersGone
            if time.monotonic() >= next_upkeep:
                look_after(OWN_DUTIES)
                next_upkeep = time.monotonic() + UPKEEP_SECONDS
        time.sleep(LOOK_SECONDS)


def _by_state(rows: QuerySet[Any]) -> dict[str, int]:
    return dict(rows.order_by().values_list("state").annotate(Count("pk")))
