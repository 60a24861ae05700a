"""`manage.py restore SOURCE`: put a backup back, and say what is not as it was."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from screening.backups.errors import Refused
from screening.backups.files import private, whole_file
from screening.backups.manifest import Manifest
from screening.backups.returning import Returned, check, put_back
from screening.flows.integrity import Violation, find_violations
from screening.flows.integrity_report import line, report
from workers.supervisor.errors import CannotStart
from workers.supervisor.lock import OnlyOne
from workers.supervisor.plan import Places

SHOWN: Final = 20
FULL_REPORT: Final = "restored.txt"


class Command(BaseCommand):
    requires_system_checks = []
    help = (
        "Put a backup back into an empty installation, migrate it to this version and verify it. "
        "Exit status 1 where something is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", type=Path, metavar="SOURCE", help="a folder that `manage.py backup` wrote")
        parser.add_argument(
            "--replace", action="store_true", help="the database is in use: delete all that it holds. Back it up first"
        )

    def handle(self, *, source: Path, replace: bool, **_: Any) -> None:
        try:
            with private():
                manifest = check(source)
                with _no_service():
                    returned = put_back(source, manifest, replace=replace)
                    found = list(find_violations())
                    self._tell(manifest, returned, found)
        except (Refused, CannotStart) as refusal:
            raise CommandError(str(refusal)) from refusal
        if found or returned.blobs.damaged:
            raise CommandError(f"The backup is in place, and {len(found)} violations were found. [not_whole]")

    def _tell(self, manifest: Manifest, returned: Returned, found: Sequence[Violation]) -> None:
        blobs = returned.blobs
        self.stdout.write(f"backup of {manifest.made_at}, software {manifest.software}, {manifest.vendor}")
        self.stdout.write(
            f"blobs: {blobs.files} files put back, {blobs.unchanged} were in place; keys: {len(manifest.keys)}"
        )
        self.stdout.write(f"rows that workers held and that wait again: {returned.reclaimed}")
        if manifest.waiting:
            self.stdout.write(
                f"files and zips without an outcome, whose bytes are in no backup: {manifest.waiting}; "
                "send them again in a new upload"
            )
        self.stdout.write(f"differences: {len(returned.differences)}")
        for difference in returned.differences[:SHOWN]:
            self.stdout.write(f"  {difference}")
        self.stdout.write("\n".join(report(found)))
        full = settings.CONFIG.state_dir / FULL_REPORT
        with whole_file(full) as temporary:
            lines = [*map(str, returned.differences), *map(line, found)]
            temporary.write_text("".join(f"{each}\n" for each in lines))
        self.stdout.write(f"every difference and violation, a line for each: {full}")


@contextmanager
def _no_service() -> Iterator[None]:
    """Keep the service of this state folder from starting meanwhile.

    Raises:
        CannotStart: it runs.
    """
    run = Places(settings.CONFIG.state_dir).run
    run.mkdir(exist_ok=True, mode=0o700)
    with OnlyOne(run / "supervisor.lock", address="the command restore"):
        yield
