"""The last touch on the OpenAPI file: what holds for every operation, and examples of every answer."""

from collections.abc import Iterator
from typing import Any, Final

from screening.api.examples import example_of
from screening.api.repeating import LONGEST
from screening.api.schema import EITHER, REASONS, example_body
from screening.errors import KeyReused, StillBeingDone

EVERYWHERE: Final = (403, 429, 503)
WITH_BODY: Final = (400, 413, 415)
METHODS: Final = ("get", "post", "put", "delete", "patch")
KEY: Final = "Idempotency-Key"
HEADERS: Final = {
    "X-Request-ID": "Names the request; brought by the caller if it is a UUID.",
    "RateLimit-Limit": "Requests that this token may make in a minute.",
    "RateLimit-Remaining": "How many of them are left.",
    "RateLimit-Reset": "Seconds until the next minute begins.",
}
ETAG: Final = "Names the state that is answered; send it back in `If-None-Match`."
AGAIN: Final = "Seconds after which to ask again."
REPLAYED: Final = "`true` where the request came before under the same key and was not done again."
OFFSETS: Final = {
    "Upload-Offset": "Where the next part starts; 0 where no zip is arriving.",
    "Upload-Length": "Bytes of the zip that is arriving; absent where none is.",
}
Operation = dict[str, Any]


def finished(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add what drf-spectacular is not told where a view is described."""
    shapes = result["components"]["schemas"]
    for name, schema in shapes.items():
        if name.endswith(EITHER) and "oneOf" in schema:  # a whole answer is also one of the fields that were asked for
            schema["anyOf"] = schema.pop("oneOf")
    for method, operation in _operations(result):
        _refusals(method, operation)
        if method == "post":
            _key(operation)
        _examples(operation, shapes)
        _headers(method, operation)
    return result


def _operations(result: dict[str, Any]) -> Iterator[tuple[str, Operation]]:
    for methods in result["paths"].values():
        yield from ((method, told) for method, told in methods.items() if method in METHODS)


def _refusals(method: str, operation: Operation) -> None:
    """Every operation may be refused so; a code that is not there yet is added with an example."""
    for status, told in operation["responses"].items():
        content = told.get("content", {}).get("application/json", {})
        if status >= "400" and "examples" in content:  # named by their codes, which spectacular spells otherwise
            content["examples"] = {one["value"]["code"]: one for one in content["examples"].values()}
    added = [*EVERYWHERE, *(WITH_BODY if "requestBody" in operation else ())]
    for status in added:
        for code, words in REASONS[status].codes.items():
            _add(operation, status, code, *words)
    if method == "post":
        _add(operation, 400, "invalid", *REASONS[400].codes["invalid"])  # a key that is too long
        for error in (KeyReused, StillBeingDone):
            _add(operation, error.http_status, error.code, _first_line(error), str(error.what_to_do))
    responses = operation["responses"]
    operation["responses"] = {status: responses[status] for status in sorted(responses)}


def _first_line(error: type[Exception]) -> str:
    return (error.__doc__ or "").splitlines()[0]


def _add(operation: Operation, status: int, code: str, message: str, what_to_do: str) -> None:
    told = operation["responses"].setdefault(str(status), {"description": REASONS[status].description, "content": {}})
    content = told["content"].setdefault("application/json", {"schema": {"$ref": "#/components/schemas/Refusal"}})
    example = {"value": example_body(code, message, what_to_do), "summary": code}
    content.setdefault("examples", {}).setdefault(code, example)


def _key(operation: Operation) -> None:
    parameters = operation.setdefault("parameters", [])
    if any(one["name"] == KEY for one in parameters):
        return
    words = "The same key does the same request once, however often it comes within a day."
    parameters.append(
        {"name": KEY, "in": "header", "description": words, "schema": {"type": "string", "maxLength": LONGEST}}
    )


def _examples(operation: Operation, shapes: dict[str, Any]) -> None:
    for status, told in operation["responses"].items():
        content = told.get("content", {}).get("application/json")
        if content and status < "300" and not {"example", "examples"} & set(content):
            content["example"] = example_of(content["schema"], shapes)
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body and not {"example", "examples"} & set(body):
        body["example"] = example_of(body["schema"], shapes)


def _headers(method: str, operation: Operation) -> None:
    """Name the headers of every answer, so that a client made from the file can poll cheaply and come back in time."""
    etagged = "304" in operation["responses"]
    if etagged:
        known = {"description": "The `ETag` of an earlier answer: unchanged since, it is answered `304`."}
        operation.setdefault("parameters", []).append(
            {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}} | known
        )
    for status, told in operation["responses"].items():
        headers = dict(HEADERS)
        if etagged and status in {"200", "304"}:
            headers["ETag"] = ETAG
        if status in {"429", "503", "507"} or (status == "202" and method == "get"):
            headers["Retry-After"] = AGAIN
        if method == "post" and status < "300":
            headers["Idempotency-Replayed"] = REPLAYED
        if operation["operationId"] == "uploads_archive_offset" and status == "200":
            headers |= OFFSETS
        told["headers"] = told.get("headers", {}) | {
            name: {"description": words, "schema": {"type": "string"}} for name, words in headers.items()
        }
