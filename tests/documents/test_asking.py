"""Documents are made when somebody asks, once for the same content, and only for those who may see results."""

import os
import time
from io import BytesIO

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from pydicom import dcmread

from screening.audit.actor import Actor
from screening.flows.documents import Kind, find_or_ask, wanted
from screening.flows.purge import purge_study
from screening.queue import Call
from screening.results.models import Explanation
from screening.studies.changes import mark_changed
from screening.studies.models import Study
from screening.users.models import Role
from tests.documents.conftest import draw_all_maps, radiograph
from tests.factories import UserFactory
from tests.people.conftest import signed_in
from workers.documents import making
from workers.replacing import replace_file

NAMES = {Kind.REPORT: "api:report", Kind.HEAT_MAP: "api:heat_map_capture", Kind.FHIR: "api:fhir"}


@pytest.fixture
def calls(monkeypatch):
    """Calls that went out, which a test delivers when it wants to."""
    made: list[dict[str, str]] = []

    def publish(call, **kwargs):
        assert call == Call.MAKE_DOCUMENT
        made.append(kwargs)
        return True

    monkeypatch.setattr("screening.flows.documents.publish", publish)
    return made


@pytest.fixture
def study(screened) -> Study:
    [study] = screened({"a.dcm": radiograph(1)})
    return study


@pytest.fixture
def reader(site):
    return signed_in(UserFactory(role_at=(site, Role.REVIEWER)))


def ask(client, study, kind, **query):
    return client.get(reverse(NAMES[kind], args=[study.pk]), query)


def bytes_of(answer) -> bytes:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def deliver(calls) -> None:
    for call in calls:
        making.make_document(**call)
    calls.clear()


def test_first_answer_is_202_and_the_document_follows(study, reader, calls):
    for kind in Kind:
        first = ask(reader, study, kind)
        assert (first.status_code, first["Retry-After"]) == (202, "2")
        assert first.json()["state"] == "being made"
        deliver(calls)
        then = ask(reader, study, kind)
        assert then["Content-Type"] in {"application/dicom", "application/fhir+json"}
        assert bytes_of(then)
    assert calls == [], "what is there is not asked for again"


def test_calls_that_are_doubled_or_come_late_make_nothing_anew(study, reader, calls):
    ask(reader, study, Kind.REPORT)
    doubled = [*calls, *calls]
    deliver(calls)
    document = wanted(study, Kind.REPORT)
    before = document.path.stat().st_mtime_ns

    deliver(doubled)

    assert document.path.stat().st_mtime_ns == before


def test_a_change_of_the_study_gives_another_document_and_the_earlier_one_goes(study, reader, calls):
    ask(reader, study, Kind.REPORT)
    deliver(calls)
    before = dcmread(BytesIO(bytes_of(ask(reader, study, Kind.REPORT))))

    with transaction.atomic():
        mark_changed([(study.site_id, study.pk)])

    assert ask(reader, study, Kind.REPORT).status_code == 202
    deliver(calls)
    after = dcmread(BytesIO(bytes_of(ask(reader, study, Kind.REPORT))))
    assert before.SOPInstanceUID != after.SOPInstanceUID
    assert len(list(wanted(study, Kind.REPORT).path.parent.glob("doc.report.*"))) == 1


def test_a_document_that_a_change_overtook_while_it_was_written_does_not_stay(study, reader, calls, monkeypatch):
    written = []

    def then_the_study_changes(path, data):
        replace_file(path, data)
        if not written:
            with transaction.atomic():
                mark_changed([(study.site_id, study.pk)])
        written.append(path)

    monkeypatch.setattr(making, "replace_file", then_the_study_changes)
    making.make_document(study=str(study.pk), kind="fhir")

    overtaken, stands = written
    assert (overtaken.exists(), stands.exists()) == (False, True)


def test_a_get_writes_no_row(study, reader, calls, django_assert_max_num_queries):
    with django_assert_max_num_queries(20) as queries:
        ask(reader, study, Kind.FHIR)

    assert not [one["sql"] for one in queries if one["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


def test_document_that_cannot_be_made_is_said_so_and_tried_again_later(study, reader, calls, monkeypatch):
    def broken(_told, *, key):
        raise RuntimeError("a library's mistake")

    monkeypatch.setattr("workers.documents.report_sr.report", broken)
    ask(reader, study, Kind.REPORT)
    deliver(calls)

    refused = ask(reader, study, Kind.REPORT)
    assert (refused.status_code, refused.json()["code"]) == (409, "document_not_made")

    monkeypatch.undo()
    hour_ago = time.time() - 3600
    os.utime(wanted(study, Kind.REPORT).refusal, (hour_ago, hour_ago))
    making.make_document(study=str(study.pk), kind="report")
    assert bytes_of(ask(reader, study, Kind.REPORT))
    assert not wanted(study, Kind.REPORT).refusal.exists()


def test_without_a_broker_the_answer_is_that_it_is_away(study, reader, monkeypatch):
    monkeypatch.setattr("screening.flows.documents.publish", lambda *_, **__: False)

    assert ask(reader, study, Kind.REPORT).status_code == 503


def test_strangers_find_no_document(study, calls):
    stranger = signed_in(UserFactory())

    for kind in Kind:
        assert ask(stranger, study, kind).status_code == 404
    assert calls == []


def test_whom_the_one_deciding_function_refuses_gets_neither_document_nor_section(study, reader, monkeypatch):
    for place in ("screening.api.views.documents", "screening.review.views", "screening.review.document_views"):
        monkeypatch.setattr(f"{place}.may_take", lambda *_: False)

    assert ask(reader, study, Kind.REPORT).status_code == 404
    assert reader.get(reverse("review:documents", args=[study.pk])).status_code == 404
    assert 'id="documents"' not in reader.get(reverse("review:study", args=[study.pk])).content.decode()


def test_heat_map_can_be_named_and_one_of_another_study_is_not_found(study, reader, calls):
    drawn = Explanation.objects.get()

    assert ask(reader, study, Kind.HEAT_MAP, heat_map=str(drawn.pk)).status_code == 202
    assert ask(reader, study, Kind.HEAT_MAP, heat_map=str(study.pk)).json()["code"] == "nothing_to_tell"
    assert ask(reader, study, Kind.HEAT_MAP, heat_map="x").status_code == 400


def test_a_study_that_is_not_flagged_has_its_capture_once_a_map_was_asked_for(screened, reader, calls):
    study = next(one for one in screened({f"{n}.dcm": radiograph(n) for n in (1, 2)}) if not one.flagged)
    none = ask(reader, study, Kind.HEAT_MAP)
    row = study.screenings.select_related("model_version").get()
    wish = {"model": row.model_version.name, "label": "covid"}
    asked = reader.post(reverse("api:heat_maps", args=[row.image_id]), wish, content_type="application/json")
    draw_all_maps()

    first = ask(reader, study, Kind.HEAT_MAP)
    deliver(calls)
    capture = dcmread(BytesIO(bytes_of(ask(reader, study, Kind.HEAT_MAP))))

    assert (none.status_code, none.json()["code"]) == (409, "nothing_to_tell")
    assert (asked.status_code, first.status_code) == (202, 202)
    assert capture.ImageType[:2] == ["DERIVED", "SECONDARY"]
    assert f"covid {row.scores['covid']:.3f}" in capture.DerivationDescription


def test_a_purge_takes_the_documents_with_the_pictures(study, reader, calls):
    ask(reader, study, Kind.FHIR)
    deliver(calls)
    path = find_or_ask(wanted(study, Kind.FHIR))

    purge_study(study_id=study.pk, actor=Actor.service("test"))

    assert path is not None
    assert not path.exists()
    assert ask(reader, study, Kind.FHIR).status_code in {404, 409}


def test_page_of_the_study_asks_waits_and_offers_the_download(study, reader, calls):
    page = reader.get(reverse("review:study", args=[study.pk])).content.decode()
    assert "DICOM structured report" in page
    place = reverse("review:documents", args=[study.pk])

    asked = reader.post(place, {"kind": "report"}).content.decode()
    assert "is being made" in asked
    assert "asked=report" in asked
    deliver(calls)

    ready = reader.get(place, {"asked": "report"}).content.decode()
    assert reverse("api:report", args=[study.pk]) in ready
    assert "hx-trigger" not in ready
    assert reader.post(place, {"kind": "nonsense"}).status_code == 404


def test_a_reader_who_is_to_answer_blindly_gets_no_document_before_the_answer(study, reader, site, calls):
    site.blinded_since = timezone.now()
    site.save()

    for kind in Kind:
        assert ask(reader, study, kind).status_code == 404
    assert calls == []
