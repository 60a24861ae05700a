"""`manage.py backup TARGET`: database, blobs and keys in one folder, while the service runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from screening.backups.blobs import Copied
from screening.backups.errors import Refused
from screening.backups.files import private
from screening.backups.manifest import Manifest
from screening.backups.saving import save, still_named


class Command(BaseCommand):
    requires_system_checks = []
    help = "Write database, kept pictures and keys to a new folder. The service may run meanwhile."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("target", type=Path, metavar="TARGET", help="a folder that is not there yet")
        parser.add_argument(
            "--since", type=Path, metavar="OLDER", help="link pictures that have not changed from this older backup"
        )
        parser.add_argument("--with-planes", action="store_true", help="keep planes too, which can be made again")

    def handle(self, *, target: Path, since: Path | None, with_planes: bool, **_: Any) -> None:
        try:
            with private():
                manifest, copied = save(target=target, since=since, planes=with_planes)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        except OSError as problem:
            raise CommandError(
                f"The backup was not completed: {problem.strerror}. Make room or check the disk, then remove what "
                "was written and start again. [not_written]"
            ) from problem
        self._tell(manifest, copied)
        if lost := still_named(copied.missing):
            self.stderr.write("\n".join(f"  gone: {name}" for name in lost))
            raise CommandError(
                f"The backup is complete, but the kept files of {len(lost)} pictures were gone before it: run "
                "`manage.py verify_integrity`. [blobs_missing]"
            )

    def _tell(self, manifest: Manifest, copied: Copied) -> None:
        rows = ", ".join(f"{count} {word}" for word, count in manifest.rows.items())
        self.stdout.write(f"database ({manifest.vendor}): {rows}")
        self.stdout.write(
            f"blobs: {copied.files} files, {copied.linked} of them linked, {copied.bytes} bytes in all; "
            f"keys: {len(manifest.keys)}"
        )
        if manifest.waiting:
            self.stdout.write(
                f"{manifest.waiting} files or zips have no outcome yet: their bytes under incoming/ are in no backup"
            )
        if meanwhile := set(copied.missing) - set(still_named(copied.missing)):
            self.stdout.write(f"{len(meanwhile)} pictures were deleted while the backup was made")
        self.stdout.write(f"complete: {manifest.made_at}")
