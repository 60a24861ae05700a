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


class TooLateToUndo(ScreeningError):
    """An answer can no longer be taken back."""

    code = "too_late_to_undo"
    http_status = 409
    what_to_do = _("Open the study and answer again: the new answer replaces the old one, which stays in the history.")
