import hashlib

import pytest
from django.db import DatabaseError, connection

from screening.audit.models import AuditEvent
from screening.errors import StorageFull, UploadClosed
from screening.flows.acts import cancel_upload
from screening.flows.integrity import find_violations
from screening.flows.receiving import Arrived, receive_file, receive_stored
from screening.uploads import storage
from screening.uploads.leases import claim_items
from screening.uploads.models import Item, ItemState, Upload
from tests.factories import UploadFactory
from tests.stores import incoming
from tests.uploads.bringing import STAFF, offer, send
from tests.uploads.test_storage import files_no_larger_than

pytestmark = pytest.mark.django_db
A, B = b"picture a", b"picture b"


@pytest.fixture
def upload(stores):
    return UploadFactory()


def test_a_file_that_was_offered_is_stored_verified_and_waits_for_its_decoding(upload, stores):
    offer(upload, {"ward/a.png": A})

    received = send(upload, "ward/a.png", A)

    item = Item.objects.get()
    assert (received.state, received.code, received.item) == ("received", "", item.pk)
    assert (item.state, item.received_at is not None) == (ItemState.RECEIVED, True)
    assert [path.name for path in incoming(stores)] == [item.incoming]
    assert hashlib.sha256(storage.incoming_path(item.incoming).read_bytes()).hexdigest() == item.sha256
    assert claim_items(10)[1] == [item]
    assert list(find_violations()) == []


def test_the_name_on_disk_tells_nothing_of_the_path(upload, stores):
    offer(upload, {"Doe^Jane/a.png": A})

    send(upload, "Doe^Jane/a.png", A)

    assert "Doe" not in "".join(str(path) for path in stores.rglob("*"))


def test_a_path_is_found_under_another_spelling_of_it(upload):
    offer(upload, {"Zoë/a.png": A})

    assert send(upload, "Zoe\u0308\\a.png", A).state == "received"


def test_sending_a_file_twice_is_sending_it_once(upload, stores):
    offer(upload, {"a.png": A})
    send(upload, "a.png", A)
    events = AuditEvent.objects.count()

    again = send(upload, "a.png", A)

    assert again.state == "received"
    assert len(incoming(stores)) == 1
    assert AuditEvent.objects.count() == events


@pytest.mark.parametrize("data", [b"picture b", b"picture a ", b""], ids=["other", "longer", "empty"])
def test_bytes_that_were_not_announced_are_refused_and_the_file_can_be_sent_again(upload, stores, data):
    offer(upload, {"a.png": A})

    received = send(upload, "a.png", data)

    assert (received.state, received.code) == ("rejected", "hash_mismatch")
    assert received.what_to_do
    assert Item.objects.get().state == ItemState.EXPECTED
    assert incoming(stores) == []
    assert send(upload, "a.png", A).state == "received"


def test_a_path_that_was_not_offered_is_refused_and_makes_no_item(upload, stores):
    received = send(upload, "a.png", A)

    assert (received.state, received.code, received.item) == ("rejected", "not_offered", None)
    assert not Item.objects.exists()
    assert incoming(stores) == []


def test_a_path_that_no_file_can_have_is_refused(upload, stores):
    assert send(upload, "../a.png", A).code == "path_unsafe"
    assert incoming(stores) == []


def test_a_file_that_was_refused_when_it_was_offered_is_refused_with_the_same_reason(upload, stores):
    offer(upload, {"empty.png": b""})

    assert send(upload, "empty.png", b"").code == "empty_file"
    assert incoming(stores) == []


def test_bytes_of_a_duplicate_are_not_kept(upload, stores):
    offer(upload, {"a.png": A, "copy.png": A})

    assert send(upload, "copy.png", A).state == "duplicate"
    assert incoming(stores) == []


def test_a_closed_upload_takes_no_file_and_keeps_none(upload, stores):
    offer(upload, {"a.png": A})
    Upload.objects.update(state="sealed")

    with pytest.raises(UploadClosed):
        send(upload, "a.png", A)

    assert incoming(stores) == []
    assert Item.objects.get().state == ItemState.EXPECTED


def test_a_file_that_arrives_after_its_upload_was_cancelled_is_not_kept(upload, stores):
    offer(upload, {"a.png": A})
    cancel_upload(upload_id=upload.pk, actor=STAFF)

    with pytest.raises(UploadClosed):
        send(upload, "a.png", A)

    assert incoming(stores) == []
    assert Item.objects.get().state == ItemState.CANCELLED


def test_a_full_disk_leaves_neither_bytes_nor_row(upload, stores):
    large = bytes(9_000_000)
    offer(upload, {"a.png": large})

    with files_no_larger_than(8_000_000), pytest.raises(StorageFull):
        receive_file(upload_id=upload.pk, path="a.png", parts=[large], actor=STAFF)

    assert incoming(stores) == []
    assert Item.objects.get().state == ItemState.EXPECTED


def test_many_files_are_received_in_one_transaction_and_each_refusal_costs_only_its_own(
    upload, stores, django_assert_max_num_queries
):
    files = {f"{n}.png": b"%d" % n for n in range(50)}
    offer(upload, files)
    sent = files | {"7.png": b"damaged"}
    arrived = [Arrived(path=path, stored=storage.store_incoming([data])) for path, data in sent.items()]

    with django_assert_max_num_queries(14):
        received = receive_stored(upload_id=upload.pk, files=arrived, actor=STAFF)

    assert [one.state for one in received] == ["received"] * 7 + ["rejected"] + ["received"] * 42
    assert Item.objects.filter(state=ItemState.RECEIVED).count() == 49
    assert {path.name for path in incoming(stores)} == set(
        Item.objects.exclude(incoming="").values_list("incoming", flat=True)
    )


def test_the_same_path_twice_in_one_request_is_stored_once(upload, stores):
    offer(upload, {"a.png": A})
    arrived = [Arrived(path="a.png", stored=storage.store_incoming([A])) for _ in range(2)]

    received = receive_stored(upload_id=upload.pk, files=arrived, actor=STAFF)

    assert [one.state for one in received] == ["received", "received"]
    assert len(incoming(stores)) == 1


def test_bytes_are_deleted_when_the_database_fails(upload, stores):
    offer(upload, {"a.png": A})
    arrived = [Arrived(path="a.png", stored=storage.store_incoming([A]))]

    def fail(execute, sql, params, many, context):
        if "uploads_upload" in sql:
            raise DatabaseError
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail), pytest.raises(DatabaseError):
        receive_stored(upload_id=upload.pk, files=arrived, actor=STAFF)

    assert incoming(stores) == []
