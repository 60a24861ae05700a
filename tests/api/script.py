"""A script that knows the service by its OpenAPI file alone, and holds every answer against it."""

import json
from dataclasses import dataclass
from typing import Any

import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from openapi_schema_validator import OAS31Validator
from rest_framework.test import APIClient


@dataclass(frozen=True, slots=True)
class Operation:
    path: str
    method: str
    spec: dict[str, Any]


class Script:
    """Calls operations by their identifiers. Knows no address."""

    def __init__(self, client: APIClient) -> None:
        self.client = client
        answer = APIClient().get("/api/v1/schema/")
        assert answer.status_code == 200
        self.document = yaml.safe_load(answer.content)
        self.operations = {
            spec["operationId"]: Operation(path, method, spec)
            for path, methods in self.document["paths"].items()
            for method, spec in methods.items()
            if method != "parameters"
        }

    def call(self, name: str, body: Any = None, *, query: dict[str, Any] | None = None, **parts: Any) -> Any:
        """Make a call and give the answer's body, which is one that the file announces."""
        operation = self.operations[name]
        where = operation.path.format(**parts)
        arguments: dict[str, Any] = {}
        if operation.method == "get":
            arguments["data"] = query
        elif body is not None:
            arguments = self._body(operation, body)
        answer = getattr(self.client, operation.method)(where, **arguments)
        return self._checked(name, operation, answer)

    def send(self, name: str, files: dict[str, bytes], **parts: Any) -> Any:
        """Send a form whose fields the file names: one list of text, one of files."""
        operation = self.operations[name]
        shape = self._resolved(operation.spec["requestBody"]["content"]["multipart/form-data"]["schema"])
        fields = {field: spec["items"].get("format") for field, spec in shape["properties"].items()}
        [names] = [field for field, kind in fields.items() if kind != "binary"]
        [bodies] = [field for field, kind in fields.items() if kind == "binary"]
        form = {names: list(files), bodies: [SimpleUploadedFile("x", data) for data in files.values()]}
        answer = self.client.post(operation.path.format(**parts), form, format="multipart")
        return self._checked(name, operation, answer)

    def _body(self, operation: Operation, body: Any) -> dict[str, Any]:
        content = operation.spec["requestBody"]["content"]["application/json"]
        self._validate(content["schema"], body)
        return {"data": json.dumps(body), "content_type": "application/json"}

    def _checked(self, name: str, operation: Operation, answer: Any) -> Any:
        announced = operation.spec["responses"]
        assert str(answer.status_code) in announced, f"{name} answered {answer.status_code}, which is not announced"
        body = json.loads(answer.getvalue() if answer.streaming else answer.content)
        content = announced[str(answer.status_code)]["content"]["application/json"]
        self._validate(content["schema"], body)
        assert body["disclaimer"] == "For education only, not a medical device."
        return body

    def _validate(self, schema: dict[str, Any], value: Any) -> None:
        whole = schema | {"components": self.document["components"]}
        errors = list(OAS31Validator(whole).iter_errors(value))
        assert not errors, errors[0]

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        name = schema.get("$ref", "").rpartition("/")[2]
        return self.document["components"]["schemas"][name] if name else schema
