import pytest

from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import verify_chain
from screening.errors import LimitExceeded, UploadClosed
from screening.flows.integrity import find_violations
from screening.flows.offering import Offered, check_files
from screening.results.models import Screening
from screening.uploads.models import Item, ItemState
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
)
from tests.uploads.bringing import limit, offer, offered, send, sha256, states

pytestmark = pytest.mark.django_db
A, B = b"picture a", b"picture b"


@pytest.fixture
def version():
    return ModelVersionFactory()


@pytest.fixture
def upload(version):
    return UploadFactory(models_chosen=[version.name])


def stored(site, data: bytes, upload=None):
    """Bytes that the site holds, and the item that brought them."""
    study = StudyFactory(upload=upload or UploadFactory(site=site, sealed=True), ready=True)
    item = ItemFactory(upload=study.upload, accepted=True, sha256=sha256(data), study_id=study.pk)
    return ImageFactory(study=study, sha256=sha256(data)), item


def test_bytes_that_the_site_lacks_are_missing(upload):
    [checked] = offer(upload, {"ward/a.png": A})

    item = Item.objects.get()
    assert (checked.path, checked.state, checked.code, checked.item) == ("ward/a.png", "missing", "", item.pk)
    assert (item.state, item.size, item.sha256) == (ItemState.EXPECTED, len(A), sha256(A))


def test_answers_stand_in_the_order_of_the_question_under_the_paths_as_they_were_written(upload):
    checked = offer(upload, {"z\\b.png": B, "../up": A, "a.png": A})

    assert [one.path for one in checked] == ["z\\b.png", "../up", "a.png"]
    assert [one.state for one in checked] == ["missing", "rejected", "missing"]


def test_bytes_that_the_site_holds_are_a_duplicate_and_the_missing_models_are_asked(upload, version):
    image, first = stored(upload.site, A)

    [checked] = offer(upload, {"again.png": A})

    item = Item.objects.get(upload=upload)
    assert checked.state == "duplicate"
    assert (item.state, item.duplicate_of, item.study_id) == (ItemState.DUPLICATE, first, image.study_id)
    screening = Screening.objects.get()
    assert (screening.image, screening.model_version, screening.upload) == (image, version, upload)


def test_a_duplicate_that_every_model_has_seen_asks_none(upload, version):
    image, _ = stored(upload.site, A)
    ScreeningFactory(image=image, model_version=version, scored=True)

    offer(upload, {"again.png": A})

    assert Screening.objects.count() == 1


def test_what_another_site_holds_is_missing_here(upload):
    stored(UploadFactory().site, A)

    [checked] = offer(upload, {"a.png": A})

    assert checked.state == "missing"


def test_the_same_bytes_twice_in_an_upload_are_sent_once(upload):
    first, second = offer(upload, {"a.png": A, "copy/a.png": A})

    assert (first.state, second.state) == ("missing", "duplicate")
    assert Item.objects.get(pk=second.item).duplicate_of_id == first.item


def test_the_same_bytes_in_a_later_check_are_a_duplicate_of_the_file_that_is_coming(upload):
    [first] = offer(upload, {"a.png": A})

    [second] = offer(upload, {"copy/a.png": A})

    assert second.state == "duplicate"
    assert Item.objects.get(pk=second.item).duplicate_of_id == first.item


def test_offering_the_same_file_again_changes_nothing(upload, stores):
    offer(upload, {"a.png": A, "b.png": B, "c.png": A})
    send(upload, "b.png", B)
    before = list(Item.objects.order_by("pk").values())
    events = AuditEvent.objects.count()

    checked = offer(upload, {"a.png": A, "b.png": B, "c.png": A})

    assert [one.state for one in checked] == ["missing", "received", "duplicate"]
    assert list(Item.objects.order_by("pk").values()) == before
    assert AuditEvent.objects.count() == events


def test_the_same_path_twice_in_one_check_is_one_item(upload):
    checked = check_files(upload_id=upload.pk, files=[offered("a.png", A), offered("./a.png", A)])

    assert [one.state for one in checked] == ["missing", "missing"]
    assert checked[0].item == checked[1].item
    assert Item.objects.count() == 1


def test_a_path_that_has_other_bytes_already_is_refused_and_the_item_stays_as_it_was(upload):
    [first] = offer(upload, {"a.png": A})

    [second] = offer(upload, {"a.png": B})

    assert (second.state, second.code, second.item) == ("rejected", "path_twice", None)
    assert Item.objects.get().sha256 == sha256(A)
    assert Item.objects.get().pk == first.item


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (Offered(path="a.png", size=0, sha256=sha256(b"")), "empty_file"),
        (Offered(path="a.png", size=2**50, sha256="a" * 64), "too_large"),
        (Offered(path="../a.png", size=1, sha256="a" * 64), "path_unsafe"),
        (Offered(path="a\x00.png", size=1, sha256="a" * 64), "path_unsafe"),
        (Offered(path="\ud800.png", size=1, sha256="a" * 64), "path_unsafe"),
        (Offered(path="", size=1, sha256="a" * 64), "path_unsafe"),
        (Offered(path="x" * 2000, size=1, sha256="a" * 64), "path_too_long"),
    ],
    ids=["empty", "large", "climbing", "nul", "surrogate", "nameless", "long"],
)
def test_a_file_that_cannot_be_taken_is_refused_with_its_reason_and_stands_on_the_receipt(upload, file, code):
    [checked] = check_files(upload_id=upload.pk, files=[file])

    item = Item.objects.get()
    assert (checked.state, checked.code) == ("rejected", code)
    assert checked.message
    assert checked.what_to_do
    assert (item.state, item.code, item.done_at is not None) == (ItemState.REJECTED, code, True)


def test_refused_and_duplicate_files_are_audited_and_the_chain_is_whole(upload):
    offer(upload, {"a.png": A, "copy.png": A, "": b"", "b.png": B})

    actions = list(AuditEvent.objects.filter(chain=f"upload:{upload.pk}").values_list("action", flat=True))
    assert sorted(actions) == ["item:duplicate", "item:rejected"]
    assert verify_chain(ChainKind.UPLOAD, upload.pk).intact
    assert list(find_violations()) == []


def test_a_thousand_files_are_checked_in_one_call_and_one_more_is_refused(upload):
    files = [Offered(path=f"{n}.png", size=1, sha256=f"{n:064x}") for n in range(1001)]

    with pytest.raises(LimitExceeded):
        check_files(upload_id=upload.pk, files=files)

    assert not Item.objects.exists()
    assert len(check_files(upload_id=upload.pk, files=files[:1000])) == 1000
    assert Item.objects.count() == 1000


def test_files_beyond_the_limit_of_an_upload_are_refused_and_nothing_changes(upload, settings):
    limit(settings, files=2)
    offer(upload, {"a.png": A, "b.png": B})

    with pytest.raises(LimitExceeded, match="at most 2"):
        offer(upload, {"c.png": b"c"})

    assert states(upload) == {"a.png": "expected", "b.png": "expected"}
    assert [one.state for one in offer(upload, {"a.png": A, "b.png": B})] == ["missing", "missing"]


@pytest.mark.parametrize("state", ["sealed", "finished"])
def test_a_closed_upload_takes_no_offers(version, state):
    upload = UploadFactory(**{state: True})

    with pytest.raises(UploadClosed):
        offer(upload, {"a.png": A})

    assert not Item.objects.exists()


def test_offered_is_the_sum_over_states_after_every_kind_of_answer(upload, stores):
    stored(upload.site, b"known")
    offer(upload, {"a.png": A, "copy.png": A, "known.png": b"known", "../x": B, "empty": b""})
    send(upload, "a.png", A)

    assert states(upload) == {
        "../x": "rejected",
        "a.png": "received",
        "copy.png": "duplicate",
        "empty": "rejected",
        "known.png": "duplicate",
    }
