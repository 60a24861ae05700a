"""Where no webhook may go, however it is written, and what an operator opens."""

import ipaddress
import socket
from dataclasses import replace

import pytest

from screening.hooks.addresses import AddressRefused, read_url
from tests.hooks.conftest import STRICT
from workers.outbound.resolving import NameUnknown, allowed_address

NAMES = {
    "private.example": "10.2.3.4",
    "loop.example": "127.0.0.1",
    "metadata.google.internal": "169.254.169.254",
    "six.example": "::1",
    "mapped.example": "::ffff:192.168.1.1",
    "zero.example": "0.0.0.0",
}

TARGETS = [
    # IPv4, in every form that the C library takes
    "https://127.0.0.1/",
    "https://127.255.255.254/",
    "https://2130706433/",  # decimal
    "https://0x7f000001/",  # hexadecimal
    "https://0177.0.0.1/",  # octal
    "https://0x7f.0.0.1/",
    "https://127.1/",  # short
    "https://0/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.31.255.255/",
    "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",  # carrier-grade NAT
    "https://100.100.100.200/",  # metadata of another cloud
    "https://168.63.129.16/",  # a platform address in a public range
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://198.18.0.1/",
    "https://192.88.99.1/",
    # IPv6
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::127.0.0.1]/",  # compatible, RFC 4291
    "https://[64:ff9b::7f00:1]/",  # NAT64
    "https://[64:ff9b:1::a00:1]/",
    "https://[2002:7f00:1::]/",  # 6to4
    "https://[2001:0:7f00:1::]/",  # Teredo
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fd00:ec2::254]/",  # metadata by IPv6
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    # names
    "https://localhost/",
    "https://localhost./",
    *(f"https://{name}/" for name in NAMES),
    # other ways around
    "http://example.org/",
    "ftp://example.org/",
    "file:" + "///etc/passwd",
    "gopher://127.0.0.1:6379/",
    "https://user:password@example.org/",
    "https://example.org@127.0.0.1/",
    "https://example.org:22/",
    "https://example.org:6379/",
    "https://example.org:99999/",
    "https://１２７.0.0.1/",  # noqa: RUF001 - digits of another script, which a resolver may normalise
    "https://127。0。0。1/",
    "https://exam ple.org/",
    "https://example.org\\@127.0.0.1/",
    "https://example.org/\r\nX-Injected: yes",
    "https:///nowhere",
    "https://example.org/#part",
    "https://-example.org/",
    "",
]


@pytest.fixture
def names(monkeypatch):
    """Answer for a few names as a name server would, and for all else as the machine does."""
    ask = socket.getaddrinfo

    def answer(host, port, *words, **more):
        return ask(NAMES.get(host, host), port, *words, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize("url", TARGETS)
def test_no_webhook_goes_to(url, names):
    with pytest.raises(AddressRefused):
        allowed_address(read_url(url, STRICT), STRICT)


def test_there_are_more_than_twenty_five_of_them():
    assert len(set(TARGETS)) == len(TARGETS) > 50


@pytest.mark.parametrize("public", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_a_public_address_is_taken_with_the_port_of_https(public, monkeypatch):
    family = socket.AF_INET6 if ":" in public else socket.AF_INET
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(family, socket.SOCK_STREAM, 6, "", (public, 443))])
    target = read_url("https://ris.example.org/hooks?site=1", STRICT)

    assert allowed_address(target, STRICT) == ipaddress.ip_address(public)
    assert (target.secure, target.port, target.path) == (True, 443, "/hooks?site=1")
    assert target.authority == "ris.example.org"


def test_one_private_address_among_public_ones_refuses_the_name(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in ("93.184.215.14", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    with pytest.raises(AddressRefused):
        allowed_address(read_url("https://both.example/", STRICT), STRICT)


def test_a_name_that_nobody_knows_is_no_refusal(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(NameUnknown):
        allowed_address(read_url("https://nobody.invalid/", STRICT), STRICT)


def test_an_operator_opens_networks_ports_and_plain_http_and_nothing_beside_them():
    rules = replace(STRICT, plain_http=True, ports=(8080,), networks=(ipaddress.ip_network("10.1.0.0/16"),))

    assert read_url("http://10.1.2.3:8080/", rules).authority == "10.1.2.3:8080"
    for url in (
        "http://10.2.0.1:8080/",
        "http://10.1.2.3/",
        "http://[::ffff:10.1.2.3]:8080/",
        "http://127.0.0.1:8080/",
    ):
        with pytest.raises(AddressRefused):
            read_url(url, rules)
