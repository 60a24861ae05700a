"""A process that dies between two transactions of one act: somebody else finishes it."""

import pytest

from screening.audit.actor import Actor
from screening.flows import acts
from screening.flows.acts import cancel_upload, seal_upload
from screening.flows.again import retry_upload
from screening.flows.integrity import find_violations
from screening.flows.receipt import receipt
from screening.results.models import Screening, ScreeningState
from screening.studies.models import StudyState
from screening.uploads.models import Archive, ArchiveState, ItemState, UploadState
from screening.uploads.storage import incoming_path
from tests.factories import ImageFactory, ItemFactory, ScreeningFactory, StudyFactory, UploadFactory
from tests.uploads.bringing import offer, send, states
from workers.upkeep import look_after

pytestmark = pytest.mark.django_db(transaction=True)
STAFF = Actor("user:1")


def killed(*_, **__):
    raise KeyboardInterrupt


def balance() -> list:
    return [found for found in find_violations(blobs=False) if found.check == "outcomes"]


def test_a_sealing_that_was_cut_off_is_finished_by_the_reconciler(monkeypatch):
    upload = UploadFactory()
    offer(upload, {"a.png": b"a", "b.png": b"b"})
    with monkeypatch.context() as broken:
        broken.setattr(acts, "_in_chunks", killed)
        with pytest.raises(KeyboardInterrupt):
            seal_upload(upload_id=upload.pk, count=2, actor=STAFF)
    assert set(states(upload).values()) == {ItemState.EXPECTED}

    look_after()

    upload.refresh_from_db()
    assert set(states(upload).values()) == {ItemState.NOT_SENT}
    assert upload.state == UploadState.FINISHED


def test_studies_of_a_cancelled_upload_do_not_wait_for_files_for_ever(monkeypatch):
    upload = UploadFactory()
    study = StudyFactory(upload=upload, state=StudyState.RECEIVING, grouping="uid:1")
    ScreeningFactory(image=ImageFactory(study=study))
    with monkeypatch.context() as broken:
        broken.setattr(acts, "settle_upload", killed)
        broken.setattr(acts, "judge_studies", lambda studies, *, actor: [])
        with pytest.raises(KeyboardInterrupt):
            cancel_upload(upload_id=upload.pk, actor=STAFF)
    study.refresh_from_db()
    assert study.state == StudyState.RECEIVING

    look_after()

    study.refresh_from_db()
    assert study.state == StudyState.INCOMPLETE


def test_a_retry_takes_each_row_once_a_few_hundred_in_a_transaction(monkeypatch):
    upload = UploadFactory(finished=True)
    for _ in range(3):
        ItemFactory(upload=upload, state=ItemState.FAILED, incoming="raw", code="storage_full")
        image = ImageFactory(study=StudyFactory(upload=upload, incomplete=True))
        ScreeningFactory(image=image, state=ScreeningState.FAILED)
    monkeypatch.setattr("screening.flows.again.AT_ONCE", 2)

    assert retry_upload(upload_id=upload.pk, actor=STAFF) == 6

    upload.refresh_from_db()
    assert upload.state == UploadState.SEALED
    assert set(states(upload).values()) == {ItemState.RECEIVED}
    assert set(Screening.objects.values_list("state", flat=True)) == {ScreeningState.WAITING}


@pytest.mark.parametrize("at_once", [200, 2])
def test_repeats_of_a_file_that_never_came_were_not_sent_either(monkeypatch, at_once):
    monkeypatch.setattr(acts, "AT_ONCE", at_once)
    upload = UploadFactory()
    offer(upload, {"p.png": b"same", "q.png": b"same", "r.png": b"same", "s.png": b"same", "t.png": b"other"})
    send(upload, "t.png", b"other")
    before = states(upload)

    seal_upload(upload_id=upload.pk, count=5, actor=STAFF)

    assert before["q.png"] == ItemState.DUPLICATE
    assert states(upload) == dict.fromkeys(["p.png", "q.png", "r.png", "s.png"], ItemState.NOT_SENT) | {
        "t.png": ItemState.RECEIVED
    }
    assert balance() == []


def test_repeats_of_a_file_whose_decoding_was_cancelled_are_cancelled():
    upload = UploadFactory()
    offer(upload, {"p.png": b"same", "q.png": b"same"})
    send(upload, "p.png", b"same")

    cancel_upload(upload_id=upload.pk, actor=STAFF)

    assert [item.outcome for item in receipt(upload, with_paths=True)] == ["cancelled", "cancelled"]
    assert balance() == []


def test_repeats_of_a_picture_that_the_site_holds_keep_its_results():
    upload = UploadFactory()
    offer(upload, {"p.png": b"same", "q.png": b"same"})
    item = upload.items.get(path="q.png")
    ImageFactory(study=StudyFactory(upload__site=upload.site), sha256=item.sha256)  # somebody else sent it meanwhile

    seal_upload(upload_id=upload.pk, count=2, actor=STAFF)

    assert states(upload) == {"p.png": ItemState.NOT_SENT, "q.png": ItemState.DUPLICATE}


@pytest.mark.parametrize(
    ("act", "cut_off"),
    [
        (seal_upload, {ArchiveState.RECEIVING}),
        (cancel_upload, {ArchiveState.RECEIVING, ArchiveState.RECEIVED}),
    ],
)
def test_bytes_of_archives_that_nobody_will_read_go_at_once(act, cut_off):
    upload = UploadFactory()
    archives = [
        Archive.objects.create(upload=upload, size=3, state=state, incoming=f"zip-{state}")
        for state in (ArchiveState.RECEIVING, ArchiveState.RECEIVED)
    ]
    for archive in archives:
        incoming_path(archive.incoming).write_bytes(b"zip")

    act(upload_id=upload.pk, actor=STAFF, **({"count": 0} if act is seal_upload else {}))

    gone = {archive.state for archive in archives if not incoming_path(archive.incoming).exists()}
    for archive in archives:
        incoming_path(archive.incoming).unlink(missing_ok=True)
    assert gone == cut_off
