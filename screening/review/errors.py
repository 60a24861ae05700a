"""Refusals of reading: what is said when a page is no longer true."""

from django.utils.translation import gettext_lazy as _

from screening.errors import ScreeningError


class StudyTaken(ScreeningError):
    """Another reader has the study open."""

    code = "study_taken"
    http_status = 409
    what_to_do = _(
        "Go on to the next study, or send your answer once the other reader has left: it is still in the form."
    )


class StudyMoved(ScreeningError):
    """The study is no longer what the page showed."""

    code = "study_moved"
    http_status = 409
    what_to_do = _("Look at the study as it is now, then send your answer again: it is still in the form.")


class PartlyAssessed(ScreeningError):
    """A study was to be answered at one stroke of which a model has scored a part."""

    code = "partly_assessed"
    http_status = 409
    what_to_do = _("Open the study, look at all its pictures and answer there.")


class TooLateToUndo(ScreeningError):
    """An answer can no longer be taken back."""

    code = "too_late_to_undo"
    http_status = 409
    what_to_do = _("Open the study and answer again: the new answer replaces the old one, which stays in the history.")


class BoxOutOfRange(ScreeningError):
    """A box does not lie within its picture."""

    code = "box_out_of_range"
    what_to_do = _(
        "Send left, top, width and height as parts of the picture from 0 to 1, with a width and a height above 0."
    )


class BoxElsewhere(ScreeningError):
    """A box was drawn on a picture that the study does not have."""

    code = "box_not_of_study"
    what_to_do = _("Draw it on a picture of this study as it is now.")


class BoxNotTaken(ScreeningError):
    """A box came with an answer that takes none."""

    code = "box_not_taken"
    what_to_do = _("Leave the box out, or answer present or unsure.")
