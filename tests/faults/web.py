"""The web process of a fault test, and senders that do not give up while it dies."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import httpx
from django.conf import settings

from chest_client import Client, Patience
from ml.vocabulary import DISCLAIMER_VERSION
from screening.uploads.models import Upload
from screening.users.models import ApiToken, Role, Scope
from tests.client.service import answers, free_port
from tests.factories import SiteFactory, UserFactory
from tests.faults.service import Service, radiographs, screened
from tests.workers.bombs import zip_of
from tests.workers.processes import Process, until

STUBBORN = Patience(tries=60, first=0.2, longest=1.0)
T = TypeVar("T")


class Web:
    """gunicorn on a port of its own; a site, and the token of somebody who sends there."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        folder.mkdir()
        environment = {**environment, "PORT": str(port)}
        self.process = Process("web", environment, folder, config=replace(settings.CONFIG, port=port))
        self._port = port
        site = SiteFactory()
        user = UserFactory(role_at=(site, Role.STAFF))
        scopes = [Scope.READ, Scope.UPLOAD]
        held = {"user": user, "name": "a program", "site": site, "scopes": scopes, "expiry": timedelta(days=1)}
        _, self.token = ApiToken.objects.create(**held, disclaimer_version=DISCLAIMER_VERSION)

    def start(self) -> "Web":
        self.process.start()
        until(lambda: answers(self._port), 120, f"no answer:\n{self.process.tail()}", every=0.1)
        return self

    def client(self) -> Client:
        return Client(self.url, self.token, patience=STUBBORN)

    def send_folder(self, folder: Path) -> Upload:
        with self.client() as client:
            return Upload.objects.get(pk=client.send_folder(folder, name="faults").id)

    def send_zip(self, files: Mapping[str, bytes]) -> Upload:
        """One archive in three parts, continued from wherever the service says that it stands."""
        content = zip_of(files, packed=False)
        with self.client() as client, self._http() as http:
            upload = client.open_upload(name="faults")
            place = f"/api/v1/uploads/{upload.id}/archive/"
            step, at = len(content) // 3 + 1, 0
            while at < len(content):
                part = content[at : at + step]
                at = at + len(part) if self._put(http, place, part, at, len(content)) else self._offset(http, place, at)
            client.seal(upload.id)
        return Upload.objects.get(pk=upload.id)

    def purge(self, upload: UUID) -> None:
        """Delete an upload until the service says that it is gone."""
        with self._http() as http:
            answer = insist(lambda: http.delete(f"/api/v1/uploads/{upload}/"))
        assert answer.status_code in {200, 204, 404}, answer.text

    def _http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Token {self.token}"}, timeout=60)

    def _put(self, http: httpx.Client, place: str, part: bytes, at: int, total: int) -> bool:
        """Whether the service said that it has the part."""
        span = f"bytes {at}-{at + len(part) - 1}/{total}"
        try:
            answer = http.put(place, content=part, headers={"Content-Range": span, "Content-Type": "application/zip"})
        except httpx.TransportError:
            return False
        assert answer.status_code in {200, 202}, answer.text
        return True

    def _offset(self, http: httpx.Client, place: str, sent: int) -> int:
        """Where to go on. 0 may mean that all of it has arrived: then the last part, sent again, is answered so."""
        return int(insist(lambda: http.head(place)).headers["Upload-Offset"]) or sent


def insist(call: Callable[[], T], tries: int = 60) -> T:
    """Make a call again while nobody answers."""
    for _ in range(tries):
        try:
            return call()
        except httpx.TransportError:
            time.sleep(0.2)
    return call()


def under_way(
    service: Service, environment: Callable[..., dict[str, str]], folder: Path, count: int
) -> tuple[Web, Upload]:
    """Send drawn radiographs to a web process that runs with the service, start it, and let it screen a tenth."""
    web = Web(environment(REDIS_URL=service.broker.url, FAULTS_ALLOWED="true"), folder / "web")
    service.processes.append(web.process)
    web.start()
    pictures = folder / "pictures"
    pictures.mkdir()
    for number, content in enumerate(radiographs(count)):
        (pictures / f"{number:04}.dcm").write_bytes(content)
    upload = web.send_folder(pictures)
    service.start()
    until(lambda: screened(upload) > count // 10, 300, f"stuck:\n{service.tails()}")
    return web, upload
