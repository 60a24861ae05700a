import logging
import os
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ml.models.bundle import list_bundles
from screening.audit.actor import Actor
from screening.errors import ScreeningError
from screening.flows.acts import seal_upload
from screening.flows.naming import unmatched
from screening.flows.offering import open_upload
from screening.flows.offers import MISSING
from screening.flows.receipt import receipt
from screening.flows.references import ReferenceRow, record_references
from screening.flows.tables import read_table
from screening.people.entry import bootstrap
from screening.uploads.models import ChosenModality, GroupBy, Upload
from screening.users.models import Membership, Site, User
from screening.users.roles import UPLOADERS
from workers.oncall import lacking, workers_for
from workers.sending import find, hash_files, is_zip, offer, send, send_zips
from workers.supervisor.plan import Places
from workers.telling import tell, tell_unread, without_outcome, write_csv, write_json, zips_not_taken
from workers.watching import Standing, WorkersGone, watch


class Command(BaseCommand):
    help = "Screen every file of a folder, wait for the outcomes, and say what was flagged."
    requires_system_checks = []  # the pages are not needed here, and loading them takes longer than a second run

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER")
        parser.add_argument("--models", default="", help="names, separated by commas; the defaults, as cards say")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the receipt as JSON")
        parser.add_argument("--csv", type=Path, metavar="FILE", help="write the receipt as CSV")
        parser.add_argument("--site", help="name of the site; by default that of the user")
        parser.add_argument("--user", help="user name; by default the first administrator")
        parser.add_argument("--modality", choices=ChosenModality.values, default=ChosenModality.AUTO)
        parser.add_argument("--group-by", choices=GroupBy.values, default=GroupBy.AUTO, help="what makes a study")
        parser.add_argument(
            "--references", type=Path, metavar="FILE", help="CSV with the columns path, external_id and label"
        )

    def handle(self, *, folder: Path, **options: Any) -> None:
        if not folder.is_dir():
            raise CommandError(f"{folder} is no folder.")
        # Calls that reach no broker are no news here: the workers of the call look for work themselves.
        logging.getLogger("screening.queue").setLevel(logging.ERROR)
        console = Console(file=self.stdout._out, force_terminal=None)  # noqa: SLF001 - the stream under Django's wrapper
        _make_ready()
        try:
            self._screen(folder, console, options)
        except ScreeningError as refusal:
            raise CommandError(f"{refusal} ({refusal.code})") from refusal

    def _screen(self, folder: Path, console: Console, options: dict[str, Any]) -> None:
        user, site = _who(options["user"], options["site"])
        actor = Actor.user(user)
        names = [name.strip() for name in options["models"].split(",") if name.strip()]
        rows = _table(options["references"])
        files, unread = find(folder)
        if not files:
            tell_unread(console, unread, [])
            raise CommandError(f"{folder} holds no files.")
        with _progress(console) as shown:
            zips = [file for file in files if is_zip(file)]
            plain = [file for file in files if not is_zip(file)]
            bar = shown.add_task("hashing", total=len(plain))
            found, broken = hash_files(folder, plain, lambda more: shown.advance(bar, more))
            upload = open_upload(
                site=site,
                user=user,
                name=folder.resolve().name[:200],
                models=names,
                modality=options["modality"],
                group_by=options["group_by"],
            )
            _name(upload, rows, actor, console)
            answers = offer(upload.pk, found, actor)
            missing = [one for one, answer in zip(found, answers, strict=True) if answer.state == MISSING]
            bar = shown.add_task("sending", total=len(missing))
            sent, changed = send(upload.pk, missing, actor, lambda more: shown.advance(bar, more))
            archives, sent_zips, refused = send_zips(folder, upload.pk, zips, actor)
            seal_upload(upload_id=upload.pk, count=None, actor=actor)
            _wait(upload, shown)
        console.print(f"{len(files)} files offered, {sent + sent_zips} bytes sent.", highlight=False)
        upload.refresh_from_db()
        items = list(receipt(upload, with_paths=True))
        unopened = zips_not_taken(upload, archives)
        tell(console, upload, items, unopened)
        if lost := unmatched(upload):
            console.print(f"Side table: {lost} rows name a path that no file has.", highlight=False)
        not_taken = [answer for answer in answers if answer.item is None]
        tell_unread(console, [*unread, *broken, *changed, *refused], not_taken)
        if options["json"]:
            write_json(options["json"], upload, items, unopened)
        if options["csv"]:
            write_csv(options["csv"], upload)
        unsent = [*unread, *broken, *refused]
        if owed := without_outcome(items) + len(unsent) + len(not_taken) + len(unopened):
            raise CommandError(f"{owed} files or results have no outcome. Retry the upload on its page, or run again.")


def _table(path: Path | None) -> list[ReferenceRow]:
    """Read the side table before anything is done."""
    if path is None:
        return []
    try:
        return read_table(path.read_bytes())
    except OSError as problem:
        raise CommandError(f"{path} cannot be read: {problem.strerror}.") from None


def _name(upload: Upload, rows: Sequence[ReferenceRow], actor: Actor, console: Console) -> None:
    for one in record_references(upload_id=upload.pk, rows=rows, actor=actor).refused if rows else ():
        console.print(f"Side table, row {one.row + 1}: {one.message} {one.what_to_do}", highlight=False)


def _wait(upload: Upload, shown: Progress) -> None:
    files, pictures = shown.add_task("reading"), shown.add_task("screening")

    def show(now: Standing) -> None:
        shown.update(files, total=now.files, completed=now.files_done)
        shown.update(pictures, total=now.screenings, completed=now.screenings_done)

    upload.refresh_from_db()
    queues = [] if upload.finished_at else lacking(Places(settings.CONFIG.state_dir))
    environment = dict(os.environ)  # noqa: TID251 - passed on to the children as it is
    with workers_for(queues, settings.CONFIG, environment) as started:
        try:
            watch(upload.pk, show, (lambda: _all_alive(started)) if queues else None)
        except WorkersGone:
            log = Places(settings.CONFIG.state_dir).log
            raise CommandError(f"A worker ended. Read {log}; running again goes on from here.") from None


def _all_alive(started: Sequence[Popen[bytes]]) -> bool:
    return all(process.poll() is None for process in started)


def _make_ready() -> None:
    """On an embedded installation that was never started: its tables, models, first site and administrator."""
    if connection.vendor == "sqlite" and not connection.introspection.table_names():
        call_command("migrate", verbosity=0)
        if models := [str(folder) for folder in list_bundles(settings.CONFIG.model_root)]:
            call_command("register_model", *models)


def _who(username: str | None, site_name: str | None) -> tuple[User, Site]:
    """The user and the site to upload as: those named, else the first administrator's."""
    user = (
        User.objects.filter(username=username).first() if username else bootstrap(site_name=settings.CONFIG.site_name)
    )
    if user is None:
        raise CommandError(f"No user is named {username}.")
    memberships = Membership.objects.filter(user=user, role__in=UPLOADERS).select_related("site").order_by("pk")
    if site_name:
        memberships = memberships.filter(site__name=site_name)
    membership = memberships.first()
    if membership is None:
        raise CommandError("This user may not upload at that site. Name another with --user and --site.")
    return user, membership.site


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
