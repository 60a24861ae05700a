"""What the teacher's page of a set shows."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet
from django.utils.functional import Promise

from screening.audit.models import ChainKind
from screening.audit.services import verify_chain
from screening.classes.labels import HARMLESS, WORDS, Problem
from screening.classes.models import ReadingSet
from screening.classes.selectors import standings
from screening.classes.services import labels_of_upload
from screening.classroom.access import reviewers_of
from screening.classroom.case_sheet import question_of
from screening.results.models import ModelVersion
from screening.review.findings import QUESTIONS
from screening.uploads.models import Upload, UploadState
from screening.users.models import Site

LINES_TOLD: Final = 12  # of one problem


@dataclass(frozen=True, slots=True)
class Told:
    """One kind of problem of a table, and where it is."""

    code: str
    message: Promise
    what_to_do: Promise
    number: int
    lines: tuple[int, ...]
    is_harmless: bool

    @property
    def more(self) -> int:
        return len(self.lines) - LINES_TOLD

    @property
    def shown(self) -> tuple[int, ...]:
        return self.lines[:LINES_TOLD]


def problems_of(problems: Sequence[tuple[int, str]]) -> list[Told]:
    """The problems of a table by kind; lines are those of the file, with its heading as the first."""
    lines: dict[str, list[int]] = defaultdict(list)
    for line, code in problems:
        lines[code].append(line)
    return [
        Told(
            code=code,
            message=WORDS[code][0],
            what_to_do=WORDS[code][1],
            number=len(lines[code]),
            lines=tuple(line for line in lines[code] if line),
            is_harmless=code in HARMLESS,
        )
        for code in Problem
        if code in lines
    ]


def manage_context(found: ReadingSet) -> dict[str, object]:
    """Everything on the page of one set but its forms' problems."""
    told = problems_of(found.problems)
    cases = found.cases.all()
    seated = set(found.seats.values_list("reader_id", flat=True))
    return {
        "set": found,
        "site": found.site,
        "question": question_of(found.finding),
        "cases": cases.count(),
        "present": cases.filter(present=True).count(),
        "problems": told,
        "left_out": sum(one.number for one in told if not one.is_harmless),
        "known": sorted(labels_of_upload(found.upload).values()) if found.is_draft else [],
        "reviewers": [(user, user.pk in seated) for user in reviewers_of(found.site_id)],
        "seated": len(seated),
        "chain": verify_chain(ChainKind.CLASS, found.pk),
        **progress_context(found),
    }


def progress_context(found: ReadingSet) -> dict[str, object]:
    """How far everybody is."""
    told = standings(found)
    return {
        "set": found,
        "site": found.site,
        "standings": told,
        "done": sum(one.is_done for one in told),
    }


def uploads_of(site: Site) -> QuerySet[Upload]:
    """Finished uploads, the latest first."""
    finished = Upload.objects.filter(site=site, state=UploadState.FINISHED, purged_at__isnull=True, quick=False)
    return finished.order_by("-created_at", "pk")


def findings_offered() -> list[tuple[str, str]]:
    """What can be asked: the labels that registered models raise a flag for, with the question in words."""
    labels = {label for version in ModelVersion.objects.defer("card") for label in version.flag_labels}
    ordered = sorted(labels, key=lambda label: (label not in QUESTIONS, label))
    return [(label, f"{label}: {question_of(label)}") for label in ordered]
