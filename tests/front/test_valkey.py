import os
import signal
import stat

import pytest
import redis

from screening.config import broker_socket
from tests.front.conftest import eventually, is_alive
from workers.supervisor import valkey
from workers.supervisor.errors import CannotStart
from workers.supervisor.valkey import EmbeddedValkey


@pytest.fixture
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("v")
    made = EmbeddedValkey(folder, folder / "s", environment=dict(os.environ))
    made.start()
    yield made
    made.stop()


def client(server: EmbeddedValkey) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(server.address))


def test_broker_answers_on_its_socket_and_on_no_port(server):
    with client(server) as broker:
        told = broker.config_get("*")

    assert valkey.answers(server.address)
    assert valkey.process_of(server.address) == server.process.pid
    assert told["port"] == "0"
    assert (told["appendonly"], told["appendfsync"], told["save"]) == ("yes", "everysec", "")
    assert told["maxmemory-policy"] == "noeviction"


def test_socket_and_folder_are_their_owner_s_alone(server):
    assert stat.S_IMODE(server.address.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700


def test_killed_broker_keeps_what_it_took_a_second_ago(server):
    with client(server) as broker:
        broker.rpush("calls", *range(1000))
        broker.config_set("appendfsync", "always")  # what a second of waiting would do
        broker.rpush("calls", "last")
    server.stop(signal.SIGKILL)
    assert not valkey.answers(server.address)

    server.start()

    with client(server) as broker:
        assert broker.llen("calls") == 1001


def test_stopped_broker_leaves_no_process(server):
    pid = server.process.pid

    server.stop()

    assert not is_alive(pid)
    assert valkey.process_of(server.address) is None


def test_frozen_broker_does_not_answer(server):
    os.kill(server.process.pid, signal.SIGSTOP)

    try:
        assert not valkey.answers(server.address, timeout=0.2)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    eventually(lambda: valkey.answers(server.address))


def test_unreadable_file_stops_the_start_and_can_be_set_aside(tmp_path):
    server = EmbeddedValkey(tmp_path / "v", tmp_path / "s", environment=dict(os.environ))
    server.start()
    with client(server) as broker:
        broker.rpush("calls", "one")
    server.stop()
    for part in (tmp_path / "v" / "appendonlydir").glob("*.aof"):
        part.write_bytes(b"this was never written by a broker" * 100)

    with pytest.raises(CannotStart) as refused:
        server.start()
    aside = valkey.set_aside(tmp_path / "v")
    server.start()

    assert refused.value.code == "broker_failed"
    assert server.process is not None
    assert aside.is_dir()
    with client(server) as broker:
        assert broker.llen("calls") == 0
    server.stop()


def test_nothing_is_set_aside_where_there_is_no_file(tmp_path):
    assert valkey.set_aside(tmp_path) is None


def test_folder_that_is_a_link_is_refused_and_left_as_it_is(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(elsewhere)

    with pytest.raises(CannotStart) as refused:
        valkey.make_private(tmp_path / "link")

    assert refused.value.code == "folder_not_ours"
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


def test_deep_checkout_gets_a_socket_that_a_system_accepts(tmp_path):
    deep = tmp_path / ("a" * 100)

    usual, short = broker_socket(tmp_path), broker_socket(deep)

    assert usual == tmp_path / "valkey" / "valkey.sock"
    assert len(os.fsencode(short)) <= 100
    assert short == broker_socket(deep)
    assert short != broker_socket(tmp_path / ("b" * 100))
