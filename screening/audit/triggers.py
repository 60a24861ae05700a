"""Triggers that keep the audit append-only, on both engines.

SQLite drops a table's triggers when Django rebuilds the table, so every migration that
touches these tables calls `install_triggers` last, and readiness fails without them.
"""

from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

EVENTS: Final = "audit_auditevent"
HEADS: Final = "audit_audithead"

# INSERT OR REPLACE deletes without firing DELETE triggers: an insert over a taken place is refused as well.
SQLITE: Final = {
    "audit_no_update": f"BEFORE UPDATE ON {EVENTS} BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END",
    "audit_no_delete": f"BEFORE DELETE ON {EVENTS} BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END",
    "audit_no_replace": (
        f"BEFORE INSERT ON {EVENTS} WHEN EXISTS "
        f"(SELECT 1 FROM {EVENTS} WHERE id = NEW.id OR (chain = NEW.chain AND seq = NEW.seq)) "
        "BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END"
    ),
    "audit_head_stays": f"BEFORE DELETE ON {HEADS} BEGIN SELECT RAISE(ABORT, 'audit heads stay'); END",
    "audit_head_grows": (
        f"BEFORE UPDATE ON {HEADS} WHEN NEW.chain <> OLD.chain OR NEW.seq < OLD.seq "
        "BEGIN SELECT RAISE(ABORT, 'audit heads only grow'); END"
    ),
}
FUNCTIONS: Final = (
    """CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'audit events are append-only'; END $$""",
    """CREATE OR REPLACE FUNCTION audit_head_grows() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN IF NEW.chain <> OLD.chain OR NEW.seq < OLD.seq THEN RAISE EXCEPTION 'audit heads only grow'; END IF;
       RETURN NEW; END $$""",
)
POSTGRESQL: Final = {
    "audit_no_change": f"BEFORE UPDATE OR DELETE ON {EVENTS} FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "audit_no_truncate": f"BEFORE TRUNCATE ON {EVENTS} FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "audit_head_stays": f"BEFORE DELETE ON {HEADS} FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "audit_head_no_truncate": f"BEFORE TRUNCATE ON {HEADS} FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "audit_head_grows": f"BEFORE UPDATE ON {HEADS} FOR EACH ROW EXECUTE FUNCTION audit_head_grows()",
}


def _wanted(connection: BaseDatabaseWrapper) -> dict[str, str]:
    return POSTGRESQL if connection.vendor == "postgresql" else SQLITE


def _table_of(body: str) -> str:
    return HEADS if f"ON {HEADS}" in body else EVENTS


def install_triggers(connection: BaseDatabaseWrapper) -> None:
    """Make the audit append-only. Safe to call again."""
    lift_triggers(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for function in FUNCTIONS:
                cursor.execute(function)
        for name, body in _wanted(connection).items():
            cursor.execute(f"CREATE TRIGGER {name} {body}")


def lift_triggers(connection: BaseDatabaseWrapper) -> None:
    """Take the triggers away: for migrations that go back, and for test databases that are emptied."""
    with connection.cursor() as cursor:
        for name, body in _wanted(connection).items():
            on = f" ON {_table_of(body)}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def triggers_present(connection: BaseDatabaseWrapper) -> bool:
    """Whether every trigger is in place."""
    catalogue = (
        "SELECT tgname FROM pg_trigger WHERE tgname = ANY(%s) AND tgenabled <> 'D'"
        if connection.vendor == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    names = list(_wanted(connection))
    with connection.cursor() as cursor:
        cursor.execute(catalogue, [names] if connection.vendor == "postgresql" else [])
        return set(names) <= {row[0] for row in cursor.fetchall()}
