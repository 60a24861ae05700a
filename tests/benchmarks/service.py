"""Real workers on the database of the run, computing by the fastest way this machine has."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import psutil
from django.conf import settings

from chest_client import Client
from ml.vocabulary import DISCLAIMER_VERSION
from screening.audit.actor import Actor
from screening.flows.acts import seal_upload
from screening.results.models import Explanation, ExplanationState
from screening.uploads.models import Item, ItemState, Upload, UploadState
from screening.users.models import ApiToken, Role, Scope, Site, User
from tests.benchmarks.sending import open_and_send, send
from tests.client.service import answers, free_port
from tests.factories import SiteFactory, UserFactory
from tests.workers.processes import Process, running, until

FASTEST = {"RUNTIME": "auto", "PRECISION": "auto", "BATCH_SIZE": "0"}
PATIENCE = 1200.0  # seconds


@dataclass(frozen=True)
class Service:
    """An ingest and an inference worker, and somebody who sends."""

    ingest: Process
    inference: Process
    site: Site
    user: User

    def send(self, files: Sequence[bytes], models: Sequence[str] = (), **options: str) -> Upload:
        return send(self.site, self.user, files, models, **options)

    def finish(self, upload: Upload, every: float = 0.05) -> None:
        """Wait until every file and every screening of an upload has its outcome."""
        finished = Upload.objects.filter(pk=upload.pk, state=UploadState.FINISHED)
        until(finished.exists, PATIENCE, f"not finished:\n{self.tails()}", every=every)

    def rest(self) -> None:
        """Wait until the heat maps that were owed are drawn, too: a service is idle only then."""
        owed = Explanation.objects.filter(state__in=(ExplanationState.WAITING, ExplanationState.LEASED))
        until(lambda: not owed.exists(), PATIENCE, f"heat maps wait:\n{self.tails()}", every=0.05)

    def send_held(self, files: Sequence[bytes], models: Sequence[str] = ()) -> Upload:
        """Send and seal while ingest is held; it is let go when this returns."""
        freeze(self.ingest, signal.SIGSTOP)
        upload = open_and_send(self.site, self.user, files, models)
        sealed = seal_upload(upload_id=upload.pk, count=len(files), actor=Actor.user(self.user))
        freeze(self.ingest, signal.SIGCONT)
        return sealed

    def tails(self) -> str:
        return f"{self.ingest.tail()}\n{self.inference.tail()}"


@contextmanager
def service(environment: Callable[..., dict[str, str]], folder: Path, **variables: str) -> Iterator[Service]:
    """Start both workers and wait until they beat; end them afterwards."""
    ingest, inference = (Process(name, environment(**FASTEST, **variables), folder) for name in ("ingest", "inference"))
    site = SiteFactory()
    with running(ingest, inference):
        for worker in (inference, ingest):
            worker.start().wait_for_beat()
        yield Service(ingest, inference, site, UserFactory(role_at=(site, Role.STAFF)))


@contextmanager
def door(
    environment: Callable[..., dict[str, str]], folder: Path, site: Site, **variables: str
) -> Iterator[tuple[Client, Process]]:
    """Start the web processes of `make up`, and give a client with a token of a site: the way in for programs."""
    port, user = free_port(), UserFactory(role_at=(site, Role.INTEGRATOR))
    scopes, expiry = [Scope.READ, Scope.UPLOAD], timedelta(days=1)
    about = {"user": user, "site": site, "name": "a program", "disclaimer_version": DISCLAIMER_VERSION}
    _, token = ApiToken.objects.create(**about, scopes=scopes, expiry=expiry)
    config = replace(settings.CONFIG, port=port)
    process = Process("web", environment(**variables), folder, config=config)
    with running(process.start()), Client(f"http://127.0.0.1:{port}", token) as client:
        until(lambda: answers(port), 120, f"no answer:\n{process.tail()}", every=0.1)
        yield client, process


def first_claim() -> None:
    """Wait until some file is being decoded."""
    until(Item.objects.filter(state=ItemState.DECODING).exists, 60, "nothing was claimed", every=0.002)


def freeze(worker: Process, number: signal.Signals) -> None:
    """Hold or let go a worker and everything below it."""
    for process in [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]:
        process.send_signal(number)
