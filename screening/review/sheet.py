"""Everything the study page shows, assembled once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ml.vocabulary import NOT_ASSESSED_TEXT
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import ChainReport, chain_key, verify_chain
from screening.flows.correcting import corrections_of
from screening.results.models import Screening
from screening.results.opinions import Opinion, Score, of_picture, of_study
from screening.results.selectors import study_word
from screening.review.findings import Finding, findings_of
from screening.review.forms import Given
from screening.review.models import Review
from screening.studies.models import Image, Study
from screening.users.models import User
from screening.wording import note

LATEST_EVENTS: Final = 200
_WORDS: Final = {
    "turn_right": gettext_lazy("Turn clockwise and screen again"),
    "turn_around": gettext_lazy("Turn upside down and screen again"),
    "turn_left": gettext_lazy("Turn counter-clockwise and screen again"),
    "invert": gettext_lazy("Invert and screen again"),
}
_CAUSES: Final = {code.value: text for code, text in NOT_ASSESSED_TEXT.items()}


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture with what is known about it."""

    image: Image
    number: int
    notes: tuple[str, ...]
    not_assessed: str
    opinions: tuple[Opinion, ...]

    @property
    def flagged(self) -> bool:
        return any(opinion.word == "flagged" for opinion in self.opinions)

    @property
    def corrections(self) -> tuple[tuple[str, str], ...]:
        """What a reader may have done to a picture that lies wrong: stable names and words."""
        return tuple((name, str(_WORDS[name])) for name in corrections_of(self.image))

    @property
    def lead(self) -> Score | None:
        """The highest of the scores that decide."""
        return max((one.lead for one in self.opinions if one.lead), key=lambda score: score.value, default=None)


@dataclass(frozen=True, slots=True)
class Question:
    """A finding to be answered, with this reader's standing answer and what is marked in the form."""

    finding: Finding
    mine: Review | None
    chosen: str
    reason: str
    box: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One audit event in plain words."""

    at: datetime
    actor: str
    action: str
    seq: int
    detail: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The study page."""

    study: Study
    word: str
    pictures: tuple[Picture, ...]
    opinions: tuple[Opinion, ...]
    questions: tuple[Question, ...]

    @property
    def badge(self) -> str:
        return self.word.replace(" ", "-")

    @property
    def short(self) -> str:
        return str(self.study.pk)[:8]

    @property
    def has_corrected(self) -> bool:
        return any(picture.image.corrects_id for picture in self.pictures)

    @property
    def notes(self) -> tuple[str, ...]:
        """Quality notes of all pictures, each once."""
        return tuple(dict.fromkeys(note for picture in self.pictures for note in picture.notes))

    @property
    def start(self) -> int:
        """Which picture is shown first: the flagged one with the highest score, else the middle one."""
        flagged = [place for place, picture in enumerate(self.pictures) if picture.flagged]
        if not flagged:
            return len(self.pictures) // 2
        return max(flagged, key=lambda place: _height(self.pictures[place]))


def _height(picture: Picture) -> float:
    return picture.lead.value if picture.lead else 0.0


def sheet_of(study: Study, reader: User) -> Sheet:
    """Assemble the page of a study for one reader."""
    screenings = list(
        Screening.objects.filter(study=study, image__superseded=False).select_related("model_version", "image")
    )
    by_image: dict[UUID, list[Screening]] = defaultdict(list)
    for row in screenings:
        by_image[row.image_id].append(row)
    series = list(study.series_results.select_related("model_version"))
    pictures = [
        _picture(image, number, by_image[image.pk])
        for number, image in enumerate(study.images.filter(superseded=False), start=1)
    ]
    return Sheet(
        study=study,
        word=study_word(study),
        pictures=tuple(pictures),
        opinions=tuple(of_study(screenings, series)),
        questions=questions_of(study, reader),
    )


def questions_of(study: Study, reader: User, given: Mapping[str, Given] | None = None) -> tuple[Question, ...]:
    """The findings of a study; marked is what was just given, else the reader's standing answer."""
    standing = study.reviews.filter(reader=reader, superseded_by__isnull=True)
    mine = {review.finding: review for review in standing}
    return tuple(_question(finding, mine.get(finding.slug), given) for finding in findings_of(study))


def _question(finding: Finding, mine: Review | None, given: Mapping[str, Given] | None) -> Question:
    if given is not None:
        one = given.get(finding.slug)
        return Question(finding, mine, one.answer if one else "", one.reason if one else "", one.box if one else "")
    return Question(finding, mine, *((mine.answer, mine.reason, mine.box_text) if mine else ("", "", "")))


def _picture(image: Image, number: int, rows: Sequence[Screening]) -> Picture:
    code = image.not_assessed
    return Picture(
        image=image,
        number=number,
        notes=tuple(text for stored in image.notes if (text := note(stored))),
        not_assessed=_(_CAUSES[code]) if code in _CAUSES else code,
        opinions=tuple(sorted((of_picture(row) for row in rows), key=lambda opinion: opinion.version.name)),
    )


@dataclass(frozen=True, slots=True)
class History:
    """Every answer ever given about a study, and its chain of events."""

    reviews: tuple[Review, ...]
    entries: tuple[Entry, ...]
    chain: ChainReport


def history_of(study: Study) -> History:
    """Read a study's history and prove its chain."""
    reviews = study.reviews.select_related("reader").order_by("-created_at")
    events = AuditEvent.objects.filter(chain=chain_key(ChainKind.STUDY, study.pk)).order_by("-seq")[:LATEST_EVENTS]
    return History(
        reviews=tuple(reviews),
        entries=tuple(_entries(list(events))),
        chain=verify_chain(ChainKind.STUDY, study.pk),
    )


def _entries(events: Sequence[AuditEvent]) -> list[Entry]:
    keys = {event.actor.removeprefix("user:") for event in events if event.actor.startswith("user:")}
    names = dict(User.objects.filter(pk__in=keys).values_list("pk", "username"))
    return [
        Entry(
            at=event.at,
            actor=_who(event.actor, names),
            action=event.action,
            seq=event.seq,
            detail=tuple((str(key), _short(value)) for key, value in event.detail.items()),
        )
        for event in events
    ]


def _who(actor: str, names: dict[int, str]) -> str:
    kind, _colon, key = actor.partition(":")
    if kind == "user" and key.isdecimal():
        return names.get(int(key), _("a former user"))
    return _("the %(service)s service") % {"service": key}


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(_short(part) for part in value)
    return str(value)
