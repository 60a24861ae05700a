"""A study as a FHIR R4 bundle: report, observations, imaging study. Structure only: no profile is claimed.

The report is always preliminary, and no resource says that a patient has anything.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from fhir.resources.R4B.bundle import Bundle

from ml.vocabulary import DISCLAIMER
from screening.results.models import ModelVersion, Screening, ScreeningState, SeriesResult
from screening.results.opinions import SERIES_CAVEAT, of_series
from screening.results.selectors import FLAGGED, NOT_ASSESSED, WAITING, flag_word, study_word, why
from screening.review.models import Answer, Review
from workers.documents.reading import MODALITY, Told

Resource = dict[str, Any]
OURS: Final = "urn:chest-screening"  # our own code systems; nothing is served there
LOINC: Final = "http://loinc.org"
DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
SECTION: Final = "http://terminology.hl7.org/CodeSystem/v2-0074"
UNIT: Final = {"unit": "1", "system": "http://unitsofmeasure.org", "code": "1"}
CAUTION: Final = (
    f"{DISCLAIMER} Preliminary: what models and readers answered, no diagnosis. Scores are not probabilities; "
    "not assessed is not negative."
)
PRESENCE: Final = {Answer.PRESENT: "present", Answer.ABSENT: "absent", Answer.UNSURE: "unsure"}


def bundle(told: Told, *, key: str) -> bytes:
    """Make the bundle of a study, checked for structure: the same bytes for the same content."""
    observations = [*(_of_model(told, row) for row in told.screenings), *(_of_series(told, one) for one in told.series)]
    observations += [_of_reader(told, review) for review in told.reviews]
    versions = {row.model_version_id: row.model_version for row in told.screenings}
    versions |= {result.model_version_id: result.model_version for result in told.series}
    resources = [
        _report(told, observations),
        *observations,
        _imaging_study(told),
        *(_device(version) for version in versions.values()),
        *_patients(told),
    ]
    made = Bundle.model_validate(
        {
            "resourceType": "Bundle",
            "type": "collection",
            "identifier": {"system": f"{OURS}:document", "value": key},
            "timestamp": told.at.isoformat(),
            "entry": [{"fullUrl": f"urn:uuid:{one['id']}", "resource": one} for one in resources],
        }
    )
    return made.model_dump_json(indent=2).encode()


def _id(*parts: object) -> str:
    return str(uuid5(NAMESPACE_OID, "/".join(map(str, parts))))


def _to(*parts: object) -> Resource:
    return {"reference": f"urn:uuid:{_id(*parts)}"}


def _concept(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _subject(told: Told) -> Resource:
    if told.patient:
        return _to("patient", told.study.site_id, told.patient)
    return {"display": "Not known: the files named no patient"}


def _patients(told: Told) -> Iterator[Resource]:
    if told.patient:
        yield {
            "resourceType": "Patient",
            "id": _id("patient", told.study.site_id, told.patient),
            "identifier": [{"use": "secondary", "system": f"{OURS}:pseudonym", "value": told.patient}],
        }


def _names(told: Told) -> list[Resource]:
    study = told.study
    names = [{"system": f"{OURS}:study", "value": str(study.pk)}]
    if study.external_id:
        names.append({"system": f"{OURS}:external-id", "value": study.external_id})
    return names


def _report(told: Told, observations: Iterable[Resource]) -> Resource:
    return {
        "resourceType": "DiagnosticReport",
        "id": _id("report", told.study.pk),
        "identifier": _names(told),
        "status": "preliminary",
        "category": [_concept(SECTION, "RAD", "Radiology")],
        "code": _concept(LOINC, "18748-4", "Diagnostic imaging study"),
        "subject": _subject(told),
        "issued": told.at.isoformat(),
        "imagingStudy": [_to("study", told.study.pk)],
        "result": [{"reference": f"urn:uuid:{one['id']}"} for one in observations],
        "conclusion": f"{study_word(told.study).capitalize()} by the models that were asked. {CAUTION}",
    }


def _imaging_study(told: Told) -> Resource:
    by_series: dict[str, list[Resource]] = {}
    modality: dict[str, str] = {}
    for number, (image, header) in enumerate(zip(told.images, told.headers, strict=True), start=1):
        uid = str(header.SeriesInstanceUID)
        modality[uid] = str(header.get("Modality") or MODALITY.get(image.modality, "OT"))
        known = by_series.setdefault(uid, [])
        if not any(one["uid"] == str(header.SOPInstanceUID) for one in known):
            known.append(
                {
                    "uid": str(header.SOPInstanceUID),
                    "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{header.SOPClassUID}"},
                    "number": number,
                    "title": f"Picture {number}",
                }
            )
    uid = str(told.headers[0].StudyInstanceUID)
    return {
        "resourceType": "ImagingStudy",
        "id": _id("study", told.study.pk),
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}, *_names(told)],
        "status": "available",
        "subject": _subject(told),
        "numberOfSeries": len(by_series),
        "numberOfInstances": sum(len(instances) for instances in by_series.values()),
        "description": "De-identified: UIDs and patient are pseudonyms of the screening service.",
        "series": [
            {
                "uid": series,
                "modality": {"system": DCM, "code": modality[series]},
                "numberOfInstances": len(instances),
                "instance": instances,
            }
            for series, instances in by_series.items()
        ],
    }


def _device(version: ModelVersion) -> Resource:
    return {
        "resourceType": "Device",
        "id": _id("model", version.pk),
        "identifier": [{"system": f"{OURS}:model-sha256", "value": version.sha256}],
        "deviceName": [{"name": version.name, "type": "model-name"}],
        "version": [{"value": version.version}],
        "note": [{"text": DISCLAIMER}],
    }


def _observation(told: Told, name: Iterable[object], code: Resource) -> Resource:
    return {
        "resourceType": "Observation",
        "id": _id(*name),
        "status": "preliminary",
        "category": [_concept(CATEGORY, "imaging", "Imaging")],
        "code": code,
        "subject": _subject(told),
        "derivedFrom": [_to("study", told.study.pk)],
    }


def _of_model(told: Told, row: Screening) -> Resource:
    """One model on one picture: its flag, or why there is none; scores and operating points as components."""
    code = _concept(f"{OURS}:observation", "picture-screening", "Screening of one picture by a model")
    made = _observation(told, ("screening", row.pk), code)
    made["device"] = _to("model", row.model_version_id)
    made["note"] = [{"text": f"Picture {told.number[row.image_id]}. {why(row)}"}]
    if row.done_at:
        made["issued"] = row.done_at.isoformat()
    reason = row.code or str(row.state)
    return made | _value(flag_word(row), reason) | _components(row.scores, row.thresholds, row.state)


def _of_series(told: Told, result: SeriesResult) -> Resource:
    """One model on a series of slices."""
    opinion = of_series(result)
    code = _concept(f"{OURS}:observation", "series-screening", "Screening of a series of slices by a model")
    name = ("series", told.study.pk, result.model_version_id, result.pipeline, result.series_uid)
    made = _observation(told, name, code)
    made["device"] = _to("model", result.model_version_id)
    made["note"] = [{"text": f"{opinion.sentence} {SERIES_CAVEAT}"}]
    reason = result.code or "inconclusive"
    return made | _value(opinion.word, reason) | _components(result.scores, result.thresholds, result.outcome)


def _value(word: str, reason: str) -> Resource:
    if word == WAITING:
        return {"status": "registered", "dataAbsentReason": _concept(ABSENT, "temp-unknown", "Temporarily Unknown")}
    if word == NOT_ASSESSED:
        absent = _concept(ABSENT, "not-performed", "Not Performed")
        absent["coding"].append({"system": f"{OURS}:not-assessed", "code": reason.replace("_", "-")})
        absent["text"] = "Not assessed"
        return {"dataAbsentReason": absent}
    flagged = word == FLAGGED
    return {
        "valueCodeableConcept": _concept(
            f"{OURS}:outcome", "flagged" if flagged else "not-flagged", "Flagged" if flagged else "Not flagged"
        )
    }


def _components(scores: dict[str, float], thresholds: dict[str, float], state: str) -> Resource:
    if state != ScreeningState.SCORED or not scores:
        return {}
    parts = [("score", "Score for", scores), ("operating-point", "Operating point for", thresholds)]
    return {
        "component": [
            {
                "code": _concept(f"{OURS}:{kind}", label, f"{words} the label {label}"),
                "valueQuantity": {"value": value, **UNIT},
            }
            for kind, words, values in parts
            for label, value in values.items()
        ]
    }


def _of_reader(told: Told, review: Review) -> Resource:
    """A reader's answer about one finding: an observation of its own, about the picture and not about the model."""
    code = _concept(f"{OURS}:finding", review.finding, f"Reader's answer about the finding {review.finding}")
    made = _observation(told, ("review", review.pk), code)
    made["issued"] = review.created_at.isoformat()
    if review.answer == Answer.NOT_ASSESSABLE:
        absent = _concept(ABSENT, "unknown", "Unknown")
        absent["text"] = "Not assessable"
        return made | {"dataAbsentReason": absent}
    word = PRESENCE[Answer(review.answer)]
    return made | {"valueCodeableConcept": _concept(f"{OURS}:answer", word, word.capitalize())}
