"""What an endpoint is told: identifiers, a state, a change number and links. No score, no path, no name."""

import json
from typing import Any

from django.urls import reverse

from ml.vocabulary import DISCLAIMER
from screening.addresses import public_address
from screening.outbox.models import Delivery, EventKind


def body_of(delivery: Delivery) -> bytes:
    """The JSON of an event: the same bytes at every try."""
    told: dict[str, Any] = {
        "id": str(delivery.pk),
        "type": delivery.kind,
        "created_at": delivery.created_at.isoformat(),
        "site": str(delivery.endpoint.site_id),
        "data": _data(delivery),
        "disclaimer": DISCLAIMER,
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _data(delivery: Delivery) -> dict[str, Any]:
    if delivery.kind == EventKind.UPLOAD_FINISHED:
        return _upload(delivery)
    return _test(delivery) if delivery.kind == EventKind.TEST else _study(delivery)


def _test(delivery: Delivery) -> dict[str, Any]:
    links = {"webhook": public_address(reverse("api:webhook", args=[delivery.subject]))}
    return {"webhook": str(delivery.subject), "state": delivery.subject_state, "links": links}


def _upload(delivery: Delivery) -> dict[str, Any]:
    links = {
        "upload": public_address(reverse("api:upload", args=[delivery.subject])),
        "receipt": public_address(reverse("api:receipt", args=[delivery.subject])),
    }
    return {"upload": str(delivery.subject), "state": delivery.subject_state, "links": links}


def _study(delivery: Delivery) -> dict[str, Any]:
    return {
        "study": str(delivery.subject),
        "state": delivery.subject_state,
        "change_number": delivery.change_number,
        "links": {"study": public_address(reverse("api:study", args=[delivery.subject]))},
    }
