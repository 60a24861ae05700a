"""One connection to a checked address, against real receivers."""

import socket
import time
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_network

import pytest

from tests.hooks.conftest import LOOPBACK
from tests.hooks.receivers import make_certificate, receiving, reply
from workers.outbound import posting
from workers.outbound.posting import NotTaken, Poster

HEADERS = {"Content-Type": "application/json"}


def post(url, rules) -> int:
    with closing(Poster(url, rules)) as poster:
        return poster.post(b"{}", HEADERS)


def refusal_of(url, rules) -> NotTaken:
    with pytest.raises(NotTaken) as refused:
        post(url, rules)
    return refused.value


def resolve(monkeypatch, *answers: str) -> list[str]:
    """Give these addresses to one question after another, the last to all that follow; the names asked are returned.

    Numeric hosts are answered by themselves, as the system does without asking anybody.
    """
    asked: list[str] = []

    def answer(host, port, *_, **__):
        if not host[0].isdigit():
            asked.append(host)
        address = host if host[0].isdigit() else answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def test_several_events_travel_over_one_connection(receiver, allow):
    poster = Poster(receiver.url(path="/hooks?x=1"), allow(receiver))

    statuses = [poster.post(body, HEADERS) for body in (b"one", b"two", b"three")]
    poster.close()

    assert statuses == [200, 200, 200]
    assert [one.body for one in receiver.came] == [b"one", b"two", b"three"]
    assert {one.path for one in receiver.came} == {"/hooks?x=1"}
    assert {one.headers["host"] for one in receiver.came} == {f"127.0.0.1:{receiver.port}"}
    assert receiver.connections == 1


def test_a_name_that_changes_its_address_between_check_and_connection_gains_nothing(receiver, allow, monkeypatch):
    """The first answer is allowed; a later one would be the metadata address. Nothing asks for a later one."""
    asked = resolve(monkeypatch, "127.0.0.1", "169.254.169.254")
    dialled: list[str] = []
    connect = socket.socket.connect
    monkeypatch.setattr(
        socket.socket, "connect", lambda self, place: (dialled.append(place[0]), connect(self, place))[1]
    )

    post(receiver.url("rebind.example"), allow(receiver))

    assert dialled == ["127.0.0.1"]
    assert asked == ["rebind.example"]
    assert receiver.came[0].headers["host"] == f"rebind.example:{receiver.port}"


def test_a_name_that_turns_private_is_refused_at_its_next_connection(receiver, allow, monkeypatch):
    rules = replace(allow(receiver), networks=(ip_network("127.0.0.1/32"),))
    receiver.answer = lambda handler: reply(handler, 200, Connection="close")
    poster = Poster(receiver.url("rebind.example"), rules)
    asked = resolve(monkeypatch, "127.0.0.1", "127.0.0.2")

    poster.post(b"{}", HEADERS)
    with pytest.raises(NotTaken) as refused:
        poster.post(b"{}", HEADERS)

    assert refused.value.problem == "address_refused"
    assert asked == ["rebind.example"] * 2
    assert len(receiver.came) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_nowhere(status, receiver, allow):
    with receiving() as inner:
        receiver.answer = lambda handler: reply(handler, status, Location=inner.url(path="/latest/meta-data/"))
        refused = refusal_of(receiver.url(), allow(receiver, inner))

        assert (refused.problem, refused.answered) == ("redirected", status)
        assert inner.connections == 0


def test_no_proxy_of_the_environment_is_asked(receiver, allow, monkeypatch):
    with receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(path=""))
        post(receiver.url(), allow(receiver))

        assert (len(receiver.came), proxy.connections) == (1, 0)


@pytest.mark.parametrize("status", [400, 403, 410, 429, 500, 503])
def test_every_status_but_success_is_told(status, receiver, allow):
    receiver.answer = lambda handler: reply(handler, status, b"why: secret words")

    refused = refusal_of(receiver.url(), allow(receiver))

    assert (refused.problem, refused.answered) == ("not_accepted", status)


def test_an_endless_answer_is_not_read(receiver, allow):
    sent = []

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(4000):
            handler.wfile.write(b"x" * 65536)
            sent.append(65536)

    receiver.answer = endless
    started = time.monotonic()

    status = post(receiver.url(), allow(receiver))

    assert status == 200
    assert time.monotonic() - started < 5
    assert sum(sent) < 64 * 1024 * 1024


@pytest.mark.parametrize("slow_part", ["headers", "body"])
def test_a_receiver_that_drips_does_not_stretch_the_deadline(slow_part, receiver, allow, monkeypatch):
    monkeypatch.setattr(posting, "DEADLINE_SECONDS", 0.8)
    monkeypatch.setattr(posting, "READ_SECONDS", 0.5)

    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        handler.wfile.write(b"Content-Length: 1000\r\n\r\n" if slow_part == "body" else b"X-Drip: ")
        for _ in range(100):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.1)

    receiver.answer = drip
    started = time.monotonic()

    refused = refusal_of(receiver.url(), allow(receiver))

    assert refused.problem == "too_slow"
    assert time.monotonic() - started < 3


def test_a_receiver_that_says_nothing_is_left(receiver, allow, monkeypatch):
    monkeypatch.setattr(posting, "READ_SECONDS", 0.3)
    receiver.answer = lambda _: time.sleep(2)

    assert refusal_of(receiver.url(), allow(receiver)).problem == "too_slow"


def test_nobody_there_and_no_http_are_told_apart(allow, receiver):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rules = replace(allow(receiver), ports=(port, receiver.port))
    receiver.answer = lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")

    assert refusal_of(f"http://127.0.0.1:{port}/", rules).problem == "not_reached"
    assert refusal_of(receiver.url(), rules).problem == "cut_off"


def test_https_checks_the_certificate_against_the_name_though_the_address_is_pinned(tmp_path, allow, monkeypatch):
    certificate = make_certificate(tmp_path, "hooks.example")
    resolve(monkeypatch, "127.0.0.1")
    with receiving(certificate=certificate) as secure:
        trusted = allow(secure, ca=certificate)

        assert post(secure.url("hooks.example"), trusted) == 200
        assert refusal_of(secure.url("other.example"), trusted).problem == "certificate_refused"
        assert refusal_of(secure.url("127.0.0.1"), trusted).problem == "certificate_refused"
        assert refusal_of(secure.url("hooks.example"), allow(secure)).problem == "certificate_refused"
        assert len(secure.came) == 1


def test_nothing_is_sent_to_a_name_that_is_not_allowed(receiver, allow, monkeypatch):
    rules = allow(receiver, networks=())
    resolve(monkeypatch, "127.0.0.1")

    assert refusal_of(receiver.url("localhost"), rules).problem == "address_refused"
    assert LOOPBACK not in rules.networks
    assert receiver.connections == 0
