"""Prove that nothing was lost, doubled or changed."""

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from screening.flows.integrity import CHECKS, find_violations
from screening.flows.integrity_report import report


class Command(BaseCommand):
    help = "Check sums, outcomes, audit chains and blobs; exit 1 and name what is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
        parser.add_argument("--no-blobs", action="store_true", help="do not look for kept files")

    def handle(self, *_: Any, **options: Any) -> None:
        found = list(find_violations(blobs=not options["no_blobs"]))
        if options["json"]:
            counts = Counter(violation.check for violation in found)
            body = {"checks": {name: counts[name] for name in CHECKS}, "violations": len(found)}
            self.stdout.write(json.dumps(body))
        else:
            self.stdout.write("\n".join(report(found)))
        if found:
            raise CommandError(f"{len(found)} violations found.")
