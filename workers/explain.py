"""Heat maps: where a model looked, drawn one by one when no screening waits for the device."""

import time
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError

from ml.explain.drawing import HeatMap, draw, map_key
from ml.explain.parts import scores_without_parts
from screening.errors import LeaseLost
from screening.faultpoints import reach
from screening.flows.explained import Drawn, files_of, record_explanations
from screening.leasing import Lease, begin
from screening.queue import Call, app
from screening.results.explanations import claim_explanations, next_version, release_explanations
from screening.results.leases import lanes_with_work
from screening.results.models import Explanation, ExplanationState
from screening.store.errors import StoreAway
from screening.uploads.kept import at_hand, is_kept
from screening.uploads.storage import blob_folder
from workers.agreement import end_if_it_departs
from workers.crew import PROGRESS, Crew, Stop
from workers.device import DEVICE
from workers.engine import ENGINE, EXPLAINERS, ModelUnavailable
from workers.inference import MODEL_UNAVAILABLE
from workers.keeper import keeping
from workers.planes import load_planes
from workers.replacing import replace_file
from workers.reporting import milliseconds, report

log = structlog.get_logger(__name__)

AT_ONCE: Final = 4  # maps: a batch of screenings waits for the device no longer than one of them takes
PLANE_MISSING: Final = "plane_missing"
PREVIEW_MISSING: Final = "preview_missing"
NOT_DRAWN: Final = "not_drawn"


@app.task(name=str(Call.EXPLAIN_NEXT_BATCH))
def explain_next_batch() -> None:
    """Draw what is due. Safe to deliver twice or to die halfway."""
    CREW.call()


def explain_somewhere(stop: Stop) -> bool:
    """Draw some maps of one model; while a screening waits, one that a person asked for. Whether there were any."""
    busy = bool(lanes_with_work())
    version = next_version(asked_only=busy)
    if version is None or stop.is_set():
        return False
    lease, rows = claim_explanations(model_version_id=version, limit=1 if busy else AT_ONCE, asked_only=busy)
    if not rows:
        return False
    reach("explain.claimed")
    with keeping(Explanation, lease, (row.screening.upload_id for row in rows)):
        try:
            _explain(lease, rows, stop)
        except LeaseLost:
            log.warning("lease_lost", rows=len(rows))
        except StoreAway as away:  # drawn or not, nothing was recorded, and no attempt counts
            release_explanations(lease)
            log.warning("maps_wait_for_store", rows=len(rows), code=away.code)
            return False
        except (OSError, DatabaseError):  # a full disk, a database that is away: nothing of the picture
            release_explanations(lease)
            raise
    return True


def _explain(lease: Lease, rows: list[Explanation], stop: Stop) -> None:
    drawing = _Drawing(lease, rows[0].model_version_id)
    drawn = {}
    started = time.perf_counter()
    for row in rows:
        if stop.is_set():
            break
        PROGRESS.note()
        drawn[row.pk] = _drawn(row, drawing)
    draw_ms, started = milliseconds(started), time.perf_counter()
    if drawn:
        record_explanations(lease=lease, drawn=drawn)
        model = rows[0].model_version.name
        spent = {"draw_ms": draw_ms, "commit_ms": milliseconds(started)}
        log.info("batch_done", lane="heat_maps", model=model, size=len(drawn), **spent)
    release_explanations(lease)  # of what the end of this worker left undone
    reach("explain.committed")


class _Drawing:
    """One model on some leased maps. Computing begins, and counts, with the first that is computed."""

    def __init__(self, lease: Lease, version: UUID) -> None:
        self._lease = lease
        self._version = version
        self._begun = False

    def draw(self, row: Explanation, plane: bytes, preview: bytes) -> tuple[HeatMap, dict[str, float]]:
        """Compute a map and what is left of the score without parts of the picture.

        Raises:
            ModelUnavailable: the bundle is not what was registered.
            LeaseLost: the lease ran out before anything was computed.
        """
        explainer, scorer = EXPLAINERS.get(self._version), ENGINE.get(self._version)  # loaded outside the lock
        with DEVICE:
            if not self._begun and not begin(Explanation, self._lease):
                raise LeaseLost("The lease on these heat maps ran out before they were begun.")
            self._begun = True
            reach("explain.begun")
            heat = draw(explainer, plane, label=row.label, preview=preview)
            if not row.alone:  # a death counts against a suspect, so nothing else computes until its end
                DEVICE.let_pass()  # to urgent rows, which wait for one of the two no longer than need be
                PROGRESS.note()
            altered = scores_without_parts(scorer, plane, label=row.label)
            end_if_it_departs(scorer, suspect=self._lease if row.alone else None)
            return heat, altered


def _drawn(row: Explanation, drawing: _Drawing) -> Drawn:
    image = row.screening.image
    row.key = map_key(plane_sha256=image.plane_sha256, model_sha256=row.screening.model_sha256, label=row.label)
    known = _known(row)
    if known is not None:
        return known
    [plane] = load_planes([image])
    if plane is None:
        return Drawn(code=PLANE_MISSING)
    try:
        preview = at_hand(blob_folder(image.site_id, image.sha256) / f"{image.frame}.jpg").read_bytes()
    except FileNotFoundError:
        return Drawn(code=PREVIEW_MISSING)
    try:
        heat, altered = drawing.draw(row, plane, preview)
    except ModelUnavailable:
        return Drawn(code=MODEL_UNAVAILABLE)
    except (LeaseLost, StoreAway, OSError, DatabaseError):
        raise
    except Exception as problem:  # noqa: BLE001 - what a model raises on one picture is its own, and is recorded
        report("map_not_drawn", problem, explanation=str(row.pk))
        return Drawn(code=NOT_DRAWN)
    return _kept(row, heat, altered)


def _known(row: Explanation) -> Drawn | None:
    """The same map of the same plane, drawn earlier: its files are named by what they were drawn from."""
    same = Explanation.objects.filter(site_id=row.site_id, key=row.key, state=ExplanationState.DRAWN)
    earlier = same.exclude(pk=row.pk).first()
    if earlier is None or not all(map(is_kept, files_of(row))):
        return None
    return Drawn(
        key=row.key, method=earlier.method, field=earlier.field, outside=earlier.outside, altered=earlier.altered
    )


def _kept(row: Explanation, heat: HeatMap, altered: dict[str, float]) -> Drawn:
    reach("explain.drawn")
    for path, data in zip(files_of(row), (heat.raw_png, heat.overlay_jpeg), strict=True):
        replace_file(path, data)
        reach("explain.kept")
    return Drawn(key=row.key, method=heat.method, field=heat.field, outside=heat.outside, altered=altered)


CREW: Final = Crew("explain", explain_somewhere, poll=settings.CONFIG.poll_seconds)
