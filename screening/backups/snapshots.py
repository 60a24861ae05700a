"""What a database holds at one moment, asked in SQL that both engines know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from screening.backups.blobs import folder_name

Ask = Callable[[str], Sequence[tuple[Any, ...]]]
OURS: Final = "users_site"  # every database of ours has this table
TABLES: Final = {
    "sites": OURS,
    "users": "users_user",
    "uploads": "uploads_upload",
    "items": "uploads_item",
    "studies": "studies_study",
    "images": "studies_image",
    "screenings": "results_screening",
    "answers": "review_review",
    "events": "audit_auditevent",
}
WAITING: Final = (  # files and zips whose bytes lie under incoming/, which no backup holds
    "SELECT (SELECT count(*) FROM uploads_item WHERE incoming <> '') + "
    "(SELECT count(*) FROM uploads_archive WHERE state IN ('receiving', 'received', 'expanding'))"
)


def ask(question: str) -> list[tuple[Any, ...]]:
    """Ask the service's own database."""
    with connection.cursor() as cursor:
        cursor.execute(question)
        return list(cursor.fetchall())


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What was in the database when it was copied."""

    migrations: dict[str, str]  # the last one of each app
    rows: dict[str, int]
    waiting: int  # files and zips without an outcome, or to be tried again
    blobs: list[str]  # folders that its pictures name, in order


def read(asked: Ask) -> Snapshot:
    """Ask a database, or a copy of one, within one transaction."""
    return Snapshot(
        migrations={str(app): str(name) for app, name in asked("SELECT app, name FROM django_migrations ORDER BY id")},
        rows=count(asked),
        waiting=int(asked(WAITING)[0][0]),
        blobs=sorted(
            folder_name(UUID(str(site)), str(sha256))
            for site, sha256 in asked("SELECT DISTINCT site_id, sha256 FROM studies_image")
        ),
    )


def count(asked: Ask) -> dict[str, int]:
    """Count the rows of the tables that matter."""
    return {word: int(asked(f"SELECT count(*) FROM {table}")[0][0]) for word, table in TABLES.items()}  # noqa: S608 - names of ours
