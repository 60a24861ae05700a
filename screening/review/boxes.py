"""Where on a picture a finding is: a box that a reader may give with an answer, in parts of the stored picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from screening.review.errors import BoxElsewhere, BoxNotTaken, BoxOutOfRange
from screening.review.models import Answer
from screening.studies.models import Image, Study

TAKE_ONE: Final = (Answer.PRESENT, Answer.UNSURE)
PLACES: Final = 4  # of a part of a side: a pixel of any picture that comes in
HAIR: Final = 1e-9  # by which a sum of parts that reach the far side may pass it


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle on one picture: parts of its columns and rows, 0 to 1, whatever it was turned or enlarged to."""

    image: UUID
    left: float
    top: float
    width: float
    height: float

    @property
    def sides(self) -> dict[str, float]:
        """The four numbers, rounded; what reaches the far side of the picture still does no more than that."""
        left, top = round(self.left, PLACES), round(self.top, PLACES)
        width, height = round(min(self.width, 1 - left), PLACES), round(min(self.height, 1 - top), PLACES)
        return {"left": left, "top": top, "width": width, "height": height}

    @property
    def stored(self) -> dict[str, str | float]:
        """The box as it is kept."""
        return {"image": str(self.image), **self.sides}


def read_box(text: str) -> Box | None:
    """Read a box as forms hold it: the picture and four numbers, apart by blanks; None where there is none.

    Raises:
        BoxOutOfRange: it is none.
    """
    if not text.strip():
        return None
    try:
        image, left, top, width, height = text.split()
        return Box(image=UUID(image), left=float(left), top=float(top), width=float(width), height=float(height))
    except ValueError as error:
        raise BoxOutOfRange(_("A box is a picture and four numbers.")) from error


def check_boxes(study: Study, given: Mapping[str, tuple[str, Box | None]]) -> None:
    """Refuse boxes that cannot be: `given` are answers with their boxes, by finding.

    Raises:
        BoxNotTaken: the answer says that the finding is not there, or cannot be told.
        BoxOutOfRange: it is empty, or does not lie within its picture.
        BoxElsewhere: its picture is not one of the study, or a corrected one stands in its place.
    """
    boxed = {finding: box for finding, (_answer, box) in given.items() if box is not None}
    for finding, box in boxed.items():
        told = {"finding": finding}
        if given[finding][0] not in TAKE_ONE:
            raise BoxNotTaken(_("The answer about %(finding)s takes no box.") % told)
        if not _lies_within(box):
            raise BoxOutOfRange(_("The box about %(finding)s does not lie within its picture.") % told)
    wanted = {box.image for box in boxed.values()}
    there = study.images.filter(pk__in=wanted, superseded=False) if wanted else Image.objects.none()
    missing = wanted - set(there.values_list("pk", flat=True))
    for finding, box in boxed.items():
        if box.image in missing:
            raise BoxElsewhere(
                _("The picture of the box about %(finding)s is none of this study.") % {"finding": finding}
            )


def _lies_within(box: Box) -> bool:
    """Whether a box lies on its picture, and is still one when rounded. What is not a number does not."""
    ends = (box.left, box.top, box.left + box.width, box.top + box.height)
    if not all(0 <= end <= 1 + HAIR for end in ends):
        return False
    return box.sides["width"] > 0 and box.sides["height"] > 0
