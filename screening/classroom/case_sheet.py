"""The page on which a case is read. It reads neither truth nor results: what is not read cannot leak."""

from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from ml.vocabulary import PLANE_BORDER
from screening.classes.models import Case, ReadingSet
from screening.classes.selectors import answered_by, cases_in_order, next_case
from screening.review.findings import QUESTIONS
from screening.review.room import next_pictures, slice_of
from screening.review.sheet import Picture
from screening.studies.models import Image, Study


def question_of(finding: str) -> str:
    """The finding in the words in which readers are asked."""
    asked = QUESTIONS.get(finding)
    return _(asked) if asked else finding.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class CaseSheet:
    """The pictures of a case as they were sent, without a note of their files: what a file is like tells its source."""

    place: int  # in the reader's own order, from 1
    pictures: tuple[Picture, ...]

    @property
    def short(self) -> str:
        return str(self.place)


@dataclass(frozen=True, slots=True)
class Way:
    """A reader's way through a set."""

    order: tuple[Case, ...]
    answered: dict[UUID, str]

    @property
    def left(self) -> int:
        return len(self.order) - self.done

    @property
    def done(self) -> int:
        return sum(case.pk in self.answered for case in self.order)

    @property
    def next(self) -> Case | None:
        return next_case(self.order, self.answered, None)

    @property
    def spots(self) -> list[tuple[int, Case, bool]]:
        """Place, case, and whether it is answered."""
        return [(place, case, case.pk in self.answered) for place, case in enumerate(self.order, start=1)]

    def place_of(self, case: Case) -> int:
        return next((place for place, one in enumerate(self.order, start=1) if one.pk == case.pk), 0)


def way_of(found: ReadingSet, reader_id: int) -> Way:
    """The cases in the order of a reader, and what they said of each."""
    return Way(tuple(cases_in_order(found, reader_id)), answered_by(found, reader_id))


def case_context(case: Case, way: Way) -> dict[str, object]:
    """What viewer and answer of a case need."""
    pictures = tuple(_picture(image, number) for number, image in enumerate(_images(case.study), start=1))
    following = next_case(way.order, way.answered, case.pk)
    return {
        "set": case.reading_set,
        "case": case,
        "study": case.study,  # the viewer asks it for the modality alone
        "sheet": CaseSheet(way.place_of(case), pictures),
        "way": way,
        "question": question_of(case.reading_set.finding),
        "mine": way.answered.get(case.pk, ""),
        "following": following,
        "show_ai": False,
        "start": len(pictures) // 2,
        "slices": [slice_of(picture.image, picture.number) for picture in pictures],
        "earlier_studies": [],
        "others": [],
        "border": PLANE_BORDER,
        "next_pictures": next_pictures(following.study_id, show_ai=False) if following else [],
    }


def _images(study: Study) -> list[Image]:
    return list(study.images.filter(superseded=False))


def _picture(image: Image, number: int) -> Picture:
    return Picture(image=image, number=number, notes=(), not_assessed="", opinions=())
