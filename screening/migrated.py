"""Whether the database is of this release: a process of another one must not write into it."""

import pkgutil
from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

CODE: Final = "schema_mismatch"


@dataclass(frozen=True, slots=True)
class Difference:
    """Migrations by `app.name`: those that only the database has, and those that only this release has."""

    unknown: tuple[str, ...]
    missing: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.unknown or self.missing)

    @property
    def what_to_do(self) -> str:
        """What whoever runs the service should do."""
        if self.unknown:
            return "The database is of a later release: start that release here, too, or put a backup back."
        return "The database is of an earlier release: run `manage.py migrate`, then start again."


def known_migrations() -> frozenset[tuple[str, str]]:
    """App and name of every migration of this release. None of them is loaded."""
    found = set()
    for app in apps.get_app_configs():
        package, _ = MigrationLoader.migrations_module(app.label)
        if package is None:
            continue
        try:
            places = import_module(package).__path__
        except ModuleNotFoundError:
            continue
        names = (module.name for module in pkgutil.iter_modules(places) if not module.ispkg)
        found |= {(app.label, name) for name in names if name[0] not in "_~"}
    return frozenset(found)


def difference(known: frozenset[tuple[str, str]] | None = None) -> Difference:
    """Hold what was applied to the database against what this release knows.

    Raises:
        django.db.Error: the database does not answer.
    """
    known = known_migrations() if known is None else known
    applied = frozenset(MigrationRecorder(connection).applied_migrations())
    unknown = {key for key in applied - known if key[0] in _own_apps()}
    return Difference(_named(unknown), _named(known - applied))


def _own_apps() -> frozenset[str]:
    """The apps of this project. Others take away old migrations of theirs at times, which tells of no later release."""
    return frozenset(app.label for app in apps.get_app_configs() if app.name.partition(".")[0] == "screening")


def _named(keys: Collection[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(sorted(f"{app}.{name}" for app, name in keys))
