"""One `Idempotency-Key`, one act: a POST that comes twice is done once, and one with another body is refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from screening.api.cursors import short_header
from screening.api.handlers import FIELD, StoredFile
from screening.api.models import NamedRequest
from screening.errors import KeyReused, StillBeingDone
from screening.retrying import again_on_conflict
from screening.users.models import ApiToken

HEADER: Final = "Idempotency-Key"
LONGEST: Final = 120  # characters of a key
KEPT: Final = timedelta(days=1)
LOST: Final = timedelta(minutes=1)  # an act of this age without an answer died with its process
SWEPT: Final = 1000  # old rows at once
Body = dict[str, Any]


class Repeating(StrEnum):
    """What a POST that comes again under its key does."""

    READS = "reads"  # it changes nothing, and nothing of it is kept
    OWN = "own"  # the view sees to it: it keeps the key with what it made
    AGAIN = "again"  # it is done again: twice is once
    TOLD = "told"  # its answer is told again, and nothing is done


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept of an answer to be told again, and how it is told: a secret is in no table."""

    keep: Callable[[Body], Body]
    tell: Callable[[Body], Body]


def repeated(request: Request, how: Repeating, keeping: Keeping, act: Callable[[], Response]) -> Response:
    """Do what a request asks, once for its key.

    Raises:
        KeyReused: the key came before with another address or body, or for another site; nothing is done.
        StillBeingDone: the same request is being worked on.
    """
    key = short_header(request, HEADER, LONGEST)
    if key is None or how in {Repeating.READS, Repeating.OWN}:
        return act()
    name = {"user_id": request.user.pk, "key": key}
    fingerprint = _fingerprint(request)
    if how == Repeating.AGAIN:
        _refuse_another(name, fingerprint)
        answer = act()
        _note(name, fingerprint, answer.status_code)
        return answer
    return _told(name, fingerprint, keeping, act)


def forget_old_requests() -> int:
    """Delete what was kept for a day. How many rows; called again and again it deletes all."""
    old = NamedRequest.objects.filter(created_at__lte=timezone.now() - KEPT).order_by("created_at")
    keys = list(old.values_list("pk", flat=True)[:SWEPT])
    return NamedRequest.objects.filter(pk__in=keys).delete()[0] if keys else 0


def _told(name: dict[str, Any], fingerprint: str, keeping: Keeping, act: Callable[[], Response]) -> Response:
    row = _claimed(name, fingerprint)
    if row.status is not None:
        return Response(keeping.tell(row.body or {}), status=row.status, headers={"Idempotency-Replayed": "true"})
    try:
        answer = act()
    except BaseException:  # nothing was answered: the key is free for another try
        NamedRequest.objects.filter(pk=row.pk).delete()
        raise
    body = json.loads(JSONRenderer().render(answer.data))
    NamedRequest.objects.filter(pk=row.pk).update(status=answer.status_code, body=keeping.keep(body))
    return answer


@again_on_conflict
@transaction.atomic
def _note(name: dict[str, Any], fingerprint: str, status: int) -> None:
    NamedRequest.objects.filter(**name, created_at__lte=timezone.now() - KEPT).delete()
    named = NamedRequest(**name, fingerprint=fingerprint, status=status)
    NamedRequest.objects.bulk_create([named], ignore_conflicts=True)


def _refuse_another(name: dict[str, Any], fingerprint: str) -> None:
    known = NamedRequest.objects.filter(**name, created_at__gt=timezone.now() - KEPT).first()
    if known is not None:
        _require_same(known, fingerprint)


def _require_same(known: NamedRequest, fingerprint: str) -> None:
    if known.fingerprint != fingerprint:
        raise KeyReused("This Idempotency-Key came before with another address or body, or for another site.")


@again_on_conflict
@transaction.atomic
def _claimed(name: dict[str, Any], fingerprint: str) -> NamedRequest:
    """Give the row of the key: with a status if it was answered, else it is the caller's to answer."""
    now = timezone.now()
    NamedRequest.objects.filter(**name, created_at__lte=now - KEPT).delete()
    known = NamedRequest.objects.select_for_update().filter(**name).first()
    if known is None:
        return NamedRequest.objects.create(**name, fingerprint=fingerprint)
    _require_same(known, fingerprint)
    if known.status is None:
        if known.created_at > now - LOST:
            raise StillBeingDone("The same request is being worked on.")
        known.created_at = now
        known.save(update_fields=["created_at"])
    return known


def _fingerprint(request: Request) -> str:
    """Tell two requests apart. Keyed: bodies hold paths, which nobody is to guess from what is kept."""
    files = [one.stored.sha256 for one in request.FILES.getlist(FIELD) if isinstance(one, StoredFile)]
    data = request.data
    if isinstance(data, QueryDict):
        data = {name: values for name, values in data.lists() if name != FIELD}
    http: HttpRequest = request._request  # noqa: SLF001 - DRF's way to Django's own
    asked_at = str(request.auth.site_id) if isinstance(request.auth, ApiToken) else "session"
    parts = [asked_at, http.path, files, data]
    text = json.dumps(parts, sort_keys=True, default=str)
    return salted_hmac("screening.api.repeating", text, algorithm="sha256").hexdigest()
