from collections.abc import Iterator
from pathlib import Path

import pytest

from screening.store import objects as module
from screening.store.objects import Objects, objects
from screening.users import keys
from tests.store.server import KEYS, Gate, empty, s3_server
from tests.stores import stores
from tests.workers.conftest import end_decoders, noop, site, staff, upload_of

__all__ = ["end_decoders", "noop", "site", "staff", "stores", "upload_of"]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(scope="session")
def only_gate(server: str) -> Iterator[Gate]:
    gate = Gate(server)  # one for all tests, and so one client: making one takes half a second
    yield gate
    gate.close()


@pytest.fixture
def gate(only_gate: Gate) -> Gate:
    only_gate.open()
    return only_gate


@pytest.fixture
def prefix(server: str) -> Iterator[str]:
    """Give a prefix below which nothing lies, before the test and after it."""
    yield "a/prefix"
    empty(server)


@pytest.fixture
def store(gate: Gate, prefix: str, stores: Path, settings, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """Let this process keep its files in the server, below a prefix of this test's own."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(module.CLIENT, "retries", {"mode": "standard", "total_max_attempts": 1})
    monkeypatch.setattr(keys, "_remembered", {})
    settings.STORE, settings.CACHE_ROOT = gate.address(prefix), stores / "cache"
    found = objects()
    assert found is not None
    return found
