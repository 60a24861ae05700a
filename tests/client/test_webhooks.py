"""A message of the service is known by its signature, and nothing else passes for one."""

import hashlib
import hmac
import json

import pytest

from chest_client.webhooks import BadSignature, verify
from screening.hooks.signing import signature

SECRET, OLD = "whsec_" + "a" * 64, "whsec_" + "b" * 64
NOW = 1_800_000_000
BODY = json.dumps(
    {"id": "e1", "type": "study.ready", "site": "s1", "created_at": "2027-01-15T08:00:00+00:00", "data": {"study": "x"}}
).encode()
SIGNED = signature(BODY, at=NOW, secrets=[SECRET])
V1 = SIGNED.split("v1=")[1]


def test_what_the_service_signs_is_verified():
    event = verify(BODY, SIGNED, [SECRET], now=NOW)

    assert (event.id, event.type, event.site, event.data) == ("e1", "study.ready", "s1", {"study": "x"})
    assert hmac.new(SECRET.encode(), f"{NOW}.".encode() + BODY, hashlib.sha256).hexdigest() == V1


@pytest.mark.parametrize(
    ("signers", "known"),
    [([SECRET], [OLD, SECRET]), ([SECRET, OLD], [OLD]), ([SECRET, OLD], [SECRET])],
    ids=["the receiver knows two", "the receiver still knows the old one", "the receiver knows the new one"],
)
def test_a_rotation_loses_no_message(signers, known):
    assert verify(BODY, signature(BODY, at=NOW, secrets=signers), known, now=NOW).id == "e1"


TAMPERED = {
    "a byte of the body": (BODY.replace(b"ready", b"readz"), SIGNED),
    "a space after the body": (BODY + b" ", SIGNED),
    "an empty body": (b"", SIGNED),
    "the timestamp alone": (BODY, SIGNED.replace(str(NOW), str(NOW + 1))),
    "a digit moved from the timestamp into the body": (BODY[1:], SIGNED),
    "a digit of the signature": (BODY, SIGNED[:-1] + ("0" if SIGNED[-1] != "0" else "1")),
    "a signature cut short": (BODY, SIGNED[:-1]),
    "a signature of nothing": (BODY, f"t={NOW},v1="),
    "no signature": (BODY, f"t={NOW}"),
    "no timestamp": (BODY, f"v1={V1}"),
    "another scheme": (BODY, f"t={NOW},v0={V1}"),
    "two timestamps": (BODY, f"t={NOW},t={NOW},v1={V1}"),
    "capital letters": (BODY, SIGNED.upper()),
    "an empty header": (BODY, ""),
    "a line after the header": (BODY, SIGNED + "\n"),
    "digits of another script": (BODY, SIGNED.replace("1", "\u0661", 1)),
    "a header without end": (BODY, SIGNED + f",v1={'0' * 64}" * 1000),
    "another secret": (BODY, signature(BODY, at=NOW, secrets=[OLD])),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_message_is_refused_with_a_change_of(what):
    body, header = TAMPERED[what]

    with pytest.raises(BadSignature):
        verify(body, header, [SECRET], now=NOW)


@pytest.mark.parametrize(("later", "taken"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)])
def test_an_old_message_and_one_from_the_future_are_refused(later, taken):
    if taken:
        assert verify(BODY, SIGNED, [SECRET], now=NOW + later).id == "e1"
    else:
        with pytest.raises(BadSignature, match="older"):
            verify(BODY, SIGNED, [SECRET], now=NOW + later)


@pytest.mark.parametrize("secrets", [[], [""], [SECRET, ""], SECRET])
def test_verifying_without_a_secret_is_a_mistake_and_no_answer(secrets):
    with pytest.raises(ValueError, match="secrets"):
        verify(BODY, SIGNED, secrets, now=NOW)


def test_signed_nonsense_is_refused_too():
    for body in (b"[]", b"{}", b"\xff", b"null"):
        with pytest.raises(BadSignature):
            verify(body, signature(body, at=NOW, secrets=[SECRET]), [SECRET], now=NOW)
