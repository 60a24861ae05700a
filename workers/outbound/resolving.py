"""From a name to the one address that is called: asked once, every answer checked, and nothing asked again."""

import ipaddress
import socket

from screening.config import WebhookRules
from screening.hooks.addresses import Address, AddressRefused, Target, refuse


class NameUnknown(Exception):
    """No name server knows the host, or none answers."""


def addresses_of(target: Target) -> list[Address]:
    """Every address that the name stands for, in the order of the system's preference.

    Raises:
        NameUnknown: there is none.
    """
    try:
        found = socket.getaddrinfo(target.host.rstrip("."), target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NameUnknown from None
    return [ipaddress.ip_address(place[0]) for *_, place in found]


def allowed_address(target: Target, rules: WebhookRules) -> Address:
    """Choose the address to connect to. One that is not allowed among several refuses them all.

    Raises:
        AddressRefused: an address of the name is not public, and the operator does not allow it.
        NameUnknown: the name has no address.
    """
    found = addresses_of(target)
    if not found:
        raise NameUnknown
    for address in found:
        refuse(address, rules)
    return found[0]


__all__ = ["AddressRefused", "NameUnknown", "addresses_of", "allowed_address"]
