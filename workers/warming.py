"""Load models before anyone waits for them: those that uploads are screened with unless they choose others."""

import threading
from contextlib import suppress

from django.db import connections

from screening.results.models import ModelVersion
from workers.engine import ENGINE, MOST_LOADED, ModelUnavailable
from workers.reporting import report


def start(stop: threading.Event) -> None:
    """Load the default models in a thread of its own. What is asked for meanwhile is loaded beside it."""
    threading.Thread(target=warm, args=(stop,), name="warming", daemon=True).start()


def warm(stop: threading.Event) -> None:
    """Load the newest default models, as many as stay in memory, until asked to stop."""
    try:
        for version in _defaults():
            if stop.is_set():
                return
            with suppress(ModelUnavailable):  # logged there, and said on every picture that asks for it
                ENGINE.get(version.pk)
    except Exception as problem:  # noqa: BLE001 - nobody waits for this thread: what failed is loaded when asked for
        report("models_not_warmed", problem)
    finally:
        connections.close_all()


def _defaults() -> list[ModelVersion]:
    active = ModelVersion.objects.active().order_by("-registered_at")
    return [version for version in active if version.is_default][:MOST_LOADED]
