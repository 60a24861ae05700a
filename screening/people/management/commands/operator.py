"""`manage.py operator NAME`: let somebody run the installation, or end that."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from screening.audit.actor import Actor
from screening.people.operators import set_operator
from screening.users.models import User


class Command(BaseCommand):
    help = "Let a person decide what holds at every site: retire and activate model versions. It opens no site to them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="user name")
        parser.add_argument("--end", action="store_true", help="take the right back")

    def handle(self, *_args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["name"], is_active=True).first()
        if user is None:
            raise CommandError(f"Nobody is named {options['name']}. Invite them to a site first.")
        runs = not options["end"]
        changed = set_operator(user=user, runs=runs, actor=Actor.service("command-line"))
        now = "runs the installation" if runs else "does not run the installation"
        self.stdout.write(f"{user.username} {now}{'' if changed else ', as before'}")
