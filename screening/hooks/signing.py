"""Secrets of endpoints, and what they sign."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from django.utils import timezone

from screening.outbox.models import Endpoint
from screening.users.keys import kept_key, site_key

PREFIX: Final = "whsec_"
HEADER: Final = "Chest-Signature"


class SecretGone(Exception):
    """The key that an endpoint's secrets follow from is gone: it was removed, or its file was lost."""


def fresh_secret(endpoint: Endpoint) -> str:
    """The present secret of an endpoint; the key is made if there is none."""
    site_key(endpoint.pk)
    return secret_of(endpoint, endpoint.generation)


def secret_of(endpoint: Endpoint, generation: int) -> str:
    """The secret of one generation. It is in no table: whoever reads the database alone can sign nothing.

    It follows from a key in a file that is named by the endpoint and lies beside the keys of sites, so that a backup
    brings it; another pseudonym key of the site changes nothing here.

    Raises:
        SecretGone: there is no key, and none is made.
    """
    told = f"webhook:{endpoint.pk}:{generation}".encode()
    try:
        key = kept_key(endpoint.pk)
    except FileNotFoundError:
        raise SecretGone from None
    return PREFIX + hmac.new(key, told, hashlib.sha256).hexdigest()


def secrets_in_force(endpoint: Endpoint) -> list[str]:
    """The present secret, and the one before it while a rotation is under way.

    Raises:
        SecretGone: there is none.
    """
    generations = [endpoint.generation]
    if endpoint.previous_until is not None and endpoint.previous_until > timezone.now():
        generations.append(endpoint.generation - 1)
    return [secret_of(endpoint, generation) for generation in generations]


def signature(body: bytes, *, at: int, secrets: Sequence[str]) -> str:
    """The header: `t=<seconds>,v1=<hex>`, one `v1` for each secret, each HMAC-SHA256 of `<t>.<body>`."""
    told = str(at).encode() + b"." + body
    signed = [hmac.new(secret.encode(), told, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={one}" for one in signed)])
