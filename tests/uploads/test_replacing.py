"""A corrected file stands for one failure of the upload that it corrects, told by path, and never for two."""

import csv
from io import StringIO

import pytest

from screening.errors import KeyReused, NotCorrectable
from screening.flows.offering import open_upload
from screening.flows.purge import purge_upload
from screening.flows.receipt import receipt
from screening.flows.receipt_forms import receipt_csv
from screening.flows.replacing import failures_csv
from screening.uploads.models import Item, ItemState, Upload
from screening.users.models import Role
from tests.factories import ItemFactory, ModelVersionFactory, SiteFactory, UploadFactory, UserFactory
from tests.uploads.bringing import STAFF, offer

pytestmark = pytest.mark.django_db


@pytest.fixture
def site():
    return SiteFactory()


@pytest.fixture
def user(site):
    return UserFactory(role_at=(site, Role.STAFF))


@pytest.fixture
def first(site):
    ModelVersionFactory()
    return UploadFactory(site=site, finished=True)


@pytest.fixture
def second(site, user, first):
    return open_upload(site=site, user=user, name="", models=[], corrects=first)


def failed(upload: Upload, *paths: str, **more) -> list[Item]:
    told = {"state": ItemState.REJECTED, "code": "truncated"} | more
    return [ItemFactory(upload=upload, path=path, **told) for path in paths]


def replaced(upload: Upload) -> dict[str, str]:
    rows = Item.objects.filter(upload=upload, replaces__isnull=False)
    return dict(rows.values_list("path", "replaces__path"))


@pytest.mark.parametrize(
    "sent",
    ["ward/7/scan.dcm", "ward/7/scan.png", "corrected/scan.dcm", "scan.png", "ward\\7\\scan.dcm"],
    ids=["the same path", "another ending", "another folder", "both", "another way to write it"],
)
def test_a_corrected_file_is_matched_with_its_failure(first, second, sent):
    failed(first, "ward/7/scan.dcm", "ward/8/other.dcm")

    offer(second, {sent: b"corrected"})

    assert list(replaced(second).values()) == ["ward/7/scan.dcm"]


def test_a_name_that_two_failures_have_says_nothing(first, second):
    failed(first, "a/scan.dcm", "b/scan.dcm")

    offer(second, {"scan.dcm": b"which?", "b/scan.dcm": b"this one"})

    assert replaced(second) == {"b/scan.dcm": "b/scan.dcm"}


def test_no_failure_is_replaced_twice_in_one_upload_and_the_better_fit_has_it(first, second):
    failed(first, "a/scan.bmp")

    offer(second, {"scan.png": b"one", "a/scan.png": b"two"})
    offer(second, {"b/scan.png": b"three"})

    assert replaced(second) == {"a/scan.png": "a/scan.bmp"}


def test_what_was_accepted_or_belongs_to_another_upload_is_replaced_by_nothing(first, second):
    failed(first, "good.png", state=ItemState.ACCEPTED, code="")
    failed(UploadFactory(site=first.site), "elsewhere.png")

    offer(second, {"good.png": b"new", "elsewhere.png": b"new too"})

    assert replaced(second) == {}


def test_an_upload_that_corrects_nothing_replaces_nothing(first, site, user):
    failed(first, "scan.png")
    third = open_upload(site=site, user=user, name="", models=[])

    offer(third, {"scan.png": b"corrected"})

    assert replaced(third) == {}


def test_a_failure_can_be_corrected_again(first, second, site, user):
    failed(first, "scan.png")
    offer(second, {"scan.png": b"still broken"})
    third = open_upload(site=site, user=user, name="", models=[], corrects=first)

    offer(third, {"scan.png": b"whole"})

    assert replaced(second) == replaced(third) == {"scan.png": "scan.png"}
    [line] = receipt(first, with_paths=True)
    assert line.replaced_by is not None
    assert line.replaced_by.upload == third.pk


def test_both_receipts_tell_it(first, second):
    [failure] = failed(first, "ward/scan.dcm")
    offer(second, {"ward/scan.png": b"corrected"})
    correction = Item.objects.get(upload=second)

    [before], [after] = receipt(first, with_paths=True), receipt(second, with_paths=True)

    assert (before.replaced_by.item, before.replaced_by.path) == (correction.pk, "ward/scan.png")
    assert (after.replaces.item, after.replaces.path, after.replaces.code) == (failure.pk, "ward/scan.dcm", "truncated")
    [row] = csv.DictReader(StringIO("".join(receipt_csv(second, with_paths=True))))
    assert (row["replaces"], row["replaced_by"]) == ("ward/scan.dcm", "")


def test_a_receipt_without_paths_names_no_path_of_the_other_upload(first, second):
    failed(first, "ward/scan.dcm")
    offer(second, {"ward/scan.png": b"corrected"})

    for upload in (first, second):
        assert "scan" not in "".join(receipt_csv(upload, with_paths=False))
    assert "scan.png" not in "".join(receipt_csv(first, with_paths=True))  # who sent the correction may be another


def test_the_failures_say_what_to_do_and_what_replaced_them(first, second):
    failed(first, "a.dcm", "b.dcm")
    failed(first, "=late.dcm", state=ItemState.NOT_SENT, code="")
    failed(first, "good.dcm", state=ItemState.ACCEPTED, code="")
    offer(second, {"a.png": b"corrected"})

    rows = list(csv.DictReader(StringIO("".join(failures_csv(first)))))

    assert [(row["path"], row["outcome"]) for row in rows] == [
        ("'=late.dcm", "not_sent"),
        ("a.dcm", "rejected"),
        ("b.dcm", "rejected"),
    ]
    assert all(row["message"] and row["what_to_do"] for row in rows)
    assert [(row["replaced_by"], row["replaced_by_outcome"]) for row in rows] == [
        ("", ""),
        ("a.png", "expected"),
        ("", ""),
    ]


def test_when_the_first_upload_is_deleted_the_link_stays_and_its_path_is_gone(first, second):
    failed(first, "ward/scan.dcm")
    offer(second, {"ward/scan.png": b"corrected"})

    purge_upload(upload_id=first.pk, actor=STAFF)

    [line] = receipt(second, with_paths=True)
    assert line.replaces is not None
    assert line.replaces.path is None
    assert list(failures_csv(first))[1:] == []


def test_what_is_gone_or_of_another_site_is_not_corrected(first, user):
    with pytest.raises(NotCorrectable):
        open_upload(site=SiteFactory(), user=user, name="", models=[], corrects=first)
    purge_upload(upload_id=first.pk, actor=STAFF)
    first.refresh_from_db()

    with pytest.raises(NotCorrectable):
        open_upload(site=first.site, user=user, name="", models=[], corrects=first)


def test_a_key_that_came_with_another_upload_to_correct_is_refused(first, site, user):
    open_upload(site=site, user=user, name="", models=[], idempotency_key="k", corrects=first)

    with pytest.raises(KeyReused):
        open_upload(site=site, user=user, name="", models=[], idempotency_key="k")
