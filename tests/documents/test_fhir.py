"""The FHIR bundle: its structure, what it never says, and the numbers read back."""

import json
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from ml.vocabulary import DISCLAIMER
from screening.audit.actor import Actor
from screening.results.models import ScreeningState
from screening.results.selectors import flag_word
from screening.review.models import Answer
from screening.review.services import AnswerIn, record_review
from screening.users.models import Role
from tests.documents.conftest import inverted, radiograph, twenty
from tests.factories import UserFactory
from workers.documents import fhir, reading

Resource = dict[str, Any]


def bundle_of(study) -> tuple[reading.Told, dict[str, list[Resource]]]:
    told = reading.read(study)
    data = fhir.bundle(told, key="k")
    Bundle.model_validate_json(data)  # the structure of R4B, which is R4's for these resources
    by_kind: dict[str, list[Resource]] = {}
    for entry in json.loads(data)["entry"]:
        by_kind.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return told, by_kind


def code(concept: Resource) -> str:
    return concept["coding"][0]["code"]


def test_bundles_of_twenty_studies_are_whole_and_their_numbers_are_those_of_the_rows(screened):
    for study in screened(twenty()):
        told, found = bundle_of(study)
        known = {one["id"] for kind in found.values() for one in kind}
        observations = {one["id"]: one for one in found["Observation"]}
        assert len(observations) == len(told.screenings) + len(told.series)
        for row in told.screenings:
            one = observations[fhir._id("screening", row.pk)]
            parts = {
                (part["code"]["coding"][0]["system"].rpartition(":")[2], code(part["code"])): part["valueQuantity"][
                    "value"
                ]
                for part in one.get("component", [])
            }
            expected = {("score", label): score for label, score in row.scores.items()}
            if row.state == ScreeningState.SCORED:
                expected |= {("operating-point", label): point for label, point in row.thresholds.items()}
                assert code(one["valueCodeableConcept"]) == flag_word(row).replace(" ", "-")
            else:
                assert "valueCodeableConcept" not in one
                assert one["dataAbsentReason"]["text"] == "Not assessed"
                assert code(one["dataAbsentReason"]) == "not-performed"
            assert parts == expected
            assert one["device"]["reference"] == f"urn:uuid:{fhir._id('model', row.model_version_id)}"
            assert one["derivedFrom"] == [{"reference": f"urn:uuid:{found['ImagingStudy'][0]['id']}"}]
        [report] = found["DiagnosticReport"]
        for reference in [
            *report["result"],
            *report["imagingStudy"],
            *(one["device"] for one in observations.values()),
        ]:
            assert reference["reference"].removeprefix("urn:uuid:") in known


def test_report_is_preliminary_of_radiology_and_carries_the_disclaimer_and_no_condition(screened):
    for study in screened(twenty())[::4]:
        _told, found = bundle_of(study)
        [report] = found["DiagnosticReport"]
        assert report["status"] == "preliminary"
        assert code(report["category"][0]) == "RAD"
        assert (report["code"]["coding"][0]["system"], code(report["code"])) == ("http://loinc.org", "18748-4")
        assert DISCLAIMER in report["conclusion"]
        assert set(found) <= {"DiagnosticReport", "Observation", "ImagingStudy", "Device", "Patient"}
        text = json.dumps(found)
        assert '"final"' not in text
        assert '"NEG"' not in text
        assert "conclusionCode" not in text


def test_imaging_study_names_every_instance_once_by_its_pseudonym(screened):
    for study in screened(twenty()):
        told, found = bundle_of(study)
        [imaging] = found["ImagingStudy"]
        uids = [one["uid"] for series in imaging["series"] for one in series["instance"]]
        assert sorted(uids) == sorted({str(header.SOPInstanceUID) for header in told.headers})
        assert imaging["numberOfInstances"] == len(uids)
        assert all(uid.startswith("2.25.") for uid in uids)


def test_imaging_study_of_a_corrected_picture_is_that_of_the_object_that_was_sent(screened):
    [study] = screened({"a.dcm": inverted(7)})
    sent = study.images.get(corrects__isnull=True)

    _told, found = bundle_of(study)

    [imaging] = found["ImagingStudy"]
    [series] = imaging["series"]
    assert imaging["identifier"][0]["value"] == f"urn:oid:{study.grouping.removeprefix('uid:')}"
    assert [one["uid"] for one in series["instance"]] == [sent.instance_uid]
    assert len(found["Observation"]) == 2


@pytest.mark.parametrize("answer", list(Answer))
def test_reader_answers_with_an_observation_of_their_own(screened, site, answer):
    [study] = screened({"a.dcm": radiograph(1)})
    reader = UserFactory(role_at=(site, Role.REVIEWER))
    reason = "Cut off." if answer == Answer.NOT_ASSESSABLE else ""
    record_review(
        study_id=study.pk,
        reader=reader,
        answers={"covid": AnswerIn(answer=answer, reason=reason)},
        comment="A comment that may name somebody.",
        actor=Actor.user(reader),
    )
    study.refresh_from_db()

    _told, found = bundle_of(study)

    [one] = [each for each in found["Observation"] if "device" not in each]
    if answer == Answer.NOT_ASSESSABLE:
        assert one["dataAbsentReason"]["text"] == "Not assessable"
        assert "valueCodeableConcept" not in one
    else:
        assert code(one["valueCodeableConcept"]) == answer.value
    text = json.dumps(found)
    assert "may name somebody" not in text
    assert reader.username not in text


def test_the_same_content_gives_the_same_bytes(screened):
    [study] = screened({"a.dcm": radiograph(1)})

    assert len({fhir.bundle(reading.read(study), key="k") for _ in range(2)}) == 1
