"""`manage.py dicom_sender`: who may send by C-STORE."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from screening.audit.actor import Actor
from screening.dicomweb.models import DicomSender
from screening.dicomweb.senders import add_sender, remove_sender
from screening.errors import ScreeningError
from screening.users.models import Site, User

OPERATOR = Actor.service("command-line")


class Command(BaseCommand):
    help = "Say which devices and archives may send by C-STORE, from where, and for which site."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        add = acts.add_parser("add", help="let an application entity send")
        add.add_argument("ae_title", metavar="AE_TITLE")
        add.add_argument("network", metavar="NETWORK", help="an address, or a network such as 10.1.2.0/24")
        add.add_argument("--site", required=True, help="name of the site")
        add.add_argument("--user", required=True, help="in whose name uploads are opened; may upload at the site")
        remove = acts.add_parser("remove", help="let it send no more")
        remove.add_argument("ae_title", metavar="AE_TITLE")
        acts.add_parser("list", help="list those that may send")

    def handle(self, *_args: Any, **options: Any) -> None:
        getattr(self, f"_{options['act']}")(options)

    def _add(self, options: dict[str, Any]) -> None:
        site = Site.objects.filter(name=options["site"]).first()
        user = User.objects.filter(username=options["user"]).first()
        if site is None or user is None:
            raise CommandError("There is no such site or no such user.")
        try:
            add_sender(site=site, user=user, ae_title=options["ae_title"], network=options["network"], actor=OPERATOR)
        except ScreeningError as refusal:
            raise CommandError(str(refusal)) from refusal

    def _remove(self, options: dict[str, Any]) -> None:
        sender = DicomSender.objects.filter(ae_title=options["ae_title"]).first()
        if sender is None:
            raise CommandError("No sender has this AE title.")
        remove_sender(sender_id=sender.pk, actor=OPERATOR)

    def _list(self, _options: dict[str, Any]) -> None:
        for sender in DicomSender.objects.select_related("site", "user"):
            self.stdout.write(f"{sender.ae_title}\t{sender.network}\t{sender.site.name}\t{sender.user.username}")
