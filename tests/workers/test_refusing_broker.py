"""A broker that answers and refuses, as one does whose disk or memory is full, is no more than away."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from screening.uploads.models import Item, ItemState, Upload
from tests.workers.processes import Process, running, until
from tests.workers.test_ingest import radiographs
from workers.supervisor.valkey import EmbeddedValkey

pytestmark = pytest.mark.django_db(transaction=True)
REFUSING = {"yes": 1, "no": 0}  # replicas that it asks for before it takes anything


@pytest.fixture
def own_broker(child_environment: Callable[..., dict[str, str]]) -> Iterator[EmbeddedValkey]:
    """A broker whose settings are this test's."""
    place = Path(tempfile.mkdtemp(prefix="v-"))  # short: a socket's path ends at about 107 bytes
    server = EmbeddedValkey(place / "data", place / "valkey.sock", environment=child_environment())
    server.start()
    yield server
    server.stop()
    shutil.rmtree(place, ignore_errors=True)


def test_a_worker_goes_on_beside_a_broker_that_refuses_and_meets_it_again(
    upload_of: Callable[..., Upload], child_environment: Callable[..., dict[str, str]], own_broker, tmp_path: Path
) -> None:
    told = redis.Redis(unix_socket_path=str(own_broker.folder.parent / "valkey.sock"))
    worker = Process("ingest", child_environment(REDIS_URL=own_broker.url, POLL_SECONDS="1"), tmp_path)
    told.config_set("min-replicas-to-write", REFUSING["yes"])
    with running(worker):
        worker.start().wait_for_beat(120)
        until(lambda: "NOREPLICAS" in worker.tail(), 60, f"it was never refused:\n{worker.tail()}")
        upload = upload_of(radiographs(4))
        done = Item.objects.filter(upload=upload, state=ItemState.ACCEPTED)
        until(lambda: done.count() == 4 or not worker.alive(), 120, f"nobody looked:\n{worker.tail()}")
        assert worker.alive(), worker.tail()
        told.config_set("min-replicas-to-write", REFUSING["no"])
        until(lambda: "ready." in worker.tail(), 60, f"it never consumed:\n{worker.tail()}")
        assert worker.end(30) == 0
    told.close()
