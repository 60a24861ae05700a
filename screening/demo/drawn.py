"""What study number n of a demo site is, drawn from a seed: the same for the same seed, site and number."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Final
from uuid import UUID

from ml.vocabulary import REFUSALS, Modality, NotAssessed
from screening.results.models import ScreeningState
from screening.review.models import Answer
from screening.uploads.models import ItemState

BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
COMMIT: Final = 32  # studies that became complete at one moment, as a batch does
BETWEEN_COMMITS: Final = timedelta(minutes=5)
POINT: Final = 0.5  # the operating point of every demo model

FLAGGED: Final = 0.06  # parts of the studies
NOT_ASSESSED: Final = 0.04
IN_BOTH: Final = 0.01  # one picture flagged, another without a score
ANSWERED: Final = {True: 0.35, False: 0.05}  # of the flagged and not assessed, and of the rest

WITHOUT_SCORE: Final = (
    *product([ScreeningState.INCONCLUSIVE], NotAssessed),
    (ScreeningState.INCONCLUSIVE, "model_unavailable"),
    (ScreeningState.FAILED, "plane_missing"),
    (ScreeningState.FAILED, "not_finite"),
    (ScreeningState.QUARANTINED, ""),
)
REFUSED: Final = tuple(code for code in REFUSALS if not code.startswith(("archive_", "path_")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of a study, and its outcome."""

    image: UUID
    item: UUID
    sha256: str
    state: ScreeningState
    code: str = ""
    score: float | None = None

    @property
    def flagged(self) -> bool:
        return self.score is not None and self.score >= POINT


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A file that came with a study and became no picture."""

    item: UUID
    sha256: str
    state: ItemState
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoStudy:
    """Everything that is chosen about a study before its rows are made."""

    number: int
    study: UUID
    modality: Modality
    pictures: tuple[Picture, ...]
    beside: tuple[Beside, ...]
    twice: bool  # a second model looked at it
    answer: Answer | None

    @property
    def done_at(self) -> datetime:
        return BEGAN + self.number // COMMIT * BETWEEN_COMMITS

    @property
    def flagged(self) -> bool:
        return any(picture.flagged for picture in self.pictures)

    @property
    def not_assessed(self) -> bool:
        return any(picture.score is None for picture in self.pictures)


def draw(seed: int, site: str, number: int) -> DemoStudy:
    """Draw a study. Of every twenty one is CT; of every thousand one was seen by a second model."""
    dice = Random(f"{seed}/{site}/{number}")  # noqa: S311 - a demo is repeated, not kept secret
    pictures = _pictures(dice, number)
    telling = any(picture.flagged or picture.score is None for picture in pictures)
    return DemoStudy(
        number=number,
        study=key(dice),
        modality=Modality.CT if number % 20 == 9 else Modality.XRAY,
        pictures=pictures,
        beside=_beside(dice, number, pictures[0].sha256),
        twice=number % 1000 == 500,
        answer=_answer(dice, pictures) if dice.random() < ANSWERED[telling] else None,
    )


def key(dice: Random) -> UUID:
    """Draw an identifier as `uuid4` would."""
    return UUID(int=dice.getrandbits(128), version=4)


def _digest(dice: Random) -> str:
    return f"{dice.getrandbits(256):064x}"


def _pictures(dice: Random, number: int) -> tuple[Picture, ...]:
    lot = dice.random()
    if lot < NOT_ASSESSED:
        return (_without_score(dice, number),)
    if lot < NOT_ASSESSED + FLAGGED:
        return (_scored(dice, POINT + (1 - POINT) * dice.betavariate(2, 2)),)
    if lot < NOT_ASSESSED + FLAGGED + IN_BOTH:
        return (_scored(dice, POINT + (1 - POINT) * dice.betavariate(2, 2)), _without_score(dice, number))
    return (_scored(dice, min(POINT * dice.betavariate(1, 6), POINT - 0.001)),)


def _scored(dice: Random, score: float) -> Picture:
    return Picture(
        image=key(dice), item=key(dice), sha256=_digest(dice), state=ScreeningState.SCORED, score=round(score, 4)
    )


def _without_score(dice: Random, number: int) -> Picture:
    state, code = WITHOUT_SCORE[number % len(WITHOUT_SCORE)]
    return Picture(image=key(dice), item=key(dice), sha256=_digest(dice), state=state, code=str(code))


def _beside(dice: Random, number: int, repeated: str) -> tuple[Beside, ...]:
    if number % 40 == 7:
        return (Beside(item=key(dice), sha256=repeated, state=ItemState.DUPLICATE),)
    if number % 40 == 23:
        code = REFUSED[number // 40 % len(REFUSED)]
        return (Beside(item=key(dice), sha256=_digest(dice), state=ItemState.REJECTED, code=code),)
    if number % 400 == 39:
        return (Beside(item=key(dice), sha256=_digest(dice), state=ItemState.NOT_SENT),)
    return ()


def _answer(dice: Random, pictures: tuple[Picture, ...]) -> Answer:
    """Draw what a reader said: mostly what the score suggests, so that confirmed, dismissed and missed all occur."""
    if all(picture.score is None for picture in pictures):
        return Answer.NOT_ASSESSABLE
    likely = Answer.PRESENT if any(picture.flagged for picture in pictures) else Answer.ABSENT
    other = Answer.ABSENT if likely == Answer.PRESENT else Answer.PRESENT
    return dice.choices([likely, other, Answer.UNSURE], [80, 15, 5])[0]
