"""What a device or an archive sends without opening an upload: it goes into one that a quiet period seals.

The end of a request, or of an association, is not the end of a study. So everything that one sender brings
goes into one open upload until nothing came for DICOM_QUIET_SECONDS. A sender that is never quiet begins
another one every few minutes, and the earlier becomes quiet.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from screening.audit.actor import Actor
from screening.errors import ClosedMeanwhile, LimitExceeded, UploadClosed
from screening.flows.acts import seal_upload
from screening.flows.offering import Offered, check_files, open_upload
from screening.flows.offers import MISSING
from screening.flows.receiving import Arrived, receive_stored
from screening.uploads import storage
from screening.users.models import Site, User

AT_ONCE: Final = 100  # files in one call; each is some rows in one transaction
TURN_SECONDS: Final = 600  # after which a sender that is never quiet begins another upload
TRIES: Final = 5


def take_in(*, site: Site, user: User, source: str, name: str, files: Sequence[Arrived], actor: Actor) -> UUID:
    """Store what arrived, in the open upload of its sender or in a new one. Which upload it was.

    Every file becomes an item with the outcomes of any other upload, and what the site holds already is a
    duplicate. The bytes belong to the service from here on, whatever happens.

    Args:
        site: Whose files they are.
        user: Who sends, or is answered for; may upload at the site.
        source: Tells senders of one user apart; no identifier of anybody. At most 60 characters.
        name: What a fresh upload is called on the staff's pages.
        files: At most AT_ONCE.
        actor: Who brings it about.

    Raises:
        LimitExceeded: more files than fit into an upload.
        StorageFull: no room.
        ClosedMeanwhile: somebody sealed the upload between offer and bytes. In each case nothing of the files is kept.
    """
    try:
        return _into_an_open_upload(site, user, source, name, files, actor)
    except BaseException:
        storage.drop_incoming(file.stored.name for file in files)
        raise


def _into_an_open_upload(
    site: Site, user: User, source: str, name: str, files: Sequence[Arrived], actor: Actor
) -> UUID:
    for left in reversed(range(TRIES)):
        turn = int(timezone.now().timestamp() // TURN_SECONDS)
        upload = open_upload(site=site, user=user, name=name, models=[], intake=f"{source}:{turn}")
        try:
            _offer_and_receive(upload.pk, files, actor)
        except UploadClosed:  # it became quiet, or was sealed by hand, a moment ago
            if not left:
                raise
        except LimitExceeded:  # it is full
            if not left:
                raise
            seal_upload(upload_id=upload.pk, count=None, actor=actor)
        else:
            return upload.pk
    raise AssertionError("the last try returns or raises")


def _offer_and_receive(upload_id: UUID, files: Sequence[Arrived], actor: Actor) -> None:
    offered = [Offered(path=file.path, size=file.stored.size, sha256=file.stored.sha256) for file in files]
    answers = check_files(upload_id=upload_id, files=offered, actor=actor)
    missing = [file for file, answer in zip(files, answers, strict=True) if answer.state == MISSING]
    if missing:
        try:
            receive_stored(upload_id=upload_id, files=missing, actor=actor)
        except UploadClosed as closed:  # sealed by hand since the offer: the bytes are gone
            raise ClosedMeanwhile(_("The upload was closed while these files arrived.")) from closed
    wanted = {file.stored.name for file in missing}
    storage.drop_incoming(file.stored.name for file in files if file.stored.name not in wanted)
