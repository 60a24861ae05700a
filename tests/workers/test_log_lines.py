"""From the request that brought a file to the batch that screened it, by the lines of the log alone."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from ml.inference import NoopScorer
from screening.leasing import Lease
from screening.people.tokens import make_token
from screening.results.models import ModelVersion, Screening
from screening.uploads.models import Item, ItemState, Upload
from screening.users.models import Scope, Site, User
from tests.workers.test_ingest import ingest_all, radiographs
from workers import inference, keeper
from workers.crew import Stop
from workers.inference import screen_batch
from workers.keeper import keeping

pytestmark = pytest.mark.django_db(transaction=True)
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What the service would write to its log, line by line."""
    described = dict(settings.LOGGING["formatters"]["json"])
    handler = logging.StreamHandler(stream := StringIO())
    handler.setFormatter(described.pop("()")(**described))
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


def send_by_api(site: Site, user: User, files: dict[str, bytes]) -> UUID:
    """Open, offer, send and seal, as a client does."""
    client = Client()
    secret = make_token(user=user, site=site, name="t", scopes=[Scope.UPLOAD, Scope.READ], days=1).secret
    headers = {"Authorization": f"Token {secret}"}
    opened = client.post("/api/v1/uploads/", {"name": "x"}, content_type="application/json", headers=headers).json()
    place = f"/api/v1/uploads/{opened['id']}"
    offered = [
        {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in files.items()
    ]
    client.post(f"{place}/check/", {"files": offered}, content_type="application/json", headers=headers)
    sent = {
        "path": list(files),
        "file": [SimpleUploadedFile(path, content) for path, content in files.items()],
    }
    assert client.post(f"{place}/files/", sent, headers=headers).status_code == 200
    client.post(f"{place}/seal/", {"count": None}, content_type="application/json", headers=headers)
    return UUID(opened["id"])


def test_a_request_is_joined_to_the_batches_it_led_to_by_the_upload_and_those_to_their_leases(
    site: Site, staff: User, noop: ModelVersion, lines: Lines
) -> None:
    upload = str(send_by_api(site, staff, radiographs(2)))
    ingest_all()
    screen_batch(noop.pk, Stop())

    of_upload = [line for line in lines() if line.get("upload") == upload]
    done = [line for line in lines() if line["event"] == "batch_done"]
    assert [line["event"] for line in of_upload] == ["upload_opened", "files_received", "upload_sealed"]
    assert len({UUID(line["request_id"]) for line in of_upload}) == 3
    assert [line["files"] for line in of_upload if "files" in line] == [2]
    assert {line["lane"] for line in done} == {"ingest", "screening"}
    assert [line["uploads"] for line in done] == [[upload]] * len(done)
    assert all(UUID(line["lease"]) for line in done)
    assert all(line["level"] == "info" and "request_id" not in line for line in done)


def test_the_line_of_a_screened_batch_tells_its_model_its_size_and_where_the_time_went(
    upload_of: Callable[..., Upload], noop: ModelVersion, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_of(radiographs(3))
    ingest_all()
    leases: list[Lease] = []
    claim = inference.claim_batch

    def seen(**wanted: Any) -> Any:
        lease, rows = claim(**wanted)
        leases.append(lease)
        return lease, rows

    monkeypatch.setattr(inference, "claim_batch", seen)
    screen_batch(noop.pk, Stop())

    [line] = [line for line in lines() if line.get("lane") == "screening"]
    timings = Screening.objects.values_list("timings", flat=True)[0]
    assert (line["event"], line["size"], line["model"]) == ("batch_done", 3, NoopScorer().identity.name)
    assert line["lease"] == str(leases[0].token)
    assert (line["load_ms"], line["model_ms"]) == (timings["load_ms"], timings["model_ms"])
    assert line["commit_ms"] > 0


def test_the_lines_of_ingest_tell_what_was_decoded_and_what_was_known(
    upload_of: Callable[..., Upload], noop: ModelVersion, lines: Lines
) -> None:
    files = radiographs(2)
    first, second = upload_of(files), upload_of({f"again/{path}": content for path, content in files.items()})
    later = Item.objects.filter(upload=second)  # held back while the first is read
    later.update(state=ItemState.DECODING, lease_token=uuid4(), lease_until=timezone.now())
    ingest_all()
    later.update(state=ItemState.RECEIVED, lease_token=None, lease_until=None)
    ingest_all()

    told = [line for line in lines() if line.get("lane") == "ingest"]
    known = [line for line in told if line["known"]]
    assert sum(line["size"] for line in known) == 2
    assert {upload for line in known for upload in line["uploads"]} == {str(second.pk)}
    assert sum(line["size"] for line in told if not line["known"]) == 2
    assert {upload for line in told if not line["known"] for upload in line["uploads"]} == {str(first.pk)}
    assert all(line["decode_ms"] > 0 and line["commit_ms"] > 0 for line in told if not line["known"])


def test_a_warning_in_the_middle_of_a_batch_names_its_lease_and_uploads(
    upload_of: Callable[..., Upload], noop: ModelVersion, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = upload_of(radiographs(1))
    ingest_all()

    def no_memory(_self: object, _planes: list[bytes]) -> None:
        raise MemoryError

    monkeypatch.setattr("ml.inference.NoopScorer.score", no_memory)
    screen_batch(noop.pk, Stop())

    failed, done = (
        line for line in lines() if line["event"] in {"batch_failed", "batch_done"} and "decode_ms" not in line
    )
    assert failed["uploads"] == done["uploads"] == [str(upload.pk)]
    assert failed["lease"] == done["lease"]


def test_a_lease_that_could_not_be_renewed_is_named_though_another_thread_says_so(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "STUCK_SECONDS", -1.0)
    lease = Lease(uuid4(), seconds=0)

    with keeping(Screening, lease, []):
        time.sleep(0.2)

    [line] = lines()
    assert (line["event"], line["rows"], line["lease"]) == ("lease_left_to_expire", "Screening", str(lease.token))


def test_after_a_batch_nothing_of_it_clings_to_the_next_lines() -> None:
    seen: list[dict[str, Any]] = []

    def break_off() -> None:
        with keeping(Screening, Lease(uuid4(), seconds=60), [uuid4(), uuid4()]):
            seen.append(structlog.contextvars.get_contextvars())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()

    assert [len(names["uploads"]) for names in seen] == [2]
    assert structlog.contextvars.get_contextvars() == {}


def test_the_line_of_a_batch_costs_a_picture_of_it_a_few_microseconds(lines: Lines) -> None:
    log, uploads = structlog.get_logger("workers.inference"), [uuid4()] * 32
    log.info("batch_done", lane="screening")  # the first line of a logger makes it
    started = time.process_time()
    for _ in range(200):
        with structlog.contextvars.bound_contextvars(
            lease=str(uuid4()), uploads=sorted({str(upload) for upload in uploads})
        ):
            log.info("batch_done", lane="screening", model="a@1", size=32, load_ms=1.2, model_ms=3.4, commit_ms=5.6)
    spent = (time.process_time() - started) / 200 / 32

    assert spent < 50e-6
    assert len(lines()) == 201
