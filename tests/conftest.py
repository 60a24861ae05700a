"""What every test may ask for: a real broker, a real database in a file, and the environment of a child process."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase

from screening.audit.triggers import install_triggers, lift_triggers
from screening.classes import triggers as class_triggers
from tests.environment import DATABASE_URL, OWN_BROKER, REDIS_URL, SOCKET, STATE
from workers.supervisor.valkey import EmbeddedValkey


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Keep the test database of SQLite in a file: threads and worker processes meet in it, as in the service."""
    if connection.vendor == "sqlite":
        folder = Path(os.environ.get("TEST_SQLITE_FOLDER") or STATE)  # a disk that a test may fill
        connection.settings_dict["TEST"]["NAME"] = str(folder / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def lift_append_only_for_flushes() -> Iterator[None]:
    """Let the flush after a transactional test empty the audit, and forbid it again at once.

    The only place that lifts the triggers: a test body always meets them.
    """
    flush = TransactionTestCase._fixture_teardown

    def lifted(case: TransactionTestCase) -> None:
        lift_triggers(connection)
        class_triggers.lift_triggers(connection)
        try:
            flush(case)
        finally:
            install_triggers(connection)
            class_triggers.install_triggers(connection)

    TransactionTestCase._fixture_teardown = lifted
    yield
    TransactionTestCase._fixture_teardown = flush


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """Run the broker that the settings name, and give its URL; a service named by a variable is used as it is."""
    if not OWN_BROKER:
        if os.environ.get("TEST_REDIS_URL"):  # named for tests: its database is ours to empty, and the next
            redis.Redis.from_url(REDIS_URL).flushdb()
        yield REDIS_URL
        return
    server = EmbeddedValkey(STATE / "valkey", SOCKET, environment=dict(os.environ))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def child_environment() -> Callable[..., dict[str, str]]:
    """Build the variables under which a child process works on the database of this test run."""

    def build(**more: str) -> dict[str, str]:
        return {**os.environ, "DATABASE_URL": database_url_of_tests(), **more}

    return build


def database_url_of_tests() -> str:
    """Give the URL of the database that the tests run on, which is not the one that was named."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(DATABASE_URL)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def real_pictures() -> Path:
    """Give the folder of real pictures, named by SCREENING_TEST_DATA and never part of the checkout."""
    named = os.environ.get("SCREENING_TEST_DATA")
    if not named:
        pytest.skip("needs real pictures: name their folder in SCREENING_TEST_DATA")
    return Path(named)


@pytest.fixture(scope="session")
def state_dir() -> Path:
    assert settings.CONFIG.state_dir == STATE, "a test must never work on the state of a real installation"
    return STATE
