"""What a row of a tray says, in its reader's language. Addresses and words that rows share are made once for a page."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _

from screening.addresses import addresses
from screening.studies.models import Study, StudyState
from screening.wording import moment


@dataclass(frozen=True, slots=True, kw_only=True)
class RowText:
    """The words and addresses of one row. Where a study has no such thing, the text is empty."""

    address: str
    preview: str
    title: str
    modality: str
    pictures: str  # how many, if more than one
    held: str  # who is reading it
    complete: str  # when it was complete, for programs
    complete_at: str
    waited: str
    due: str  # in how long it is, or for how long it has been; nothing where it was answered


class RowTexts:
    """Makes the texts of the rows of one page, all told at one moment and in one language."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._study, self._preview = addresses("review:study"), addresses("review:preview")
        self._title, self._pictures = _("Study %(short)s"), _("%(n)s pictures")
        self._held, self._for, self._in = _("%(who)s is reading it"), _("for %(by)s"), _("due in %(left)s")
        self._modalities, self._unknown = {"ct": _("CT"), "xray": _("X-ray")}, _("unknown")

    def of(self, study: Study, *, due: datetime, cover: UUID | None, pictures: int, held_by: str) -> RowText:
        """Give what the row of a study says."""
        complete = study.completed_at
        return RowText(
            address=self._study(study.pk),
            preview=self._preview(cover) if cover else "",
            title=self._title % {"short": str(study.pk)[:8]},
            modality=self._modalities.get(study.modality, self._unknown),
            pictures=self._pictures % {"n": pictures} if pictures > 1 else "",
            held=self._held % {"who": held_by} if held_by else "",
            complete=complete.isoformat() if complete else "",
            complete_at=moment(complete) if complete else "",
            waited=timesince(complete, self.now) if complete else "",
            due="" if study.state == StudyState.REVIEWED else self._due(due),
        )

    def _due(self, due: datetime) -> str:
        if due <= self.now:
            return self._for % {"by": timesince(due, self.now)}
        return self._in % {"left": timeuntil(due, self.now)}
