"""The page of a study that is hidden from its reader. It reads no result: what is not read cannot leak."""

from collections.abc import Iterable
from dataclasses import dataclass

from screening.review.models import FurtherRead, Review, Stage
from screening.review.reads import opinion_of
from screening.review.sheet import Picture, Sheet, questions_of
from screening.studies.draws import chance
from screening.studies.models import Image, Study
from screening.users.models import User
from screening.wording import note


def blind_sheet_of(study: Study, reader: User) -> Sheet:
    """Pictures with the notes of their files, and the questions."""
    pictures = tuple(
        _picture(image, number) for number, image in enumerate(study.images.filter(superseded=False), start=1)
    )
    return Sheet(study=study, word="", pictures=pictures, opinions=(), questions=questions_of(study, reader))


def _picture(image: Image, number: int) -> Picture:
    notes = tuple(text for stored in image.notes if (text := note(stored)))
    return Picture(image=image, number=number, notes=notes, not_assessed="", opinions=())


@dataclass(frozen=True, slots=True)
class Said:
    """One of two opinions as an adjudicator sees it: no name, no time, no comment, which may tell what a model said."""

    letter: str
    answers: tuple[tuple[str, str, str], ...]  # finding, answer, reason


def opinions_between(study: Study, read: FurtherRead) -> tuple[Said, ...]:
    """The two opinions that an adjudicator decides between, in an order that the site's key draws for each read."""
    if read.stage != Stage.ADJUDICATION or read.second_id is None:
        return ()
    readers = [read.first_id, read.second_id]
    if chance(study.site.draw_key, "between", read.pk) < 0.5:
        readers.reverse()
    told = [opinion_of(study, reader) for reader in readers]
    return tuple(Said(letter, _answers(opinion.values())) for letter, opinion in zip("AB", told, strict=True))


def _answers(reviews: Iterable[Review]) -> tuple[tuple[str, str, str], ...]:
    return tuple((one.finding, one.get_answer_display(), one.reason) for one in reviews)
