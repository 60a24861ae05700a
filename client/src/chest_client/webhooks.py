"""Tell a message of the service from anybody else's: check the signature before anything of it is believed.

A message may come more than once, and in another order than things happened: remember `Event.id`, and read the
study or the upload again by its link or with `Client.results(since=...)`.
"""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chest_client.errors import ClientError

HEADER: Final = "Chest-Signature"
TOLERANCE_SECONDS: Final = 300
LONGEST_HEADER: Final = 1000
SHAPE: Final = re.compile(r"t=([0-9]{1,12})((?:,v1=[0-9a-f]{64}){1,4})")


class BadSignature(ClientError):
    """A message is not what the service sent, or is too old. Answer 400 and do nothing with it."""

    code = "bad_signature"
    message = "The signature does not fit."
    what_to_do = "Check the secret and the clock; drop the message."


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, from a message whose signature fits."""

    id: str  # the same at every try: what was seen before need not be done again
    type: str  # upload.finished, study.ready, study.changed, study.reviewed, webhook.test
    site: str
    created_at: str
    data: Mapping[str, Any]


def verify(
    body: bytes,
    header: str,
    secrets: Sequence[str],
    *,
    tolerance: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> Event:
    """Check a message and give its event.

    Args:
        body: As it was received, byte for byte: parsed and written again it is another message.
        header: The value of `Chest-Signature`.
        secrets: The present one, and the one before it while you change them.
        tolerance: Seconds by which the message may be old, or its clock ahead.
        now: Seconds since 1970; by default the clock.

    Raises:
        BadSignature: no secret fits, the message is too old, or it is none.
        ValueError: no secret was given, or an empty one, with which anybody could sign.
    """
    if isinstance(secrets, str) or not secrets or not all(secrets):
        raise ValueError("give a list of secrets, none of them empty")
    found = SHAPE.fullmatch(header) if len(header) <= LONGEST_HEADER else None
    if found is None:
        raise BadSignature("The header of the signature is not of the form t=...,v1=....")
    told = found[1].encode() + b"." + body
    signatures = [part.removeprefix("v1=") for part in found[2].split(",") if part]
    fits = False
    for secret in secrets:
        expected = hmac.new(secret.encode(), told, hashlib.sha256).hexdigest()
        for signature in signatures:
            # Every pair is compared, in a time that does not depend on where they differ.
            fits |= hmac.compare_digest(expected, signature)
    if not fits:
        raise BadSignature
    if abs((time.time() if now is None else now) - int(found[1])) > tolerance:
        raise BadSignature("The message is older than is tolerated, or from the future.")
    return _event(body)


def _event(body: bytes) -> Event:
    try:
        told = json.loads(body)
        return Event(
            id=str(told["id"]),
            type=str(told["type"]),
            site=str(told["site"]),
            created_at=str(told["created_at"]),
            data=dict(told["data"]),
        )
    except (ValueError, KeyError, TypeError):
        raise BadSignature("The message is signed, and holds no event.") from None
