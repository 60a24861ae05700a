"""Which addresses a webhook may go to: a service that calls what it is told must not become a door to its own network.

What is refused here is refused before anything is sent, by whoever asks: the page when an address is typed, the
worker for every address that the name stands for, each time.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import urlsplit

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazily

from screening.config import WebhookRules
from screening.errors import ScreeningError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST_URL: Final = 500
HOST_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*\.?\Z"
)
# Public by their registration, and still not other people's servers.
REFUSED: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598; also the metadata of Alibaba Cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # the platform address of Azure, within a public range
        "169.254.0.0/16",  # link-local, RFC 3927: the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks, RFC 2544
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "2001::/23",  # protocol assignments, RFC 2928: Teredo, ORCHID and their like
        "2001:db8::/32",
        "2002::/16",  # 6to4, RFC 3056: an IPv4 address in disguise
        "3fff::/20",  # documentation, RFC 9637
    )
)
GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")  # RFC 4291: mapped, NAT64 and local addresses lie outside


class AddressRefused(ScreeningError):
    """A webhook was to go where none may go."""

    code: ClassVar[str] = "address_refused"
    what_to_do: ClassVar[str | Promise] = lazily(
        "Name a public https address of your own, or ask the operator to allow its network."
    )


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL in its parts."""

    secure: bool
    host: str  # a name, or an address without brackets
    port: int
    path: str  # with its query

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def read_url(url: str, rules: WebhookRules) -> Target:
    """Take a URL apart and refuse what can be refused without asking a name server.

    Raises:
        AddressRefused: another scheme, a user name, a port that is not allowed, a host in a form that is not plain.
    """
    if len(url) > LONGEST_URL or re.search(r"[^\x21-\x7e]|[\\^`{|}<>\"]", url):
        raise AddressRefused(
            _("An address is at most %(n)s printable ASCII characters without spaces.") % {"n": LONGEST_URL}
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused(_("This is not an address.")) from None
    schemes = ("https", "http") if rules.plain_http else ("https",)
    if parts.scheme not in schemes:
        raise AddressRefused(
            _("An address begins with %(schemes)s.") % {"schemes": _(" or ").join(f"{one}://" for one in schemes)}
        )
    if "@" in parts.netloc or parts.fragment:
        raise AddressRefused(_("An address holds no user name, no password and no fragment."))
    port = port if port is not None else (443 if parts.scheme == "https" else 80)
    if port not in rules.ports:
        raise AddressRefused(_("Port %(port)s is not among those that are allowed.") % {"port": port})
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme == "https", _host(parts.hostname or "", rules), port, path)


def _host(host: str, rules: WebhookRules) -> str:
    literal = _literal(host)
    if literal is not None:
        refuse(literal, rules)
        return str(literal)
    if not HOST_NAME.fullmatch(host) or _is_odd_number(host):
        raise AddressRefused(_("The host is a name, four decimal numbers, or an IPv6 address in brackets."))
    return host


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_odd_number(host: str) -> bool:
    """Whether the C library takes it for an IPv4 address: one number, octal, hexadecimal, or fewer than four parts."""
    try:
        socket.inet_aton(host.rstrip("."))
    except OSError:
        return False
    return True


def refuse(address: Address, rules: WebhookRules) -> None:
    """Refuse an address that is not public, unless the operator allows its network.

    Raises:
        AddressRefused: private, loopback, link-local, multicast, reserved, translated, or a cloud's own.
    """
    if getattr(address, "scope_id", None) is not None:
        raise AddressRefused(_("An address names no interface."))
    if any(address in network for network in rules.networks if network.version == address.version):
        return
    local = any(address in network for network in REFUSED if network.version == address.version)
    if address.version == 6 and address not in GLOBAL_UNICAST:
        local = True
    if local or not address.is_global or address.is_multicast:
        raise AddressRefused(_("This address is not public."))
