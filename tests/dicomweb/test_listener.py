"""C-STORE: the listener in this process, asked by pynetdicom; `test_listener_process.py` asks it by dcmtk."""

import errno
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from django.db import OperationalError, connections
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification

from screening.audit.actor import Actor
from screening.dicomweb.models import DicomSender
from screening.dicomweb.senders import add_sender
from screening.uploads import storage
from screening.uploads.models import Item, ItemState, Upload
from tests.dicomweb.conftest import object_of
from tests.phantoms import DX
from tests.stores import incoming
from workers.dicom import listener as listening
from workers.dicom.listener import Listener
from workers.dicom.receiving import Status

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ("1.2.3.4.1", "1.2.3.6.1", "MRN-1", "Phantom")


@pytest.fixture
def sender(ward) -> DicomSender:
    return add_sender(
        site=ward.site, user=ward.integrator, ae_title="CR_ROOM_1", network="127.0.0.1", actor=Actor.service("test")
    )


@pytest.fixture
def listener() -> Iterator[tuple[Listener, int]]:
    made = Listener(title="CHESTSCREEN", associations=2)
    port = made.start("127.0.0.1", 0)
    yield made, port
    made.stop()


@pytest.fixture
def port(listener: tuple[Listener, int]) -> int:
    return listener[1]


@contextmanager
def associated(port: int, title: str = "CR_ROOM_1", called: str = "CHESTSCREEN", **options) -> Iterator[Association]:
    ae = AE(ae_title=title)
    ae.add_requested_context(Verification)
    ae.add_requested_context(DX, [ExplicitVRLittleEndian])
    ae.add_requested_context(DX, [JPEGBaseline8Bit])
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    association = ae.associate("127.0.0.1", port, ae_title=called, **options)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def stored(association: Association, *contents: bytes) -> list[int]:
    return [association.send_c_store(dcmread(BytesIO(content))).Status for content in contents]


def test_an_object_is_stored_and_queued_in_the_name_of_the_sender(sender, port, stores: Path):
    with associated(port) as association:
        assert association.send_c_echo().Status == Status.SUCCESS
        assert stored(association, object_of(1), object_of(2, study=1)) == [Status.SUCCESS] * 2

    upload = Upload.objects.get()
    assert (upload.site, upload.created_by, upload.name) == (sender.site, sender.user, "C-STORE CR_ROOM_1")
    items = Item.objects.order_by("path")
    assert [(item.state, item.path.rpartition("/")[0]) for item in items] == [
        (ItemState.RECEIVED, "1.2.3.6.1/1.2.3.4.1"),
        (ItemState.RECEIVED, "1.2.3.6.1/1.2.3.4.2"),
    ]
    kept, sent = dcmread(stores / "incoming" / items[0].incoming), dcmread(BytesIO(object_of(1)))
    assert kept == sent
    assert kept.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID


def test_the_end_of_an_association_is_not_the_end_of_an_upload_and_a_repeat_is_a_success(sender, port, stores: Path):
    for _ in range(2):
        with associated(port) as association:
            assert stored(association, object_of(1)) == [Status.SUCCESS]

    assert [(one.state, one.items.count()) for one in Upload.objects.all()] == [("open", 1)]
    assert len(incoming(stores)) == 1


@pytest.mark.parametrize(("title", "called"), [("STRANGER", "CHESTSCREEN"), ("CR_ROOM_1", "SOMEBODY")])
def test_who_is_not_known_or_asks_for_another_is_refused(sender, port, stores: Path, title, called):
    with associated(port, title, called) as association:
        assert association.is_rejected
        assert not association.is_established


def test_a_known_title_from_another_address_is_refused(sender, port, stores: Path):
    DicomSender.objects.update(network="10.1.2.0/24")

    with associated(port) as association:
        assert association.is_rejected


def test_a_sender_that_was_removed_meanwhile_stores_nothing_more(sender, port, stores: Path):
    with associated(port) as association:
        assert stored(association, object_of(1)) == [Status.SUCCESS]
        DicomSender.objects.all().delete()
        assert stored(association, object_of(2)) == [Status.NOT_AUTHORIZED]

    assert Item.objects.count() == len(incoming(stores)) == 1


def test_a_full_disk_tells_the_sender_to_keep_the_object(sender, port, stores: Path, monkeypatch):
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with associated(port) as association:
        with monkeypatch.context() as patch:
            patch.setattr(storage.os, "fsync", full)
            assert stored(association, object_of(1)) == [Status.NO_ROOM]
        assert incoming(stores) == []
        assert stored(association, object_of(1)) == [Status.SUCCESS]


def test_a_database_that_is_away_tells_the_sender_to_keep_the_object(sender, port, stores: Path, monkeypatch):
    def away(*_: object) -> None:
        raise OperationalError

    with associated(port) as association:
        with monkeypatch.context() as patch:
            patch.setattr(listening, "sender_for", away)
            assert stored(association, object_of(1)) == [Status.NO_ROOM]
            with associated(port) as refused:
                assert refused.is_rejected
        assert stored(association, object_of(1)) == [Status.SUCCESS]


def test_an_object_over_the_limit_ends_the_association_and_no_other(sender, port, stores: Path, settings, monkeypatch):
    settings.CONFIG = replace(settings.CONFIG, limits=replace(settings.CONFIG.limits, file_bytes=20_000))
    monkeypatch.setattr(listening, "PDU_BYTES", 0)
    huge = object_of(1, side=300)
    with associated(port) as other, associated(port) as association:
        answer = association.send_c_store(dcmread(BytesIO(huge)))
        assert "Status" not in answer or answer.Status != Status.SUCCESS
        assert stored(other, *(object_of(number) for number in range(2, 9))) == [Status.SUCCESS] * 7

    assert Item.objects.count() == len(incoming(stores)) == 7


def test_no_more_associations_than_are_allowed(sender, port, stores: Path):
    with associated(port) as one, associated(port) as two:
        assert one.is_established
        assert two.is_established
        with associated(port) as three:
            assert three.is_rejected


def test_what_is_no_picture_is_taken_and_left_to_the_receipt(sender, port, stores: Path):
    report = Dataset()
    report.SOPClassUID, report.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.3.4.1"
    ae = AE(ae_title="CR_ROOM_1")
    ae.add_requested_context(report.SOPClassUID, [ImplicitVRLittleEndian])
    association = ae.associate("127.0.0.1", port, ae_title="CHESTSCREEN")
    report.ensure_file_meta()
    report.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    status = association.send_c_store(report).Status
    association.release()

    assert status == Status.SUCCESS
    assert Item.objects.get().path.startswith("unnamed/1.2.3.4.1/")


def test_an_end_waits_for_what_is_being_stored(sender, listener, stores: Path, monkeypatch):
    made, port = listener
    reached, go = threading.Event(), threading.Event()
    receive = listening.receive

    def slow(**parts: object) -> Status:
        reached.set()
        go.wait(10)
        return receive(**parts)  # type: ignore[arg-type]

    monkeypatch.setattr(listening, "receive", slow)
    statuses: list[int] = []

    def send() -> None:
        with associated(port) as association:
            statuses.extend(stored(association, object_of(1)))
        connections.close_all()

    sending = threading.Thread(target=send)
    sending.start()
    assert reached.wait(20)
    threading.Timer(0.5, go.set).start()
    made.stop()
    sending.join(20)

    assert statuses == [Status.SUCCESS]
    assert Item.objects.count() == 1
    with associated(port) as late:
        assert not late.is_established


def test_no_identifier_reaches_a_log_even_where_everything_is_logged(
    sender, port, stores: Path, caplog, capfd, monkeypatch
):
    caplog.set_level(logging.DEBUG)
    with associated(port) as association:
        stored(association, object_of(1, PatientName="Phantom^Drawn"))
        monkeypatch.setattr("workers.dicom.receiving.take_in", _failing)
        assert stored(association, object_of(1)) == [Status.FAILURE]

    out, err = capfd.readouterr()
    heard = caplog.text + out + err + "".join(str(record.__dict__) for record in caplog.records)
    assert "object_not_taken" in heard
    assert [name for name in NAMES if name in heard] == []


def _failing(**_: object) -> None:
    raise ValueError("1.2.3.4.1 of MRN-1")
