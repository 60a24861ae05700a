"""Prove that nothing was lost, doubled or changed."""

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from screening.flows.integrity import CHECKS, find_violations

SHOWN = 20


class Command(BaseCommand):
    help = "Check sums, outcomes, audit chains and blobs; exit 1 and name what is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
        parser.add_argument("--no-blobs", action="store_true", help="do not look for kept files")

    def handle(self, *_: Any, **options: Any) -> None:
        found = list(find_violations(blobs=not options["no_blobs"]))
        counts = Counter(violation.check for violation in found)
        if options["json"]:
            body = {"checks": {name: counts[name] for name in CHECKS}, "violations": len(found)}
            self.stdout.write(json.dumps(body))
        else:
            for name in CHECKS:
                self.stdout.write(f"{name:10} {counts[name] or 'ok'}")
            for violation in found[:SHOWN]:
                self.stdout.write(f"  {violation.check}: {violation.subject}: {violation.what}")
        if found:
            raise CommandError(f"{len(found)} violations found.")
