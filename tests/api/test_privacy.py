import logging

import pytest

from screening.audit.models import AuditEvent
from tests.api.conftest import offer, open_upload, send

NAME = "Quillfeather^Zebediah"
A = b"picture a"


@pytest.fixture
def heard(caplog, capfd):
    """Everything that was logged, in whatever way."""
    caplog.set_level(logging.DEBUG)

    def read() -> str:
        out, err = capfd.readouterr()
        return caplog.text + out + err + "".join(str(record.__dict__) for record in caplog.records)

    return read


def test_a_name_in_paths_and_upload_reaches_no_log_no_audit_and_no_file_name(ward, stores, heard):
    client = ward.by_token(ward.integrator)
    url = open_upload(client, name=NAME)
    files = {f"{NAME}/a.png": A, f"../{NAME}.png": b"b", f"{NAME}/empty.png": b"", f"{NAME}/late.png": b"c"}
    offer(client, url, files)
    send(client, url, {f"{NAME}/a.png": A, f"{NAME}/never.png": b"d", f"{NAME}/late.png": b"damaged"})
    client.post(f"{url}references/", {"rows": [{"path": f"{NAME}/a.png", "external_id": "x"}]})
    client.post(f"{url}check/", {"files": [{"path": NAME, "size": "many", "sha256": NAME}]})
    client.get(f"{url}receipt/").getvalue()
    client.post(f"{url}seal/", {"count": 99})
    client.post(f"{url}seal/")
    client.get(url)

    assert "request_started" in (log := heard()) or "request_finished" in log
    assert NAME not in log
    assert NAME not in "".join(str(path) for path in stores.rglob("*"))
    assert NAME not in str(list(AuditEvent.objects.values()))


def test_identifiers_that_are_looked_up_reach_no_log(ward, heard):
    ward.by_token(ward.integrator).post("/api/v1/studies/lookup/", {"uids": ["1.2.826.4711"]})

    assert "4711" not in heard()


def test_a_token_reaches_no_log(ward, heard):
    client = ward.by_token(ward.integrator)
    token = client._credentials["HTTP_AUTHORIZATION"].removeprefix("Token ")
    client.get("/api/v1/studies/")
    client.get("/api/v1/nowhere/")

    assert token not in heard()


def test_a_refusal_repeats_no_path(ward):
    client = ward.by_token(ward.integrator)
    url = open_upload(client)

    answer = client.post(f"{url}check/", {"files": [{"path": NAME, "size": -1, "sha256": NAME}]})

    assert answer.status_code == 400
    assert NAME not in answer.json()["message"]
