"""Secrets of endpoints, and what they sign."""

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from screening.outbox.models import Endpoint
from screening.users.keys import site_key

PREFIX: Final = "whsec_"
HEADER: Final = "Chest-Signature"


def secret_of(endpoint: Endpoint, generation: int) -> str:
    """The secret of one generation. It is in no table: whoever reads the database alone can sign nothing.

    It follows from a key in a file that is named by the endpoint and lies beside the keys of sites, so that a backup
    brings it; another pseudonym key of the site changes nothing here.
    """
    told = f"webhook:{endpoint.pk}:{generation}".encode()
    return PREFIX + hmac.new(site_key(endpoint.pk), told, hashlib.sha256).hexdigest()


def forget_key(endpoint_id: UUID) -> None:
    """Delete what an endpoint's secrets follow from: nobody can sign for it any more."""
    (Path(settings.KEY_ROOT) / f"{endpoint_id}.key").unlink(missing_ok=True)


def secrets_in_force(endpoint: Endpoint) -> list[str]:
    """The present secret, and the one before it while a rotation is under way."""
    generations = [endpoint.generation]
    if endpoint.previous_until is not None and endpoint.previous_until > timezone.now():
        generations.append(endpoint.generation - 1)
    return [secret_of(endpoint, generation) for generation in generations]


def signature(body: bytes, *, at: int, secrets: Sequence[str]) -> str:
    """The header: `t=<seconds>,v1=<hex>`, one `v1` for each secret, each HMAC-SHA256 of `<t>.<body>`."""
    told = str(at).encode() + b"." + body
    signed = [hmac.new(secret.encode(), told, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={one}" for one in signed)])
