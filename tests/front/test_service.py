import os
import signal
import time

import pytest

from tests.front.conftest import BEATING, eventually, is_alive
from workers.supervisor import __main__ as supervisor
from workers.supervisor import plan, valkey
from workers.supervisor.errors import CannotStart
from workers.supervisor.service import Service

NOTING = BEATING.replace(
    "lambda *_: sys.exit(0)", "lambda *_: (open('ended', 'a').write(os.environ['BEAT_FILE'] + '\\n'), sys.exit(0))"
)
DEAF = BEATING.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")


class Asked:
    """Count the times we were told to stop, without a signal."""

    def __init__(self, asked: int = 0) -> None:
        self.asked = asked

    def __bool__(self) -> bool:
        return self.asked > 0


@pytest.fixture
def places(tmp_path):
    made = plan.Places(tmp_path / "var")
    made.make()
    return made


@pytest.fixture
def broker(places, said):
    child = plan.broker(dict(os.environ), places, said.append)
    yield child
    child.forget()


def beating(*children):
    eventually(lambda: all(child.program.beat.exists() for child in children))


def test_web_ends_first_then_workers_then_the_broker(make_child, places, broker, said, tmp_path):
    stop = Asked()
    children = [make_child(NOTING, name=name) for name in ("web", "ingest", "inference")]
    service = Service(children, broker, places, say=said.append, stop=stop)
    service.start_broker()
    service.start()
    beating(*children)
    web = children[0]

    seen = []
    end_together = service._end_together

    def watch(group, seconds):
        seen.append(([child.name for child in group], web.alive, valkey.answers(places.socket)))
        end_together(group, seconds)

    service._end_together = watch
    service.end()

    assert seen == [(["web"], True, True), (["ingest", "inference"], False, True), (["valkey"], False, True)]
    assert not valkey.answers(places.socket)
    assert (tmp_path / "ended").read_text().split()[0].endswith("web.beat")
    assert said == []


def test_worker_that_does_not_end_is_killed_in_time_and_this_is_said(make_child, places, said):
    deaf = make_child(DEAF, name="inference")
    service = Service([deaf], None, places, say=said.append, stop=Asked(1))
    service.start()
    beating(deaf)
    pid, began = deaf.pid, time.monotonic()

    service.end()

    assert not is_alive(pid)
    assert 6.5 <= time.monotonic() - began < 9.0
    assert said == ["inference did not end in time and was killed; leases it held run out by themselves"]


def test_second_ctrl_c_does_not_wait(make_child, places, said):
    deaf = make_child(DEAF, name="inference")
    stop = Asked(1)
    service = Service([deaf], None, places, say=said.append, stop=stop)
    service.start()
    beating(deaf)
    pid, began = deaf.pid, time.monotonic()
    deaf.ask_to_end = lambda: setattr(stop, "asked", 2)

    service.end()

    assert not is_alive(pid)
    assert time.monotonic() - began < 2


def test_living_broker_is_taken_over_watched_and_ended(places, said):
    earlier = valkey.EmbeddedValkey(places.valkey, places.socket, environment=dict(os.environ))
    earlier.start()
    child = plan.broker(dict(os.environ), places, said.append)
    service = Service([], child, places, say=said.append, stop=Asked())

    service.start_broker()

    assert child.pid == earlier.process.pid
    assert said == [f"valkey is still running (process {child.pid}) and was taken over"]
    service.look()
    assert child.alive
    service.end()
    assert earlier.process.wait(5) == 0
    assert not child.alive


def test_broker_that_is_killed_comes_back_with_its_socket(places, broker, said):
    service = Service([], broker, places, say=said.append, stop=Asked())
    service.start_broker()
    os.kill(broker.pid, signal.SIGKILL)
    eventually(lambda: not broker.alive)

    eventually(lambda: service.look() or valkey.answers(places.socket))

    assert broker.starts == 2
    assert len(said) == 1
    service.end()


def test_broker_with_an_unreadable_file_starts_with_an_empty_one_and_says_so(places, broker, said):
    files = places.valkey / "appendonlydir"
    files.mkdir()
    (files / "appendonly.aof.manifest").write_text("nonsense\n")
    service = Service([], broker, places, say=said.append, stop=Asked())

    service.start_broker()

    assert valkey.answers(places.socket)
    [aside] = places.valkey.glob("appendonlydir.unreadable.*")
    assert said == [f"the broker could not read its file, which is now {aside}; waiting work is called again"]
    service.end()


def test_broker_that_cannot_start_at_all_is_an_error_that_names_its_log(places, said):
    child = plan.broker(dict(os.environ), places, said.append)
    object.__setattr__(child.program, "command", ("false",))
    service = Service([], child, places, say=said.append, stop=Asked())

    with pytest.raises(CannotStart) as refused:
        service.start_broker()

    assert refused.value.code == "broker_failed"
    assert str(places.log / "valkey.log") in refused.value.what_to_do


def test_secret_is_made_once_and_readable_by_its_owner_alone(places):
    plan.make_secret(places.state)
    kept = places.state / "secret_key"
    first = kept.read_text()

    plan.make_secret(places.state)

    assert kept.read_text() == first
    assert len(first) >= 50
    assert kept.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in places.state.iterdir()) == ["log", "run", "secret_key", "static", "valkey"]


def test_start_that_takes_long_says_once_what_is_missing(make_child, places, said, settings, capsys, monkeypatch):
    never = make_child("import time; time.sleep(600)", name="inference")
    service = Service([never], None, places, say=said.append, stop=Asked())
    service.start()
    monkeypatch.setattr(supervisor, "READY_SECONDS", 0.0)
    readiness = supervisor.Readiness(settings.CONFIG, service)

    answers = [readiness.is_yes(), readiness.is_yes()]

    assert answers == [False, False]
    assert capsys.readouterr().out == (
        f"not ready yet: no sign of life from inference; logs are in {settings.CONFIG.state_dir / 'log'}\n"
    )
