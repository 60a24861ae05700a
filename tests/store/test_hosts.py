"""Web and two workers as on three hosts: each has a folder of its own, and they meet in database, broker and store."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from ml.vocabulary import DISCLAIMER
from screening.flows.integrity import find_violations
from screening.results.models import Explanation, ExplanationState, Screening
from screening.store.objects import Objects, objects
from screening.studies.models import Image
from screening.uploads.models import Item, ItemState, Upload
from screening.users.models import Role
from tests.benchmarks.sending import send
from tests.factories import SiteFactory, UserFactory
from tests.faults.service import finished, noop_model
from tests.faults.service import radiographs as drawn
from tests.faults.web import Web
from tests.store.server import Gate
from tests.store.weighing import Weigher
from tests.workers.processes import Process, until
from workers.crew import Stop
from workers.engine import ENGINE
from workers.inference import screen_somewhere
from workers.ingest import ingest_chunk
from workers.orphans import sweep_incoming

pytestmark = pytest.mark.django_db(transaction=True)
HOSTS = ("web", "ingest", "inference")


class Hosts:
    """The processes, and the folder of each."""

    def __init__(self, variables: Mapping[str, str], folder: Path) -> None:
        self.folders = {name: folder / name / "state" for name in HOSTS}
        (folder / "beats").mkdir()
        self.web = Web({**variables, "STATE_DIR": str(self.folders["web"])}, folder / "web")
        self.workers = [
            Process(name, {**variables, "STATE_DIR": str(self.folders[name])}, folder / "beats") for name in HOSTS[1:]
        ]

    def start(self) -> "Hosts":
        for process in self.workers:
            process.start()
        self.web.start()
        return self

    def end(self) -> None:
        for process in (*self.workers, self.web.process):
            if process.alive():
                process.end()

    def wait_for(self, upload: Upload) -> None:
        tails = [*self.workers, self.web.process]
        until(lambda: finished(upload), 60, "\n".join(f"--- {one.name}\n{one.tail()}" for one in tails), every=0.1)

    def left(self) -> list[str]:
        """Names of files on any host that are no copies of what the store holds."""
        kinds = ("incoming", "blobs", "keys")
        found = [path for state in self.folders.values() for kind in kinds for path in (state / kind).rglob("*")]
        return [str(path) for path in found if path.is_file()]


@pytest.fixture
def hosts(
    gate: Gate, prefix: str, broker: str, child_environment: Callable[..., dict[str, str]], tmp_path: Path
) -> Iterator[Hosts]:
    noop_model()
    more = {"POLL_SECONDS": "1", "LEASE_SECONDS": "4", "DJANGO_SETTINGS_MODULE": "tests.store.settings"}
    made = Hosts(child_environment(REDIS_URL=broker, **more, **gate.variables(prefix)), tmp_path)
    yield made
    made.end()


def scores() -> dict[str, Any]:
    return dict(Screening.objects.values_list("image__sha256", "scores"))


@pytest.mark.timeout(120)
def test_workers_on_other_hosts_need_only_the_store_and_outages_of_it_lose_nothing(
    hosts: Hosts, store: Objects, gate: Gate, settings, monkeypatch: pytest.MonkeyPatch, stores: Path, tmp_path: Path
):
    files = drawn(8)
    hosts.start()
    folder = tmp_path / "sent"
    folder.mkdir()
    for number, content in enumerate(files[:4]):
        (folder / f"{number}.dcm").write_bytes(content)

    sent = hosts.web.send_folder(folder)
    zipped = hosts.web.send_zip({f"{number}.dcm": content for number, content in enumerate(files[4:6])})
    hosts.wait_for(sent)
    hosts.wait_for(zipped)

    assert hosts.left() == []
    assert Image.objects.count() == 6
    assert Explanation.objects.exists()
    until(lambda: not Explanation.objects.exclude(state=ExplanationState.DRAWN).exists(), 20, "no map", every=0.1)
    _people_see_pictures(hosts)

    _outage(hosts, gate, files[6:])

    assert len(scores()) == 8
    assert set(Item.objects.values_list("state", "attempts", "deaths")) == {(ItemState.ACCEPTED, 1, 0)}
    assert set(Screening.objects.values_list("attempts", "deaths")) == {(1, 0)}
    assert list(find_violations()) == []
    sweep_incoming(time.time() + 60)  # what could not be deleted during the outage
    assert [one.key for one in store.listed("incoming/")] == []
    with_store = scores()

    for upload in Upload.objects.all():
        hosts.web.purge(upload.pk)
    assert [one.key for one in store.listed("blobs/")] == []
    assert hosts.left() == []
    hosts.end()

    settings.STORE = None
    assert objects() is None
    assert with_store == _scored_with_folders(files, monkeypatch)


def _people_see_pictures(hosts: Hosts) -> None:
    headers = {"Authorization": f"Token {hosts.web.token}"}
    with httpx.Client(base_url=hosts.web.url, headers=headers, timeout=30) as http:
        for image in Image.objects.all():
            answer = http.get(f"/api/v1/images/{image.pk}/preview/")
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
            assert answer.content.startswith(b"\xff\xd8")
        for drawn_map in Explanation.objects.all():
            assert http.get(f"/api/v1/heat-maps/{drawn_map.pk}/overlay.jpg").content == b"overlay"


def _outage(hosts: Hosts, gate: Gate, files: list[bytes]) -> None:
    """Files meet a store that is away: the sender is told when to come again, and workers wait."""
    with hosts.web.client() as client, httpx.Client(base_url=hosts.web.url, timeout=60) as http:
        upload = client.open_upload(name="outage")
        place = f"/api/v1/uploads/{upload.id}"
        headers = {"Authorization": f"Token {hosts.web.token}"}
        _offer(http, place, headers, files)
        gate.close()
        refused = _send(http, place, headers, files)
        assert (refused.status_code, refused.json()["code"]) == (503, "store_away")
        assert refused.headers["Retry-After"] == "5"
        assert refused.json()["disclaimer"] == DISCLAIMER
        assert hosts.left() == []
        gate.open()
        accepted = _send(http, place, headers, files)
        gate.close()  # ingest has the rows, and at most some of the bytes
        assert accepted.status_code == 200, accepted.text
        client.seal(upload.id)
        time.sleep(2.0)  # longer than a worker waits between two looks
        gate.open()
    hosts.wait_for(Upload.objects.get(pk=upload.id))


def _offer(http: httpx.Client, place: str, headers: Mapping[str, str], files: list[bytes]) -> None:
    offered = [
        {"path": f"{number}.dcm", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for number, content in enumerate(files)
    ]
    assert http.post(f"{place}/check/", json={"files": offered}, headers=headers).status_code == 200


def _send(http: httpx.Client, place: str, headers: Mapping[str, str], files: list[bytes]) -> httpx.Response:
    parts = [("file", (f"{number}.dcm", content)) for number, content in enumerate(files)]
    paths = [f"{number}.dcm" for number in range(len(files))]
    return http.post(f"{place}/files/", data={"path": paths}, files=parts, headers=headers)


def _scored_with_folders(files: list[bytes], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the same files score where they lie in folders of one machine."""
    monkeypatch.setattr("workers.engine.load_scorer", lambda *_: Weigher())
    ENGINE._loaded.clear()
    site = SiteFactory()
    upload = send(site, UserFactory(role_at=(site, Role.STAFF)), files)
    while ingest_chunk(Stop()):
        pass
    while screen_somewhere(Stop()):
        pass
    ENGINE._loaded.clear()
    rows = Screening.objects.filter(upload=upload)
    return dict(rows.values_list("image__sha256", "scores"))
