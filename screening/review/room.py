"""What the viewer of the study page needs: the slices, earlier studies of the same person, facts of a file."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from ml.vocabulary import PLANE_BORDER
from screening.results.models import Screening
from screening.review.selectors import Visitor, visible_studies
from screening.review.sheet import Sheet
from screening.studies.models import Image, Study

MOST_EARLIER: Final = 12
MOST_SLICES: Final = 64  # of an earlier study: a long series is shown from its beginning
_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Earlier:
    """Pictures to be seen beside these: an earlier study of the same person, or what was sent and then corrected."""

    study: Study
    slices: list[dict[str, Any]]
    named: str = ""

    @property
    def short(self) -> str:
        return str(self.study.pk)[:8]

    @property
    def title(self) -> str:
        return self.named or f"{self.short}, {date_format(self.received, 'SHORT_DATE_FORMAT')}"

    @property
    def received(self) -> datetime:
        return self.study.created_at


def room_context(sheet: Sheet, user: Visitor, *, show_ai: bool) -> dict[str, object]:
    """Give the context of the viewer.

    Args:
        sheet: Of the study.
        user: Who looks.
        show_ai: Whether this reader may see scores, flags and heat; if not, nothing here tells of them.
    """
    pictures = sheet.pictures
    start = sheet.start if show_ai else len(pictures) // 2
    sent = before_correction(sheet.study) if show_ai else []  # that a picture lay wrong is what the gate said of it
    earlier = [*sent, *earlier_studies(sheet.study, user)]
    return {
        "show_ai": show_ai,
        "start": start,
        "slices": [slice_of(picture.image, picture.number) for picture in pictures],
        "earlier_studies": earlier,
        "has_earlier": any(one.study.pk != sheet.study.pk for one in earlier),
        "others": [one.slices for one in earlier],
        "facts": facts_of(pictures[start].image) if pictures else [],
        "border": PLANE_BORDER,
    }


def slice_of(image: Image, number: int) -> dict[str, Any]:
    """What the viewer's script needs of a picture: no path, no identifier of a person, nothing that a model said."""
    return {
        "id": str(image.pk),
        "number": number,
        "url": reverse("review:preview", args=[image.pk]),
        "deep": reverse("review:deep", args=[image.pk]),
        "heat": reverse("review:heat", args=[image.pk]),
        "rows": image.rows,
        "columns": image.columns,
    }


def earlier_studies(study: Study, user: Visitor) -> list[Earlier]:
    """Studies of the same person that came before this one, the latest first; plain pictures know of no person."""
    if study.patient_id is None:
        return []
    same = visible_studies(user).filter(patient_id=study.patient_id, site_id=study.site_id)
    before = same.filter(created_at__lt=study.created_at).order_by("-created_at", "pk")[:MOST_EARLIER]
    found = [Earlier(one, _slices(one)) for one in before.prefetch_related("images")]
    return [one for one in found if one.slices]


def before_correction(study: Study) -> list[Earlier]:
    """The pictures in whose place a corrected one stands, as they were sent."""
    images = list(study.images.filter(superseded=True)[:MOST_SLICES])
    slices = [slice_of(image, number) for number, image in enumerate(images, start=1)]
    return [Earlier(study, slices, _("As it was sent"))] if slices else []


def _slices(study: Study) -> list[dict[str, Any]]:
    images = [image for image in study.images.all() if not image.superseded][:MOST_SLICES]
    return [slice_of(image, number) for number, image in enumerate(images, start=1)]


def facts_of(image: Image) -> list[tuple[str, str]]:
    """What the file says of how the picture was made, in words. Nothing of it says who or where."""
    return [(_words(name), str(value)) for name, value in image.facts.items() if value]


def _words(keyword: str) -> str:
    first, *rest = _WORD.split(keyword)
    return " ".join([first, *(word if word.isupper() else word.lower() for word in rest)])


def next_pictures(study_id: UUID | None, *, show_ai: bool) -> list[str]:
    """Addresses of the previews that a study may begin with, to be fetched before it is opened.

    Args:
        study_id: Of the study that comes next; None: there is none.
        show_ai: Whether it will be opened at what models flagged; if not, at its middle.
    """
    if study_id is None:
        return []
    pictures = list(Image.objects.filter(study=study_id, superseded=False).values_list("pk", flat=True))
    middle = pictures[len(pictures) // 2 : len(pictures) // 2 + 1]
    flagged = Screening.objects.filter(study=study_id, flagged=True, image__superseded=False).values_list(
        "image_id", "scores", "thresholds"
    )
    height = {pk: max((scores.get(label, 0) for label in points), default=0) for pk, scores, points in flagged}
    first = sorted(height, key=lambda pk: -height[pk])[:1] if show_ai else []
    return [reverse("review:preview", args=[pk]) for pk in first or middle]
