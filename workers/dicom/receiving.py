"""What one C-STORE brings becomes a file of an upload, and a status that its sender understands (PS3.4, B.2.3)."""

from collections.abc import Iterator
from enum import IntEnum
from io import BytesIO
from typing import Final

from django.conf import settings
from django.db import OperationalError
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info

from screening.audit.actor import Actor
from screening.dicomweb.identity import UID, Identity, identify
from screening.dicomweb.models import DicomSender
from screening.errors import ClosedMeanwhile, StorageFull
from screening.flows.intake import take_in
from screening.flows.receiving import Arrived
from screening.store.errors import StoreAway
from screening.uploads.storage import PART, Incoming, Stored
from workers.reporting import report

UNNAMED: Final = "unnamed"


class Status(IntEnum):
    """What a sender is told."""

    SUCCESS = 0x0000
    FAILURE = 0x0110
    NOT_AUTHORIZED = 0x0124
    NO_ROOM = 0xA700  # senders keep the object and try again
    NOT_UNDERSTOOD = 0xC000


def receive(*, sender: DicomSender, meta: FileMetaDataset, data: BytesIO) -> Status:
    """Store one object, queue it, and say so. Success means durable; a duplicate is a success, too.

    Args:
        sender: Who sends it.
        meta: The file meta of the object: class, instance and transfer syntax.
        data: The object's encoded data set. It is not decoded here.
    """
    try:
        return _receive(sender, meta, data)
    except (StorageFull, StoreAway, ClosedMeanwhile, OperationalError) as problem:
        report("object_not_taken", problem, sender=str(sender.pk))
        return Status.NO_ROOM
    except Exception as problem:  # noqa: BLE001 - the boundary of the process: record, answer, go on
        report("object_not_taken", problem, sender=str(sender.pk))
        return Status.FAILURE


def _receive(sender: DicomSender, meta: FileMetaDataset, data: BytesIO) -> Status:
    instance = str(meta.MediaStorageSOPInstanceUID)
    size = data.getbuffer().nbytes
    if not UID.fullmatch(instance) or not size:
        return Status.NOT_UNDERSTOOD
    if size > settings.CONFIG.limits.file_bytes:  # its association is about to be ended for it
        return Status.FAILURE
    stored, identity = _stored(meta, data)
    take_in(
        site=sender.site,
        user=sender.user,
        source=f"c-store:{sender.pk}",
        name=f"C-STORE {sender.ae_title}",
        files=[Arrived(path=_path(stored, identity, instance), stored=stored)],
        actor=Actor.user(sender.user),
    )
    return Status.SUCCESS


def _stored(meta: FileMetaDataset, data: BytesIO) -> tuple[Stored, Identity | None]:
    incoming = Incoming()
    try:
        for part in _file(meta, data):
            incoming.write(part)
        identity = incoming.look(identify)
        return incoming.finish(), identity
    except BaseException:
        incoming.discard()
        raise


def _path(stored: Stored, identity: Identity | None, instance: str) -> str:
    """Give the path under which the receipt names the object. A data set without a study is one for ingest to judge."""
    return f"{identity.study if identity else UNNAMED}/{instance}/{stored.sha256[:12]}.dcm"


def _file(meta: FileMetaDataset, data: BytesIO) -> Iterator[bytes]:
    """Give the bytes of a DICOM file (PS3.10, 7.1), the data set as it came."""
    head = DicomBytesIO()
    head.write(bytes(128) + b"DICM")
    write_file_meta_info(head, meta)
    yield head.getvalue()
    with data.getbuffer() as whole:
        for start in range(0, len(whole), PART):
            yield bytes(whole[start : start + PART])
