"""Triggers that keep a class honest on both engines, whoever writes to the database.

Answers and what models had said are never changed or deleted; answers are taken while a set is open and not later;
truth is fixed once a set is open; a set only moves forward. Every migration of these tables calls `lift_triggers`
first and `install_triggers` last: SQLite drops triggers with a table that it rebuilds, and renames none that is named
in another one's.
"""

from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

SETS: Final = "classes_readingset"
SEATS: Final = "classes_seat"
CASES: Final = "classes_case"
ANSWERS: Final = "classes_classanswer"
MODELS: Final = "classes_modelanswer"

_FORWARD: Final = (
    "NEW.id = OLD.id AND NEW.site_id = OLD.site_id AND NEW.upload_id = OLD.upload_id AND NEW.finding = OLD.finding "
    "AND NEW.order_key = OLD.order_key AND (NEW.state = OLD.state OR (OLD.state = 'draft' AND NEW.state IN "
    "('open', 'discarded')) OR (OLD.state = 'open' AND NEW.state = 'revealed'))"
)


def _state(of: str) -> str:
    return f"(SELECT state FROM {SETS} WHERE id = {of})"


def _state_of_case(of: str) -> str:
    joined = f"{SETS} s JOIN {CASES} c ON c.reading_set_id = s.id"
    return f"(SELECT s.state FROM {joined} WHERE c.id = {of})"


def _sqlite(when: str, table: str, says: str, only: str = "") -> str:
    condition = f" WHEN {only}" if only else ""
    return f"BEFORE {when} ON {table}{condition} BEGIN SELECT RAISE(ABORT, '{says}'); END"


def _taken(table: str, *places: str) -> str:
    """Whether an insert would replace a row: INSERT OR REPLACE deletes without firing DELETE triggers."""
    same = " OR ".join(f"({place})" for place in places)
    return f"EXISTS (SELECT 1 FROM {table} WHERE {same})"


KEPT: Final = "what a class answered stays"
TRUTH: Final = "the truth of a set stays"
MOVES: Final = "a set only moves forward"
SHUT: Final = "the set takes no answers"
_NEW_ANSWER: Final = _taken(
    ANSWERS, "id = NEW.id", "case_id = NEW.case_id AND reader_id = NEW.reader_id AND seq = NEW.seq"
)
_NEW_MODEL: Final = _taken(MODELS, "id = NEW.id", "case_id = NEW.case_id AND model_version_id = NEW.model_version_id")
_NEW_CASE: Final = _taken(
    CASES,
    "id = NEW.id",
    "reading_set_id = NEW.reading_set_id AND (study_id = NEW.study_id OR number = NEW.number)",
)

SQLITE: Final = {
    "class_answers_stay": _sqlite("UPDATE", ANSWERS, KEPT),
    "class_answers_kept": _sqlite("DELETE", ANSWERS, KEPT),
    "class_answers_open": _sqlite(
        "INSERT", ANSWERS, SHUT, f"{_state_of_case('NEW.case_id')} IS NOT 'open' OR {_NEW_ANSWER}"
    ),
    "class_models_stay": _sqlite("UPDATE", MODELS, KEPT),
    "class_models_kept": _sqlite("DELETE", MODELS, KEPT),
    "class_models_open": _sqlite(
        "INSERT", MODELS, SHUT, f"{_state_of_case('NEW.case_id')} IS NOT 'open' OR {_NEW_MODEL}"
    ),
    "class_truth_stays": _sqlite("UPDATE", CASES, TRUTH),
    "class_truth_kept": _sqlite("DELETE", CASES, TRUTH, f"{_state('OLD.reading_set_id')} IS NOT 'draft'"),
    "class_truth_begun": _sqlite(
        "INSERT", CASES, TRUTH, f"{_state('NEW.reading_set_id')} IS NOT 'draft' OR {_NEW_CASE}"
    ),
    "class_seats_kept": _sqlite("DELETE", SEATS, KEPT, f"{_state('OLD.reading_set_id')} IS NOT 'draft'"),
    "class_set_forward": _sqlite("UPDATE", SETS, MOVES, f"NOT ({_FORWARD})"),
    "class_set_kept": _sqlite("DELETE", SETS, MOVES),
    "class_set_begun": _sqlite("INSERT", SETS, MOVES, _taken(SETS, "id = NEW.id")),
}


def _function(name: str, says: str, only: str, gives: str) -> str:
    body = f"IF {only} THEN RAISE EXCEPTION '{says}'; END IF; RETURN {gives};"
    return f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"


FUNCTIONS: Final = (
    _function("class_refuse_change", KEPT, "TRUE", "NULL"),
    _function("class_refuse_truth", TRUTH, "TRUE", "NULL"),
    _function("class_refuse_moving", MOVES, "TRUE", "NULL"),
    _function("class_only_open", SHUT, f"{_state_of_case('NEW.case_id')} IS DISTINCT FROM 'open'", "NEW"),
    _function("class_only_new_case", TRUTH, f"{_state('NEW.reading_set_id')} IS DISTINCT FROM 'draft'", "NEW"),
    _function("class_only_old_draft", TRUTH, f"{_state('OLD.reading_set_id')} IS DISTINCT FROM 'draft'", "OLD"),
    _function("class_only_forward", MOVES, f"NOT ({_FORWARD})", "NEW"),
)


def _postgresql(when: str, table: str, function: str, each: str = "ROW") -> str:
    return f"BEFORE {when} ON {table} FOR EACH {each} EXECUTE FUNCTION {function}()"


POSTGRESQL: Final = {
    "class_answers_stay": _postgresql("UPDATE OR DELETE", ANSWERS, "class_refuse_change"),
    "class_answers_open": _postgresql("INSERT", ANSWERS, "class_only_open"),
    "class_answers_no_truncate": _postgresql("TRUNCATE", ANSWERS, "class_refuse_change", "STATEMENT"),
    "class_models_stay": _postgresql("UPDATE OR DELETE", MODELS, "class_refuse_change"),
    "class_models_open": _postgresql("INSERT", MODELS, "class_only_open"),
    "class_models_no_truncate": _postgresql("TRUNCATE", MODELS, "class_refuse_change", "STATEMENT"),
    "class_truth_stays": _postgresql("UPDATE", CASES, "class_refuse_truth"),
    "class_truth_kept": _postgresql("DELETE", CASES, "class_only_old_draft"),
    "class_truth_begun": _postgresql("INSERT", CASES, "class_only_new_case"),
    "class_truth_no_truncate": _postgresql("TRUNCATE", CASES, "class_refuse_truth", "STATEMENT"),
    "class_seats_kept": _postgresql("DELETE", SEATS, "class_only_old_draft"),
    "class_set_forward": _postgresql("UPDATE", SETS, "class_only_forward"),
    "class_set_kept": _postgresql("DELETE", SETS, "class_refuse_moving"),
    "class_set_no_truncate": _postgresql("TRUNCATE", SETS, "class_refuse_moving", "STATEMENT"),
}


def _wanted(connection: BaseDatabaseWrapper) -> dict[str, str]:
    return POSTGRESQL if connection.vendor == "postgresql" else SQLITE


def _table_of(body: str) -> str:
    return next(table for table in (SETS, SEATS, CASES, ANSWERS, MODELS) if f" ON {table} " in body)


def install_triggers(connection: BaseDatabaseWrapper) -> None:
    """Make the tables keep their promises. Safe to call again."""
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
