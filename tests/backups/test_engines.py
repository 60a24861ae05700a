"""The two engines: consistent while others write, and discreet about the password."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import connection, transaction

from screening.audit.actor import Actor
from screening.backups import postgresql, saving
from screening.backups.engines import engine
from screening.backups.errors import Refused
from screening.flows.purge import purge_study
from screening.studies.models import Study
from tests.backups.conftest import back_up
from tests.backups.telling import everything
from tests.factories import SiteFactory


@contextmanager
def writing() -> Iterator[None]:
    """Commit two sites at a time, for as long as the body runs."""
    end = threading.Event()

    def write() -> None:
        try:
            while not end.is_set():
                with transaction.atomic():
                    SiteFactory()
                    SiteFactory()
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        end.set()
        writer.join()


@pytest.mark.django_db(transaction=True)
def test_a_dump_holds_whole_transactions_while_others_write(tmp_path):
    with writing():
        counts = []
        while len(set(counts)) < 4:
            to = tmp_path / f"dump-{len(counts)}"
            to.touch()
            counts.append(engine().dump(to).rows["sites"])

    assert {count % 2 for count in counts} == {0}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("part", [0.5, 0.95])
def test_a_dump_that_ends_early_changes_nothing(served, tmp_path, part):
    before = everything()
    dumped = tmp_path / "dump"
    dumped.touch()
    engine().dump(dumped)
    os.truncate(dumped, int(dumped.stat().st_size * part))

    with pytest.raises(Refused, match="not_loaded"):
        engine().load(dumped)

    assert everything() == before


@pytest.mark.django_db(transaction=True)
def test_what_is_deleted_while_a_backup_is_made_is_told_and_is_no_damage(served, staff, tmp_path, monkeypatch):
    copy_blobs = saving.copy_blobs

    def deleted_first(*args: object, **options: object) -> object:
        purge_study(study_id=Study.objects.order_by("pk").first().pk, actor=Actor.user(staff))
        return copy_blobs(*args, **options)

    monkeypatch.setattr(saving, "copy_blobs", deleted_first)

    assert "1 pictures were deleted while the backup was made" in back_up(tmp_path / "backup")


def test_the_password_is_in_a_private_file_and_on_no_command_line(monkeypatch):
    params = {"dbname": "x", "host": "db", "password": "a:b\\c", "cursor_factory": object, "client_encoding": "UTF8"}
    monkeypatch.setattr(postgresql, "connection", SimpleNamespace(get_connection_params=lambda: params))

    with postgresql._address() as dsn:
        said = dict(word.split("=") for word in dsn.split())
        file = Path(said["passfile"])
        assert file.read_text() == "*:*:*:*:a\\:b\\\\c\n"
        assert file.stat().st_mode & 0o777 == 0o600

    assert set(said) == {"dbname", "host", "client_encoding", "passfile"}
    assert not file.exists()


def test_missing_client_programs_are_named_with_what_to_do(monkeypatch):
    monkeypatch.setattr(postgresql.shutil, "which", lambda name: None if name == "pg_restore" else f"/bin/{name}")

    with pytest.raises(Refused, match=r"not on PATH: pg_restore\..*postgresql-client.*\[client_missing\]"):
        postgresql.ready()


def test_a_setting_that_older_servers_do_not_know_is_left_out_of_the_heading_alone():
    setting = b"SET transaction_timeout = 0;\n"
    script = [b"SET lock_timeout = 0;\n", setting, b"CREATE TABLE x (y text);\n", setting]

    assert list(postgresql.known_settings(script)) == [script[0], *script[2:]]
