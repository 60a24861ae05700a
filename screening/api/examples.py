"""An example of every answer, made from its shape: a value for each name, else the first that its type allows."""

from collections.abc import Mapping
from typing import Any, Final

from ml.vocabulary import DISCLAIMER

UPLOAD: Final = "5b0a7a52-6b0c-4c2e-9f3e-2f6f0f1a7c11"
SHA256: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
VALUES: Final[Mapping[str, Any]] = {
    "disclaimer": DISCLAIMER,
    "id": UPLOAD,
    "upload": UPLOAD,
    "site": "0e7c2c8a-54a4-4a9e-8f0f-0d0c0f6a2b10",
    "study": "7d2f9c34-1f52-4c39-b7bd-5f1f6b0c3a77",
    "image": "c1a8b1de-8a3f-4f5e-9a51-0a4f8b1d2e90",
    "name": "Monday",
    "model": "xray-covid-3class@1.1.0",
    "models": ["xray-covid-3class@1.1.0"],
    "slug": "xray-covid-3class",
    "version": "1.1.0",
    "modality": "xray",
    "labels": ["covid", "pneumonia", "normal"],
    "flag_labels": ["covid"],
    "label": "covid",
    "finding": "covid",
    "findings": ["covid"],
    "scores": {"covid": 0.83, "pneumonia": 0.12, "normal": 0.05},
    "thresholds": {"covid": 0.41},
    "altered": {"original": 0.83},
    "why": "xray-covid-3class@1.1.0: flagged: the covid score 0.830 reaches the operating point 0.410.",
    "state": "ready",
    "flag": "flagged",
    "flagged": True,
    "external_id": "case-17",
    "cursor": "NDEgN2QyZjljMzQtMWY1Mi00YzM5LWI3YmQtNWYxZjZiMGMzYTc3",
    "change_number": 41,
    "path": "ward/a.png",
    "size": 48213,
    "sha256": SHA256,
    "model_sha256": SHA256,
    "hash": SHA256,
    "previous": SHA256,
    "reader": "user:7",
    "actor": "user:7",
    "action": "review:recorded",
    "uid": "1.2.840.10008.1.2.3",
    "uids": ["1.2.840.10008.1.2.3"],
    "title": "Chest radiographs: covid, pneumonia, normal",
    "runtime": "tensorflow",
    "precision": "fp32",
    "outcome": "scored",
    "items": {"accepted": 2},
    "screenings": {"scored": 2},
    "answers": {"covid": {"answer": "present"}},
    "box": {
        "image": "c1a8b1de-8a3f-4f5e-9a51-0a4f8b1d2e90",
        "left": 0.58,
        "top": 0.47,
        "width": 0.21,
        "height": 0.25,
    },
    "detail": {},
    "card": {"limits": []},
    "offered": 2,
    "url": "https://ris.example.org/hooks",
    "events": ["study.ready", "upload.finished"],
    "enabled": True,
    "secret": f"whsec_{SHA256}",
    "type": "study.ready",
    "deliveries": [UPLOAD],
    "replayed": 2,
    "preview": "/api/v1/images/c1a8b1de-8a3f-4f5e-9a51-0a4f8b1d2e90/preview/",
    "heat_maps": "/api/v1/images/c1a8b1de-8a3f-4f5e-9a51-0a4f8b1d2e90/heat-maps/",
    "quality": [],
    "archives": [],
    "warnings": [],
    "refused": [],
    "series_results": [],
    "rows": 1024,
    "columns": 1024,
    "frame": 0,
    "view": "PA",
    "code": None,
    "message": None,
    "what_to_do": None,
}
BY_FORMAT: Final = {
    "uuid": "3f1c0a4e-7d7b-4e37-9a0e-1c7e1b5d8f02",
    "date-time": "2026-11-21T09:30:00Z",
    "date": "2026-11-21",
    "uri": "https://screening.example.org/",
}
BY_TYPE: Final[Mapping[str, Any]] = {
    "integer": 1,
    "number": 0.5,
    "boolean": False,
    "string": "",
    "object": {},
    "null": None,
}
Shape = Mapping[str, Any]


def example_of(shape: Shape, shapes: Mapping[str, Shape], name: str = "") -> Any:
    """Give a value that the shape allows: that of its name if it fits."""
    shape = _resolved(shape, shapes)
    kinds = _kinds(shape)
    if "properties" in shape:
        return {one: example_of(part, shapes, one) for one, part in shape["properties"].items()}
    if name in VALUES and _fits(VALUES[name], shape, kinds):
        return VALUES[name]
    if "enum" in shape:
        return shape["enum"][0]
    if kinds[0] == "array":
        return [example_of(shape["items"], shapes)]
    if "null" in kinds and "string" in kinds:
        return None
    return BY_FORMAT.get(shape.get("format", ""), BY_TYPE[kinds[0]])


def _resolved(shape: Shape, shapes: Mapping[str, Shape]) -> Shape:
    """Follow references, and of several shapes take the first."""
    while True:
        several = shape.get("anyOf") or shape.get("oneOf") or shape.get("allOf")
        if "$ref" in shape:
            shape = shapes[shape["$ref"].rpartition("/")[2]]
        elif several:
            shape = several[0]
        else:
            return shape


def _kinds(shape: Shape) -> list[str]:
    kinds = shape.get("type", "object")
    return kinds if isinstance(kinds, list) else [kinds]


def _fits(value: Any, shape: Shape, kinds: list[str]) -> bool:
    if "enum" in shape:
        return value in shape["enum"]
    told = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", type(None): "null"}
    if told.get(type(value), "object") not in kinds:
        return False
    if isinstance(value, list) and "items" in shape:
        return not value or "$ref" not in shape["items"]
    return isinstance(value, str) is False or shape.get("format") in {None, "uuid"}
