"""A study as FHIR, as the OpenAPI file shows it: cut down to the report, one score and the model behind it."""

from typing import Any, Final

from ml.vocabulary import DISCLAIMER
from screening.api.examples import VALUES

REPORT: Final = "b8f2f0a4-54a1-5e0c-9a55-0d7a3c1c9d10"
SCORE: Final = "0c7a1f5e-0c5b-5b1d-8f6c-2f4f8f1b6e21"
MODEL: Final = "a4f3b7c2-9d3e-5f70-8a11-6b0d5c4e3f32"
OURS: Final = "urn:chest-screening"
LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
# Word for word what stands in the document: see `workers.documents.fhir`.
CAUTION: Final = (
    f"{DISCLAIMER} Preliminary: what models and readers answered, no diagnosis. Scores are not probabilities; "
    "not assessed is not negative."
)
SUBJECT: Final = {"display": "Not known: the files named no patient"}


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _entry(resource: dict[str, Any]) -> dict[str, Any]:
    return {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}


FHIR_EXAMPLE: Final[dict[str, Any]] = {
    "resourceType": "Bundle",
    "type": "collection",
    "identifier": {"system": f"{OURS}:document", "value": VALUES["sha256"]},
    "timestamp": "2026-11-21T09:30:00+00:00",
    "entry": [
        _entry(
            {
                "resourceType": "DiagnosticReport",
                "id": REPORT,
                "identifier": [{"system": f"{OURS}:study", "value": VALUES["study"]}],
                "status": "preliminary",
                "category": [_concept("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology")],
                "code": _concept(LOINC, "18748-4", "Diagnostic imaging study"),
                "subject": SUBJECT,
                "issued": "2026-11-21T09:30:00+00:00",
                "result": [{"reference": f"urn:uuid:{SCORE}"}],
                "conclusion": f"Flagged by the models that were asked. {CAUTION}",
            }
        ),
        _entry(
            {
                "resourceType": "Observation",
                "id": SCORE,
                "status": "preliminary",
                "category": [
                    _concept("http://terminology.hl7.org/CodeSystem/observation-category", "imaging", "Imaging")
                ],
                "code": _concept(f"{OURS}:observation", "picture-screening", "Screening of one picture by a model"),
                "subject": SUBJECT,
                "device": {"reference": f"urn:uuid:{MODEL}"},
                "valueCodeableConcept": _concept(f"{OURS}:outcome", "flagged", "Flagged"),
                "note": [{"text": f"Picture 1. {VALUES['why']}"}],
                "component": [
                    {
                        "code": {"coding": [{"system": f"{OURS}:{kind}", "code": "covid"}]},
                        "valueQuantity": {"value": value, "unit": "1", "system": UCUM, "code": "1"},
                    }
                    for kind, value in (("score", 0.83), ("operating-point", 0.41))
                ],
            }
        ),
        _entry(
            {
                "resourceType": "Device",
                "id": MODEL,
                "identifier": [{"system": f"{OURS}:model-sha256", "value": VALUES["model_sha256"]}],
                "deviceName": [{"name": VALUES["slug"], "type": "model-name"}],
                "version": [{"value": VALUES["version"]}],
            }
        ),
    ],
}
