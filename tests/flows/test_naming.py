"""One rule for side tables, whether their rows or the files came first."""

import csv
import io

import pytest

from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import verify_chain
from screening.flows.receipt import receipt
from screening.flows.receipt_forms import as_json, receipt_csv
from screening.flows.references import ReferenceRow, record_references
from screening.flows.settle import settle_upload
from screening.studies.models import Study
from screening.studies.values import ItemOutcome
from screening.uploads.models import ItemState, UploadState
from screening.uploads.paths import digest
from tests.factories import ItemFactory, SiteFactory, UploadFactory
from tests.flows.test_ingested import decoded, ingest
from tests.uploads.bringing import STAFF

pytestmark = pytest.mark.django_db
FIRST = {"rows first": True, "files first": False}
both_orders = pytest.mark.parametrize("rows_first", FIRST.values(), ids=FIRST)


@pytest.fixture
def site():
    return SiteFactory()


def name(upload, path, external_id="", label="") -> list[str]:
    rows = [ReferenceRow(path=path, external_id=external_id, label=label)]
    return [one.code for one in record_references(upload_id=upload.pk, rows=rows, actor=STAFF).refused]


def bring(site, path, external_id="", label="", *, rows_first, bytes_of=None, **header):
    """An upload of one file with its table, in one order or the other: its item and the refusals."""
    upload, refused = UploadFactory(site=site), []
    if rows_first:
        refused = name(upload, path, external_id, label)
    received = {"sha256": bytes_of.sha256} if bytes_of else {}
    item = ItemFactory(upload=upload, received=True, path=path, path_digest=digest(path), **received)
    ingest(ItemOutcome(item_id=item.pk, file=decoded(**header)))
    if not rows_first:
        refused = name(upload, path, external_id, label)
    upload.state = UploadState.SEALED
    upload.save()
    assert settle_upload(upload.pk)
    item.refresh_from_db()
    return item, refused


def notes_of(item) -> list[str]:
    [got] = receipt(item.upload, with_paths=True)
    [line] = csv.DictReader(io.StringIO("".join(receipt_csv(item.upload, with_paths=True))))
    assert line["notes"] == " ".join(got.notes)
    assert as_json(got, with_paths=True)["notes"] == got.notes
    return got.notes


def ids() -> set[str | None]:
    return set(Study.objects.values_list("external_id", flat=True))


@both_orders
def test_an_identifier_of_another_study_is_not_given_again_and_the_receipt_says_so(site, rows_first):
    bring(site, "p.dcm", "EX1", rows_first=rows_first)
    second, refused = bring(site, "q.dcm", "EX1", rows_first=rows_first)

    assert refused == ([] if rows_first else ["external_id_taken"])
    assert (second.state, notes_of(second)) == (ItemState.ACCEPTED, ["external_id_taken"])
    assert ids() == {"EX1", None}


@both_orders
def test_the_same_bytes_in_another_upload_do_not_rename_the_study(site, rows_first):
    first, _ = bring(site, "p.dcm", "EX1", "covid", rows_first=rows_first)
    third, refused = bring(site, "r.dcm", "EX9", "normal", rows_first=rows_first, bytes_of=first)

    assert refused == ([] if rows_first else ["external_id_kept"])
    assert (third.state, notes_of(third)) == (ItemState.DUPLICATE, ["external_id_kept"])
    study = Study.objects.get()
    assert (study.external_id, study.reference_label) == ("EX1", "covid")
    assert notes_of(first) == []


@both_orders
def test_a_label_that_another_upload_gave_is_kept_and_the_receipt_says_so(site, rows_first):
    first, _ = bring(site, "p.dcm", "", "covid", rows_first=rows_first)
    second, refused = bring(site, "r.dcm", "EX9", "normal", rows_first=rows_first, bytes_of=first)

    assert refused == ([] if rows_first else ["label_kept"])
    assert notes_of(second) == ["label_kept"]
    study = Study.objects.get()
    assert (study.external_id, study.reference_label) == (None, "covid")


@both_orders
def test_a_study_without_an_identifier_gets_it_from_an_upload_of_the_same_bytes(site, rows_first):
    first, _ = bring(site, "p.dcm", rows_first=rows_first)
    second, refused = bring(site, "r.dcm", "EX9", rows_first=rows_first, bytes_of=first)

    assert (ids(), refused, notes_of(second)) == ({"EX9"}, [], [])
    assert Study.objects.get().change_number > 1


def test_a_repeat_within_an_upload_leads_its_row_to_the_study_of_the_first(site):
    upload = UploadFactory(site=site)
    items = [
        ItemFactory(upload=upload, received=True, path=path, path_digest=digest(path), sha256="e" * 64)
        for path in ("a.dcm", "b.dcm")
    ]
    ingest(*(ItemOutcome(item_id=item.pk, file=decoded()) for item in items))

    assert name(upload, "a.dcm", "EX1") == []
    assert name(upload, "b.dcm", "EX1") == []
    assert ids() == {"EX1"}


def test_the_upload_that_brought_a_study_names_it_anew_and_the_study_tells_that_it_did(site):
    first, _ = bring(site, "p.dcm", "EX1", rows_first=True)
    bring(site, "r.dcm", "EX9", rows_first=False, bytes_of=first)

    assert name(first.upload, "p.dcm", "EX2") == []

    assert ids() == {"EX2"}
    events = AuditEvent.objects.filter(action="study:named").order_by("seq")
    assert [event.detail for event in events] == [
        {"upload": str(first.upload_id), "anew": False},
        {"upload": str(first.upload_id), "anew": True},
    ]
    assert {event.chain for event in events} == {f"study:{first.study_id}"}
    assert verify_chain(ChainKind.STUDY, first.study_id).intact


def test_an_upload_that_adds_a_picture_to_a_study_does_not_rename_it(site):
    first, _ = bring(site, "p.dcm", "EX1", rows_first=True, study_uid="2.25.1", instance_uid="2.25.2")
    second, refused = bring(
        site, "r.dcm", "EX9", rows_first=False, pixels="y", study_uid="2.25.1", instance_uid="2.25.3"
    )

    assert second.study_id == first.study_id
    assert (refused, ids(), notes_of(second)) == (["external_id_kept"], {"EX1"}, ["external_id_kept"])


def test_files_of_one_study_with_two_identifiers_in_a_table_give_it_the_first_and_a_refusal_each_time(site):
    upload = UploadFactory(site=site)
    paths = [f"{number:03}.dcm" for number in range(1, 203)]  # more than one transaction
    items = [ItemFactory(upload=upload, accepted=True, path=path, path_digest=digest(path)) for path in paths]
    study = Study.objects.create(site=site, upload=upload, grouping="uid:1", modality="ct")
    for item in items:
        item.study_id = study.pk
        item.save()
    rows = [ReferenceRow(path=path, external_id="EX1" if path < "150" else "EX2") for path in paths]

    for _ in range(2):
        refused = record_references(upload_id=upload.pk, rows=rows, actor=STAFF).refused

        assert [(one.row, one.code) for one in refused] == [(n, "external_id_kept") for n in range(149, 202)]
        assert ids() == {"EX1"}
