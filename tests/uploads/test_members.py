import pytest

from screening.audit.models import AuditEvent
from screening.errors import LeaseLost
from screening.flows import members
from screening.flows.acts import cancel_upload
from screening.flows.integrity import find_violations
from screening.flows.receiving import Member, Part, admit_members, finish_archive, receive_archive_part
from screening.results.models import Screening
from screening.uploads import storage
from screening.uploads.leases import claim_archive, release_archives
from screening.uploads.models import Archive, ArchiveState, Item, ItemState, Upload, UploadState
from tests.factories import ModelVersionFactory, UploadFactory
from tests.stores import incoming
from tests.uploads.bringing import STAFF, limit, offer, send, sha256, states
from tests.uploads.test_offering import stored

pytestmark = pytest.mark.django_db
A, B = b"picture a", b"picture b"


@pytest.fixture
def upload(stores):
    return UploadFactory(models_chosen=[ModelVersionFactory().name])


@pytest.fixture
def held(upload):
    """An archive in the hands of a worker: its lease and its key."""
    receive_archive_part(upload_id=upload.pk, part=Part(start=0, length=3, total=3), parts=[b"zip"], actor=STAFF)
    Upload.objects.update(state=UploadState.SEALED)
    lease, archive = claim_archive()
    return {"lease": lease, "archive_id": archive.pk}


def member(path, data=A, code=""):
    if code:
        return Member(path=path, size=len(data), code=code)
    return Member(path=path, size=len(data), sha256=sha256(data), incoming=storage.store_incoming([data]).name)


def test_members_become_items_that_wait_for_their_decoding(upload, held, stores):
    admit_members(**held, members=[member("ward/a.png", A), member("ward/b.png", B)])

    items = list(Item.objects.order_by("path"))
    assert [(item.path, item.state, item.archive_id) for item in items] == [
        ("ward/a.png", "received", held["archive_id"]),
        ("ward/b.png", "received", held["archive_id"]),
    ]
    assert {item.incoming for item in items} < {path.name for path in incoming(stores)}
    assert list(find_violations()) == []


def test_a_refused_member_is_an_item_with_its_code(upload, held):
    admit_members(**held, members=[member("bomb.png", code="archive_ratio"), member("../up.png")])

    assert dict(Item.objects.values_list("path", "code")) == {"bomb.png": "archive_ratio", "../up.png": "path_unsafe"}
    assert states(upload) == {"bomb.png": "rejected", "../up.png": "rejected"}


def test_the_same_members_again_change_nothing_and_their_bytes_go(upload, held, stores):
    admit_members(**held, members=[member("a.png"), member("link", code="archive_link")])
    before = list(Item.objects.order_by("pk").values())
    kept = incoming(stores)

    admit_members(**held, members=[member("a.png"), member("link", code="archive_link")])

    assert list(Item.objects.order_by("pk").values()) == before
    assert incoming(stores) == kept


def test_bytes_that_the_site_holds_are_duplicates_and_the_missing_models_are_asked(upload, held, stores):
    image, first = stored(upload.site, A)
    before = incoming(stores)

    admit_members(**held, members=[member("a.png")])

    item = Item.objects.get(upload=upload)
    assert (item.state, item.duplicate_of, item.study_id) == (ItemState.DUPLICATE, first, image.study_id)
    assert Screening.objects.get().image == image
    assert incoming(stores) == before


def test_the_same_bytes_twice_in_an_archive_are_decoded_once(upload, held):
    admit_members(**held, members=[member("a.png"), member("copy.png")])

    assert states(upload) == {"a.png": "received", "copy.png": "duplicate"}


def test_a_member_brings_the_bytes_that_were_offered_under_its_path(stores):
    upload = UploadFactory()
    offer(upload, {"a.png": A})
    receive_archive_part(upload_id=upload.pk, part=Part(start=0, length=3, total=3), parts=[b"zip"], actor=STAFF)
    lease, archive = claim_archive()

    admit_members(lease=lease, archive_id=archive.pk, members=[member("a.png")])

    item = Item.objects.get()
    assert (item.state, item.archive_id) == (ItemState.RECEIVED, None)
    assert storage.incoming_path(item.incoming).read_bytes() == A


def test_a_member_whose_path_has_other_bytes_stands_on_the_receipt_with_its_reason(upload, held, stores):
    admit_members(**held, members=[member("a.png", A)])

    admit_members(**held, members=[member("a.png", B), member("a.png", B)])

    codes = sorted(Item.objects.values_list("path", "state", "code"))
    assert codes == [("a.png", "received", ""), ("a.png", "rejected", "path_twice")]


def test_a_file_that_was_sent_while_the_member_was_unpacked_is_received_once(stores, monkeypatch):
    upload = UploadFactory()
    offer(upload, {"a.png": A})
    receive_archive_part(upload_id=upload.pk, part=Part(start=0, length=3, total=3), parts=[b"zip"], actor=STAFF)
    lease, archive = claim_archive()
    decide = members._decide

    def sent_meanwhile(*args):
        plan = decide(*args)
        send(upload, "a.png", A)
        return plan

    monkeypatch.setattr(members, "_decide", sent_meanwhile)
    admit_members(lease=lease, archive_id=archive.pk, members=[member("a.png")])

    item = Item.objects.get()
    assert item.state == ItemState.RECEIVED
    assert {path.name for path in incoming(stores)} == {item.incoming, archive.incoming}
    assert AuditEvent.objects.filter(action="item:received").count() == 1


def test_members_beyond_the_limit_of_the_upload_are_refused_one_by_one(upload, held, settings):
    limit(settings, files=1)

    admit_members(**held, members=[member("a.png", A), member("b.png", B)])

    assert states(upload) == {"a.png": "received", "b.png": "rejected"}


def test_a_worker_that_lost_its_lease_admits_nothing_and_leaves_no_bytes(upload, held, stores):
    before = incoming(stores)
    release_archives(held["lease"])

    with pytest.raises(LeaseLost):
        admit_members(**held, members=[member("a.png")])

    assert not Item.objects.exists()
    assert incoming(stores) == before


def test_members_of_a_cancelled_upload_are_not_admitted(upload, held):
    cancel_upload(upload_id=upload.pk, actor=STAFF)

    with pytest.raises(LeaseLost):
        admit_members(**held, members=[member("a.png")])

    assert not Item.objects.exists()


def test_an_archive_that_was_unpacked_leaves_no_bytes_and_lets_the_upload_finish(upload, held, stores):
    admit_members(**held, members=[member("link", code="archive_link")])

    finish_archive(**held)

    upload.refresh_from_db()
    assert Archive.objects.get().state == ArchiveState.EXPANDED
    assert incoming(stores) == []
    assert upload.state == UploadState.FINISHED
    assert list(find_violations()) == []


def test_an_archive_that_cannot_be_read_is_rejected_with_its_code(upload, held, stores):
    finish_archive(**held, code="archive_unreadable")

    archive = Archive.objects.get()
    assert (archive.state, archive.code) == (ArchiveState.REJECTED, "archive_unreadable")
    assert incoming(stores) == []


def test_an_archive_is_finished_by_its_holder_alone(upload, held, stores):
    release_archives(held["lease"])

    with pytest.raises(LeaseLost):
        finish_archive(**held)

    assert Archive.objects.get().state == ArchiveState.RECEIVED
    assert len(incoming(stores)) == 1
