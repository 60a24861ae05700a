"""Send a folder and print what was scored, knowing nothing but the OpenAPI file of the service.

    python by_api.py SCHEMA_URL TOKEN FOLDER

Every address, method and form comes from the document; a name that it does not hold ends the script.
It imports nothing of the service: what it needs, an integrator has too.
"""

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

FILES_AT_ONCE = 50
MEBIBYTES_16 = 16 * 1024 * 1024
CHECKED_AT_ONCE = 1000


class Service:
    """The operations of an OpenAPI document, by their names."""

    def __init__(self, schema_url: str, token: str) -> None:
        self._base = schema_url
        self._http = httpx.Client(headers={"Authorization": f"Token {token}"}, timeout=120)
        document = self._http.get(schema_url, headers={"Accept": "application/vnd.oai.openapi+json"}).json()
        self._operations = {
            operation["operationId"]: (method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def call(self, name: str, /, *, query: Mapping[str, Any] | None = None, parts: Any = None, **values: Any) -> Any:
        """Call an operation: what its path names goes into the path, all else into the JSON body or the form."""
        method, path, operation = self._operations[name]
        places = [one["name"] for one in operation.get("parameters", []) if one["in"] == "path"]
        asked = {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
        assert set(query or {}) <= asked, f"{name} knows no {set(query or {}) - asked}"
        address = urljoin(self._base, path.format(**{place: values.pop(place) for place in places}))
        kinds = operation.get("requestBody", {}).get("content", {})
        body: dict[str, Any] = {}
        if parts is not None:
            assert "multipart/form-data" in kinds
            body = {"data": values, "files": parts}
        elif values:
            assert "application/json" in kinds
            body = {"json": values}
        answer = self._http.request(method, address, params=query, **body)
        assert str(answer.status_code) in operation["responses"], f"{name}: undocumented {answer.status_code}"
        answer.raise_for_status()
        return answer.json()


def batches(files: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    """At most 50 files or 16 MiB together, as the document says."""
    batch: dict[str, bytes] = {}
    for path, content in files.items():
        if batch and (len(batch) == FILES_AT_ONCE or sum(map(len, batch.values())) + len(content) > MEBIBYTES_16):
            yield batch
            batch = {}
        batch[path] = content
    if batch:
        yield batch


def send(service: Service, files: Mapping[str, bytes]) -> str:
    upload = str(service.call("uploads_open", name="by API")["id"])
    offered = [
        {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in files.items()
    ]
    missing: dict[str, bytes] = {}
    for start in range(0, len(offered), CHECKED_AT_ONCE):
        told = service.call("uploads_check", upload_id=upload, files=offered[start : start + CHECKED_AT_ONCE])
        missing |= {one["path"]: files[one["path"]] for one in told["files"] if one["state"] == "missing"}
    for batch in batches(missing):
        parts = [("file", ("picture", content)) for content in batch.values()]
        told = service.call("uploads_files", upload_id=upload, path=list(batch), parts=parts)
        assert {one["state"] for one in told["files"]} == {"received"}, told
    service.call("uploads_seal", upload_id=upload, count=len(files))
    return upload


def scores(service: Service, upload: str) -> Iterator[dict[str, Any]]:
    """Poll studies by cursor and give one line for every result."""
    query: dict[str, Any] = {"upload": upload, "limit": 200}
    while True:
        page = service.call("studies_list", query=query)
        for study in page["results"]:
            for image in study["images"]:
                for result in image["results"]:
                    told = {name: result[name] for name in ("model", "outcome", "code", "scores", "flagged")}
                    yield {"sha256": image["sha256"], **told}
        if not page["more"]:
            return
        query["cursor"] = page["cursor"]


def main(schema_url: str, token: str, folder: Path) -> None:
    service = Service(schema_url, token)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    upload = send(service, files)
    while service.call("uploads_read", upload_id=upload)["state"] != "finished":
        time.sleep(1)
    for line in scores(service, upload):
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
