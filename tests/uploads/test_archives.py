import hashlib
import os
import stat

import pytest

from screening.errors import (
    BadOffset,
    HashMismatch,
    IncompletePart,
    LimitExceeded,
    StorageFull,
    UploadClosed,
)
from screening.flows.receiving import Part, archive_offset, receive_archive_part
from screening.uploads import storage
from screening.uploads.models import Archive, ArchiveState, Upload
from tests.factories import UploadFactory
from tests.stores import incoming
from tests.uploads.bringing import STAFF, limit
from tests.uploads.test_storage import files_no_larger_than

pytestmark = pytest.mark.django_db
ZIP = os.urandom(1000)


@pytest.fixture
def upload(stores):
    return UploadFactory()


def send(upload, start, end, *, data=ZIP, body=None, sha256=""):
    part = Part(start=start, length=end - start, total=len(data), sha256=sha256)
    pieces = [data[start:end]] if body is None else body
    return receive_archive_part(upload_id=upload.pk, part=part, parts=pieces, actor=STAFF)


def bytes_of(archive):
    return storage.incoming_path(archive.incoming).read_bytes()


def test_an_archive_arrives_in_parts_and_waits_for_a_worker_once_it_is_whole(upload):
    assert send(upload, 0, 400).offset == 400
    assert archive_offset(upload.pk).offset == 400
    assert send(upload, 400, 999).offset == 999

    progress = send(upload, 999, 1000)

    archive = Archive.objects.get()
    assert (progress.offset, progress.state) == (1000, ArchiveState.RECEIVED)
    assert archive.state == ArchiveState.RECEIVED
    assert bytes_of(archive) == ZIP
    assert stat.S_IMODE(storage.incoming_path(archive.incoming).stat().st_mode) == 0o600
    assert archive_offset(upload.pk) is None


@pytest.mark.parametrize(("start", "end"), [(300, 400), (500, 600), (999, 1000)])
def test_a_part_that_does_not_follow_what_is_stored_is_refused(upload, start, end):
    send(upload, 0, 400)

    with pytest.raises(BadOffset):
        send(upload, start, end)

    assert archive_offset(upload.pk).offset == 400
    assert bytes_of(Archive.objects.get()) == ZIP[:400]


def test_a_part_of_an_archive_of_another_size_is_refused(upload):
    send(upload, 0, 400)

    with pytest.raises(BadOffset):
        send(upload, 400, 500, data=ZIP + b"more")

    assert archive_offset(upload.pk).size == 1000


def test_an_archive_begins_with_its_first_byte(upload, stores):
    with pytest.raises(BadOffset):
        send(upload, 10, 20)

    assert not Archive.objects.exists()
    assert incoming(stores) == []


def test_a_part_at_zero_begins_anew_with_the_same_archive_or_another(upload, stores):
    send(upload, 0, 400)
    other = os.urandom(700)

    send(upload, 0, 300, data=other)
    send(upload, 300, 700, data=other)

    archive = Archive.objects.get()
    assert (archive.size, archive.state) == (700, ArchiveState.RECEIVED)
    assert bytes_of(archive) == other
    assert [path.name for path in incoming(stores)] == [archive.incoming]


def test_a_new_beginning_that_breaks_off_spoils_nothing_of_what_was_stored(upload, stores):
    send(upload, 0, 400)

    with pytest.raises(IncompletePart):
        send(upload, 0, 300, body=[b"short"])

    send(upload, 400, 1000)
    assert bytes_of(Archive.objects.get()) == ZIP
    assert len(incoming(stores)) == 1


def broken_off():
    yield ZIP[400:450]
    raise ConnectionResetError


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ([ZIP[400:450]], IncompletePart),
        ([ZIP[400:500], b"more"], IncompletePart),
        ([], IncompletePart),
        (broken_off(), ConnectionResetError),
    ],
    ids=["short", "long", "empty", "broken off"],
)
def test_of_a_part_that_is_not_whole_nothing_is_kept_and_it_can_be_sent_again(upload, body, error):
    send(upload, 0, 400)

    with pytest.raises(error):
        send(upload, 400, 500, body=body)

    assert archive_offset(upload.pk).offset == 400
    assert bytes_of(Archive.objects.get()) == ZIP[:400]
    assert send(upload, 400, 1000).state == ArchiveState.RECEIVED
    assert bytes_of(Archive.objects.get()) == ZIP


def test_a_first_part_that_breaks_off_leaves_neither_row_nor_file(upload, stores):
    with pytest.raises(IncompletePart):
        send(upload, 0, 400, body=[b"short"])

    assert not Archive.objects.exists()
    assert incoming(stores) == []


def test_a_part_is_compared_with_its_digest(upload, stores):
    with pytest.raises(HashMismatch):
        send(upload, 0, 400, sha256="0" * 64)

    assert incoming(stores) == []
    assert send(upload, 0, 400, sha256=hashlib.sha256(ZIP[:400]).hexdigest()).offset == 400


def test_a_last_part_whose_answer_was_lost_is_answered_again(upload):
    send(upload, 0, 400)
    send(upload, 400, 1000)

    again = send(upload, 400, 1000)

    assert (again.offset, again.state) == (1000, ArchiveState.RECEIVED)
    assert Archive.objects.count() == 1


def test_an_archive_over_the_limit_is_refused_before_a_byte_is_stored(upload, stores, settings):
    limit(settings, archive_bytes=999)

    with pytest.raises(LimitExceeded):
        send(upload, 0, 400)

    assert incoming(stores) == []


@pytest.mark.parametrize(("start", "length"), [(0, 0), (0, 1001), (900, 101), (-1, 5)])
def test_a_range_outside_the_archive_is_refused(upload, stores, start, length):
    with pytest.raises(BadOffset):
        receive_archive_part(
            upload_id=upload.pk, part=Part(start=start, length=length, total=1000), parts=[b"x"], actor=STAFF
        )

    assert incoming(stores) == []


def test_a_full_disk_keeps_what_was_stored_before_and_nothing_of_the_part(upload):
    large = bytes(9_000_000)
    send(upload, 0, 1_000_000, data=large)

    with files_no_larger_than(8_000_000), pytest.raises(StorageFull):
        send(upload, 1_000_000, 9_000_000, data=large)

    assert archive_offset(upload.pk).offset == 1_000_000
    assert len(bytes_of(Archive.objects.get())) == 1_000_000


def test_while_one_part_is_written_another_is_refused(upload):
    send(upload, 0, 400)

    def meanwhile():
        yield ZIP[400:450]
        with pytest.raises(BadOffset, match="being written"):
            send(upload, 400, 500)
        yield ZIP[450:500]

    assert send(upload, 400, 500, body=meanwhile()).offset == 500


def test_a_closed_upload_takes_no_part(upload, stores):
    Upload.objects.update(state="sealed")

    with pytest.raises(UploadClosed):
        send(upload, 0, 400)

    assert incoming(stores) == []


def test_an_upload_that_was_sealed_while_the_part_arrived_keeps_nothing_of_it(upload, stores):
    def sealed_meanwhile():
        yield ZIP[:200]
        Upload.objects.update(state="sealed")
        yield ZIP[200:400]

    with pytest.raises(UploadClosed):
        send(upload, 0, 400, body=sealed_meanwhile())

    assert not Archive.objects.exists()
    assert incoming(stores) == []


def test_two_archives_may_come_one_after_the_other(upload):
    send(upload, 0, 1000)
    send(upload, 0, 1000)

    assert Archive.objects.filter(state=ArchiveState.RECEIVED).count() == 2
