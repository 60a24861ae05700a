"""Whether the process lives, and whether it can serve. Says no more than that to whoever asks."""

import structlog
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from screening.audit.triggers import triggers_present
from screening.classes import triggers as class_triggers
from screening.migrated import CODE, difference

log = structlog.get_logger(__name__)


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> HttpResponse:
    """The database answers, is of this release, and keeps the audit append-only. The log says which one fails."""
    missing = what_is_missing()
    if missing:
        log.warning("not_ready", missing=missing)
        return JsonResponse({"status": "not ready"}, status=503)
    return JsonResponse({"status": "ready"})


def what_is_missing() -> str:
    """What keeps the service from being ready; empty if nothing does."""
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "migrations"
        if difference().unknown:
            return CODE
        if not triggers_present(connection):
            return "audit triggers"
        return "" if class_triggers.triggers_present(connection) else "class triggers"
    except DatabaseError:
        return "database"
