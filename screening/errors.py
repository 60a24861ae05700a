"""Expected failures: what happened, what to do, a stable code."""

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class ScreeningError(Exception):
    """Base of every expected failure; anything else is a bug and must surface as one."""

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 400
    what_to_do: ClassVar[str | Promise] = _("Check the request and try again.")

    def __init__(self, what_happened: str) -> None:
        self.what_happened = what_happened
        super().__init__(f"{what_happened} {self.what_to_do}")


class IllegalTransition(ScreeningError):
    """A status was asked for that cannot follow the current one."""

    code = "illegal_transition"
    http_status = 409
    what_to_do = _("Reload: somebody else may have acted in the meantime.")


class AlreadyRead(ScreeningError):
    """A second read or an adjudication was answered that somebody else has done."""

    code = "already_read"
    http_status = 409
    what_to_do = _("Go on with the next study: nothing was recorded.")


class AnswerFirst(ScreeningError):
    """What models and other readers said was asked for by somebody who is to answer blindly."""

    code = "answer_first"
    http_status = 403
    what_to_do = _("Answer about the study: then it is shown.")


class LeaseLost(ScreeningError):
    """The lease ran out and the rows were given to another worker."""

    code = "lease_lost"
    http_status = 409
    what_to_do = _("Drop these results. If this happens often, raise LEASE_SECONDS.")


class NotADemoSite(ScreeningError):
    """Demo rows were asked for at a site that holds what somebody sent."""

    code = "not_a_demo_site"
    http_status = 409
    what_to_do = _("Name a site that does not exist yet with --site, or go on with the seed that the site began with.")


class NothingToCorrect(ScreeningError):
    """A correction was asked for of a picture that does not call for it."""

    code = "nothing_to_correct"
    http_status = 409
    what_to_do = _("Reload: only a picture that seems turned or inverted is corrected, and once.")


class NothingToExplain(ScreeningError):
    """A heat map was asked for where a model gave no score."""

    code = "nothing_to_explain"
    http_status = 409
    what_to_do = _("Ask for a label of a model that scored the picture.")


class NothingToTell(ScreeningError):
    """A document was asked for that there is nothing to fill with."""

    code = "nothing_to_tell"
    http_status = 409
    what_to_do = _("For a heat map, have one drawn first; a study that was deleted has no documents.")


class DocumentNotMade(ScreeningError):
    """A worker tried to make a document and could not."""

    code = "document_not_made"
    http_status = 409
    what_to_do = _("Try again in a minute. If it stays, tell the operator: the log of the ingest worker says why.")


class DocumentAway(ScreeningError):
    """A document is not there yet, and no worker can be called."""

    code = "document_away"
    http_status = 503
    what_to_do = _("Try again in a minute; tell the operator if it stays.")


class KeyReused(ScreeningError):
    """An idempotency key came again with another request."""

    code = "idempotency_key_reused"
    http_status = 409
    what_to_do = _("Use a fresh Idempotency-Key for another request, or repeat this one unchanged.")


class StillBeingDone(ScreeningError):
    """The same request, under the same idempotency key, is being worked on."""

    code = "still_being_done"
    http_status = 409
    what_to_do = _("Send it again in a few seconds: it will be told the same answer.")


class TooManyExports(ScreeningError):
    """As many exports are being written as a web process takes."""

    code = "too_many_exports"
    http_status = 503
    what_to_do = _("Ask again after the seconds that the header Retry-After names.")


class UploadClosed(ScreeningError):
    """The upload takes no more files."""

    code = "upload_closed"
    http_status = 409
    what_to_do = _("Open a new upload for further files.")


class NotCorrectable(ScreeningError):
    """Corrected files were to be sent for an upload that is not there any more, or is another site's."""

    code = "not_correctable"
    http_status = 409
    what_to_do = _("Send them in an upload that names none.")


class CountMismatch(ScreeningError):
    """An upload was sealed with another number of files than were offered."""

    code = "count_mismatch"
    http_status = 409
    what_to_do = _("Offer the missing files with `check`, then seal again with the same count.")


class LimitExceeded(ScreeningError):
    """More was offered than a limit allows."""

    code = "limit_exceeded"
    http_status = 413
    what_to_do = _("Split it, or ask the operator to raise the limit.")


class UnknownModel(ScreeningError):
    """A model was named that is not registered or not active."""

    code = "unknown_model"
    what_to_do = _("Choose from GET /api/v1/models/.")


class NotAllowed(ScreeningError):
    """The role of this user does not permit this act."""

    code = "not_allowed"
    http_status = 403
    what_to_do = _("Ask an administrator of the site for the role that is needed.")


class BadOffset(ScreeningError):
    """A part of an archive does not follow what was stored."""

    code = "bad_offset"
    http_status = 409
    what_to_do = _("Ask for the offset with HEAD and continue there.")


class IncompletePart(ScreeningError):
    """A part of an archive ended early or held more than it said; nothing of it was kept."""

    code = "incomplete_part"
    what_to_do = _("Send the part again.")


class HashMismatch(ScreeningError):
    """The bytes that arrived are not those that were announced."""

    code = "hash_mismatch"
    what_to_do = _("Send the file again.")


class NotOffered(ScreeningError):
    """A file arrived that was not offered with `check`."""

    code = "not_offered"
    what_to_do = _("Offer it with `check` first.")


class TableUnreadable(ScreeningError):
    """A side table cannot be read."""

    code = "table_unreadable"
    what_to_do = _("Save it as CSV in UTF-8 with the columns path, external_id and label.")


class StorageFull(ScreeningError):
    """The disk is full; nothing of the file was kept."""

    code = "storage_full"
    http_status = 507
    what_to_do = _("Try again later; tell the operator.")


class ClosedMeanwhile(ScreeningError):
    """An upload was closed between the offer of files and their bytes; nothing of them was kept."""

    code = "closed_meanwhile"
    http_status = 503
    what_to_do = _("Send them again: they go into another upload.")


class InvalidSender(ScreeningError):
    """A sender of DICOM was described in a way that cannot be."""

    code = "invalid_sender"
    what_to_do = _("Correct it and add the sender again.")


class MetadataPending(ScreeningError):
    """An object is kept, and a worker has not written its metadata yet."""

    code = "metadata_pending"
    http_status = 503
    what_to_do = _("Try again in a few seconds.")


class InvalidAnswer(ScreeningError):
    """A reader's answer lacks a part or names an unknown finding."""

    code = "invalid_answer"
    what_to_do = _("Answer every finding with present, absent, unsure or not assessable.")


class BadBundle(ScreeningError):
    """A model bundle was refused."""

    code = "bad_bundle"
    what_to_do = _("Check the bundle with `python -m ml verify FOLDER`.")


class BundleAway(ScreeningError):
    """A model version was to be activated whose bundle is not there."""

    code = "bundle_away"
    http_status = 409
    what_to_do = _("Put the bundle back where it was and register it with `manage.py register_model`.")


class InvitationInvalid(ScreeningError):
    """The link was used, has expired or never existed."""

    code = "link_invalid"
    http_status = 410
    what_to_do = _("Ask for a new link.")


class AlreadyMember(ScreeningError):
    """The person belongs to the site already."""

    code = "already_member"
    http_status = 409
    what_to_do = _("Ask an administrator of the site to change your role, or sign out to join with another account.")


class UsernameTaken(ScreeningError):
    """Somebody else has this user name."""

    code = "username_taken"
    http_status = 409
    what_to_do = _("Choose another name, or sign in first if the account is yours.")


class LastAdministrator(ScreeningError):
    """A site would be left without an administrator."""

    code = "last_administrator"
    http_status = 409
    what_to_do = _("Make somebody else an administrator first.")
