"""How a transaction on SQLite waits for its turn to write."""

import sqlite3
import threading
import time
from contextlib import closing

import pytest
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections, transaction

from screening.retrying import again_on_conflict
from screening.sqlite import base

SECONDS = 0.3


@pytest.fixture
def path(tmp_path):
    return tmp_path / "database.sqlite3"


@pytest.fixture
def engine(path, django_db_blocker):
    """A connection of its own to a file of its own, whatever engine the run is on."""
    options = {"transaction_mode": "IMMEDIATE", "timeout": SECONDS, "init_command": "PRAGMA journal_mode=WAL"}
    told = connections.configure_settings({DEFAULT_DB_ALIAS: {"ENGINE": "screening.sqlite", "NAME": str(path)}})
    wrapper = base.DatabaseWrapper(told[DEFAULT_DB_ALIAS] | {"OPTIONS": options}, "a_file")
    connections["a_file"] = wrapper
    with django_db_blocker.unblock():
        with wrapper.cursor() as cursor:
            cursor.execute("CREATE TABLE words (word TEXT)")
        yield wrapper
        wrapper.close()
    del connections["a_file"]


@pytest.fixture
def other(path, engine):
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        yield other


def words(engine):
    with engine.cursor() as cursor:
        cursor.execute("SELECT word FROM words")
        return [word for (word,) in cursor.fetchall()]


def write(engine, word):
    with transaction.atomic(using="a_file"), engine.cursor() as cursor:
        cursor.execute("INSERT INTO words VALUES (%s)", [word])


def test_who_waits_looks_again_at_even_steps_and_writes_once_the_other_has(engine, other, monkeypatch):
    looked = []

    def look(seconds):
        looked.append(seconds)
        if len(looked) == 5:
            other.execute("INSERT INTO words VALUES ('first')")
            other.execute("COMMIT")

    monkeypatch.setattr(base.time, "sleep", look)
    other.execute("BEGIN IMMEDIATE")

    write(engine, "second")

    assert looked == [base.LOOK_SECONDS] * 5
    assert words(engine) == ["first", "second"]


def test_who_never_has_its_turn_gives_up_in_time_and_is_told_so_that_it_is_tried_again(engine, other):
    other.execute("BEGIN IMMEDIATE")
    tries = []

    @again_on_conflict
    def insist():
        tries.append(1)
        if len(tries) == 2:
            other.execute("ROLLBACK")
        write(engine, "late")

    started = time.monotonic()
    with pytest.raises(OperationalError, match="database is locked"):
        write(engine, "never")
    assert time.monotonic() - started >= SECONDS
    insist()

    assert (len(tries), words(engine)) == (2, ["late"])


@pytest.mark.parametrize(
    ("code", "waits"),
    [
        (sqlite3.SQLITE_BUSY, True),
        (sqlite3.SQLITE_BUSY_RECOVERY, True),  # another process reads the log of one that was killed
        (sqlite3.SQLITE_LOCKED_SHAREDCACHE, True),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, False),  # it began to read before the other wrote: nothing to wait for
        (sqlite3.SQLITE_FULL, False),
    ],
)
def test_it_is_waited_for_what_passes_and_for_nothing_else(code, waits):
    assert base._is_taken(code) == waits


def test_waiting_within_a_statement_stays_as_long_as_it_was(engine, other):
    write(engine, "one")
    with engine.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone() == (int(SECONDS * 1000),)


def test_where_statements_are_told_a_begin_is_one_of_them(engine):
    engine.force_debug_cursor = True
    write(engine, "one")

    assert [query["sql"].split()[0] for query in engine.queries] == ["BEGIN", "INSERT", "COMMIT"]


def test_an_error_that_is_no_waiting_is_raised_at_once(engine, monkeypatch):
    monkeypatch.setattr(base.time, "sleep", lambda _: pytest.fail("waited"))
    engine.ensure_connection()
    engine.connection.execute("BEGIN")

    with pytest.raises(OperationalError, match="within a transaction"):
        write(engine, "twice")


def test_many_writers_each_have_their_turn(engine, path):
    def work(number):
        with closing(base.DatabaseWrapper(engine.settings_dict, "a_file")) as own:
            own.ensure_connection()
            for _ in range(20):
                own._start_transaction_under_autocommit()
                own.connection.execute("INSERT INTO words VALUES (?)", [str(number)])
                own.connection.execute("COMMIT")

    engine.settings_dict["OPTIONS"]["timeout"] = 30
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(words(engine)) == sorted(str(number) for number in range(4) for _ in range(20))
