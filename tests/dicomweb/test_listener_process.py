"""The listener as `make up` starts it, asked by dcmtk's own sender."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from django.conf import settings

from screening.audit.actor import Actor
from screening.dicomweb.senders import add_sender
from screening.uploads.models import Item, ItemState
from screening.users.models import Role
from tests.dicomweb.conftest import object_of
from tests.factories import SiteFactory, UserFactory
from tests.workers.processes import Process, running, until
from tests.workers.test_web_memory import free_port
from workers.supervisor.plan import commands

Build = Callable[..., dict[str, str]]
STORESCU = shutil.which("storescu")
needs_dcmtk = pytest.mark.skipif(STORESCU is None, reason="needs storescu of dcmtk on the path")


@dataclass(frozen=True)
class Listening:
    process: Process
    port: int

    def send(self, *files: Path, title: str = "DCMTK") -> subprocess.CompletedProcess[str]:
        names = [str(file) for file in files]
        command = [str(STORESCU), "-v", "-aet", title, "-aec", "CHESTSCREEN", "127.0.0.1", str(self.port), *names]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)


@contextmanager
def listening(build: Build, folder: Path) -> Iterator[Listening]:
    """Run the listener, and give how to send to it."""
    port = free_port()
    environment = build(DICOM_PORT=str(port), DICOM_LISTENER="true")
    process = Process("dicom", environment, folder, config=replace(settings.CONFIG, dicom_listener=True))
    with running(process):
        process.start()
        until(lambda: '"listening"' in process.tail(), 120, f"it never listened:\n{process.tail()}")
        yield Listening(process, port)


def drawn(folder: Path, count: int) -> list[Path]:
    """Lay down drawn objects, two in each study."""
    folder.mkdir()
    files = []
    for number in range(count):
        files.append(folder / f"{number:03}.dcm")
        files[-1].write_bytes(object_of(number, study=number // 2))
    return files


def test_the_listener_is_off_unless_it_is_asked_for():
    assert "dicom" not in commands(settings.CONFIG)
    assert "dicom" in commands(replace(settings.CONFIG, dicom_listener=True))


@needs_dcmtk
@pytest.mark.django_db(transaction=True)
def test_dcmtk_sends_twice_is_told_success_and_the_process_ends_gently(
    child_environment: Build, tmp_path: Path
) -> None:
    site = SiteFactory()
    user = UserFactory(role_at=(site, Role.INTEGRATOR))
    add_sender(site=site, user=user, ae_title="DCMTK", network="127.0.0.1", actor=Actor.service("test"))
    files = drawn(tmp_path / "sent", 6)
    with listening(child_environment, tmp_path) as listener:
        sent = [listener.send(*files), listener.send(*files)]
        stranger = listener.send(files[0], title="STRANGER")
        status = listener.process.end()
        log = listener.process.tail()

    assert [one.returncode for one in sent] == [0, 0], sent
    assert [one.stderr.count("Success") + one.stdout.count("Success") for one in sent] == [6, 6]
    assert stranger.returncode != 0
    assert status == 0
    assert list(Item.objects.values_list("state", flat=True)) == [ItemState.RECEIVED] * 6
    assert '"success": 6' in log
    assert "listener_ended" in log
    assert [name for name in ("1.2.3.4", "MRN-", "DCMTK", "Drawn") if name in log] == []
