"""What `make up` runs, where, and with which environment."""

import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from screening.config import ROOT, Config, broker_socket, secret_file
from workers.supervisor import valkey
from workers.supervisor.children import Child, Program
from workers.supervisor.pulses import Answering, BeatFile, HttpPulse

GUNICORN_CONF = Path(__file__).with_name("gunicorn_conf.py")
PROBE_SECONDS = 60.0  # a server that takes longer over /healthz is taken for hung


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of an embedded installation."""

    state: Path

    @property
    def run(self) -> Path:
        return self.state / "run"

    @property
    def log(self) -> Path:
        return self.state / "log"

    @property
    def valkey(self) -> Path:
        return self.state / "valkey"

    @property
    def socket(self) -> Path:
        return broker_socket(self.state)

    def make(self) -> None:
        for folder in (self.state, self.run, self.log, self.state / "static", self.valkey, self.socket.parent):
            valkey.make_private(folder)


def make_secret(state: Path) -> None:
    """Make the installation's secret on its first start; every later start finds it."""
    kept = secret_file(state)
    if kept.exists():
        return
    fresh = kept.with_suffix(".new")  # a start killed here leaves no half secret
    fresh.touch(mode=0o600)
    fresh.write_text(secrets.token_urlsafe(48))
    fresh.replace(kept)


def environment_of_children(env: Mapping[str, str], config: Config) -> dict[str, str]:
    """Give the variables under which every child finds the code and the same state as this process."""
    return {
        **env,
        "DJANGO_SETTINGS_MODULE": "screening.settings",
        "KERAS_HOME": str(config.state_dir / "keras"),  # else it makes a folder in the home of whoever starts it
        "PORT": str(config.port),
        "PYTHONPATH": str(ROOT),
        "PYTHONSAFEPATH": "1",  # python-gdcm imports a module named `dl`: never one from the working folder
        "PYTHONUNBUFFERED": "1",
        "STATE_DIR": str(config.state_dir),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def manage(*words: str) -> tuple[str, ...]:
    return (sys.executable, str(ROOT / "manage.py"), *words)


def _worker(queue: str, at_once: int) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "celery", "-A", "workers.app", "worker", "--pool=threads", "-c", str(at_once)),
        *("-Q", queue, "-n", f"{queue}@%h", "--loglevel=INFO", "--without-gossip", "--without-mingle"),
    )


def commands(config: Config) -> dict[str, tuple[str, ...]]:
    """Give the command of every child but the broker, in the order in which they start."""
    decoders = max(2, min(8, (os.cpu_count() or 2) // 2))
    bind = f"127.0.0.1:{config.port}"
    listener = {"dicom": manage("dicom_listener")} if config.dicom_listener else {}
    return {
        "web": (
            *(sys.executable, "-m", "gunicorn", "-c", str(GUNICORN_CONF), "--bind", bind),
            "screening.wsgi:application",
        ),
        "ingest": _worker("ingest", decoders),
        "inference": _worker("inference", 3),  # one computes, one writes, one has the next batch ready
        "reconciler": manage("reconcile", "--every", str(config.reconcile_seconds)),
        **listener,
    }


def children(config: Config, env: Mapping[str, str], places: Places, say: Callable[[str], None]) -> list[Child]:
    """Build web, workers and reconciler."""
    made = []
    for name, command in commands(config).items():
        program = program_of(name, command, env, places)
        if name == "web":
            probe = HttpPulse(host=host_name(config), port=config.port, path="/healthz", every=5, timeout=PROBE_SECONDS)
            made.append(Child(program, probe, say=say))
        else:
            made.append(Child(program, BeatFile(program.beat), say=say))
    return made


def broker(env: Mapping[str, str], places: Places, say: Callable[[str], None]) -> Child:
    """Build the embedded broker."""
    program = program_of("valkey", valkey.server_command(places.valkey, places.socket), env, places)
    return Child(program, Answering(partial(valkey.answers, places.socket), every=1), say=say)


def program_of(name: str, command: tuple[str, ...], env: Mapping[str, str], places: Places) -> Program:
    beat = places.run / f"{name}.beat"
    return Program(
        name=name,
        command=command,
        environment={**env, "BEAT_FILE": str(beat)},
        folder=ROOT,
        log=places.log / f"{name}.log",
        record=places.run / f"{name}.pid",
        beat=beat,
        silence=PROBE_SECONDS + 15 if name == "web" else 30,
    )


def host_name(config: Config) -> str:
    """Give a name under which the web process answers: a host it does not know is refused."""
    name = config.allowed_hosts[0] if config.allowed_hosts else "localhost"
    return "localhost" if name == "*" else name.removeprefix(".")
