"""Migrate a scratch database forward, every app one step back, and forward again. Run as a script.

Prints the apps that went back, and whether the audit is append-only at the end.
"""

import sys

import django
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from screening.audit.triggers import triggers_present


def last_two(loader: MigrationLoader, app: str) -> tuple[str, str]:
    """Name the last migration of an app, and the one to go back to."""
    [last] = loader.graph.leaf_nodes(app)
    parents = [parent.key for parent in loader.graph.node_map[last].parents if parent.key[0] == app]
    return last[1], parents[0][1] if parents else "zero"


def main() -> None:
    django.setup()
    call_command("migrate", verbosity=0)
    loader = MigrationLoader(connection)
    apps = sorted({app for app, _ in loader.graph.leaf_nodes() if app in sys.argv[1:]})
    for app in apps:
        last, before = last_two(loader, app)
        call_command("migrate", app, before, verbosity=0)
        print(app, last, "->", before)  # noqa: T201 - read by the test
        call_command("migrate", verbosity=0)
    print("append-only:", triggers_present(connection))  # noqa: T201


if __name__ == "__main__":
    main()
