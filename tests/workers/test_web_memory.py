"""What one web worker costs: it must stay small, so that many fit, and know nothing of models."""

import http.client
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from screening.users.models import Role
from tests.environment import ROOT
from tests.factories import ImageFactory, ItemFactory, ScreeningFactory, SiteFactory, StudyFactory, UploadFactory
from tests.factories import UserFactory as PersonFactory
from tests.workers.processes import Process, running, until

REQUESTS = 100
MOST_MEBIBYTES = 150
HEAVY = ("tensorflow", "_multiarray", "gdcm", "_imaging")  # TensorFlow, NumPy, a DICOM decoder, Pillow
OFFERED = """
import sys
from screening.wsgi import application
from django.urls import get_resolver
from rest_framework import compat
assert get_resolver().resolve("/api/v1/studies/") and compat.yaml
print(*sorted(name for name in sys.modules if name.split(".")[0] in ("jinja2", "requests", "psycopg")))
import requests
"""
SETTLED = """
import gc
from screening.wsgi import application
print(gc.get_freeze_count(), len(gc.get_objects()))
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def get(port: int, page: str, cookie: str = "") -> int:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        line.request("GET", page, headers={"Cookie": cookie})
        return line.getresponse().status
    finally:
        line.close()


def answers(port: int) -> bool:
    try:
        return get(port, "/healthz") == 200
    except OSError:
        return False


def pages_with_something_on_them() -> tuple[str, list[str]]:
    """A signed-in administrator's cookie, and the pages that staff, reviewers and scripts ask for."""
    site = SiteFactory()
    client = Client()
    client.force_login(PersonFactory(role_at=(site, Role.ADMIN)))
    upload = UploadFactory(site=site, sealed=True)
    for _ in range(50):
        study = StudyFactory(site=site, upload=upload)
        image = ImageFactory(study=study)
        ItemFactory(upload=upload, accepted=True, sha256=image.sha256, study_id=study.pk)
        ScreeningFactory(image=image)
    pages = [reverse(name) for name in ("review:worklist", "desk:upload", "desk:uploads", "api:studies", "api:models")]
    pages += [reverse("desk:receipt", args=[upload.pk]), reverse("review:study", args=[study.pk])]
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}", pages


@pytest.mark.django_db(transaction=True)
def test_a_web_worker_stays_below_150_mebibytes_and_loads_neither_tensorflow_nor_decoders(
    child_environment: Callable[..., dict[str, str]], broker: str, tmp_path: Path
) -> None:
    cookie, pages = pages_with_something_on_them()
    port = free_port()
    web = Process("web", child_environment(PORT=str(port)), tmp_path, config=replace(settings.CONFIG, port=port))
    with running(web):
        web.start()
        until(lambda: answers(port), 120, f"no answer:\n{web.tail()}", every=0.2)
        statuses = {(page, get(port, page, cookie)) for page in (pages * REQUESTS)[:REQUESTS]}
        workers = psutil.Process(web.pid).children(recursive=True)
        sizes = [worker.memory_info().rss / 2**20 for worker in workers]
        loaded = {Path(one.path).name for worker in workers for one in worker.memory_maps()}

    assert statuses == {(page, 200) for page in pages}
    assert sizes
    assert max(sizes) < MOST_MEBIBYTES, sizes
    assert not {name for name in loaded if any(heavy in name for heavy in HEAVY)}


def test_the_web_process_loads_no_package_that_others_only_offer_to_use(child_environment, tmp_path):
    """All are installed, and can be imported afterwards by whoever means to. PostgreSQL's driver has its use there."""
    embedded = child_environment(DATABASE_URL=f"sqlite:///{tmp_path / 'db.sqlite3'}")
    command = [sys.executable, "-c", OFFERED]
    told = subprocess.run(command, cwd=ROOT, env=embedded, capture_output=True, text=True, check=False)

    assert (told.returncode, told.stdout.strip()) == (0, ""), told.stderr


def test_the_collector_of_a_web_process_passes_over_what_was_loaded_for_good(child_environment, tmp_path):
    embedded = child_environment(DATABASE_URL=f"sqlite:///{tmp_path / 'db.sqlite3'}")
    command = [sys.executable, "-c", SETTLED]
    told = subprocess.run(command, cwd=ROOT, env=embedded, capture_output=True, text=True, check=True)
    settled, looked_at = map(int, told.stdout.split())

    assert settled > 50_000
    assert looked_at < settled / 50
