"""Refusals of class mode."""

from screening.errors import ScreeningError


class LabelsUnreadable(ScreeningError):
    """A table of labels cannot be read."""

    code = "labels_unreadable"
    what_to_do = "Save it as CSV in UTF-8, with the columns file and label in its first line."


class UploadNotUsable(ScreeningError):
    """A set was asked for of an upload that is not finished, or was deleted."""

    code = "upload_not_usable"
    http_status = 409
    what_to_do = "Wait until the upload is finished, then make the set."


class NothingAsked(ScreeningError):
    """A set was asked for about a finding that no model of the upload raises a flag for."""

    code = "nothing_asked"
    what_to_do = "Choose one of the findings that are offered."


class SetNotInState(ScreeningError):
    """Something was asked of a set that has moved on, or has not yet come so far."""

    code = "set_not_in_state"
    http_status = 409
    what_to_do = "Reload the page: it shows how the set stands now."


class NotAReviewer(ScreeningError):
    """Somebody was chosen who is no reviewer of the site, and to whom nothing can be hidden."""

    code = "not_a_reviewer"
    what_to_do = "Give them the role Reviewer on the page of the site first."


class ReaderKnowsCases(ScreeningError):
    """Somebody was chosen who has already answered about studies of the set on the worklist."""

    code = "reader_knows_cases"
    http_status = 409
    what_to_do = "Choose other readers, or make the set of an upload that they have not read."


class NobodyReads(ScreeningError):
    """A set was to be opened without readers."""

    code = "nobody_reads"
    http_status = 409
    what_to_do = "Choose at least one reader."


class NoCases(ScreeningError):
    """A set was to be opened without cases."""

    code = "no_cases"
    http_status = 409
    what_to_do = "Correct the table of labels and take it over again."


class ProblemsLeft(ScreeningError):
    """A set was to be opened although rows or pictures were left out, and nobody agreed to that."""

    code = "problems_left"
    http_status = 409
    what_to_do = "Correct the table and take it over again, or agree to open the set without what is listed."


class NotRevealed(ScreeningError):
    """Results of a set were asked for before it was revealed."""

    code = "not_revealed"
    http_status = 409
    what_to_do = "The teacher reveals the set when everybody has read."


class CaseGone(ScreeningError):
    """The study of a case was deleted."""

    code = "case_gone"
    http_status = 409
    what_to_do = "Go on to the next case: this one is not counted."
