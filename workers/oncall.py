"""Workers for the length of one call, where no service is running that has them."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Final

from screening.config import ROOT, Config
from workers.supervisor.plan import Places, commands, environment_of_children
from workers.supervisor.processes import signal_group, spawn

QUEUES: Final = ("ingest", "inference")
FRESH_SECONDS: Final = 10.0  # a worker beats every second
PATIENCE: Final = 10.0  # seconds after SIGTERM, in which a worker gives its leases back


def lacking(places: Places) -> list[str]:
    """The kinds of workers of which none beats in this installation."""
    return [queue for queue in QUEUES if not _beats(places.run / f"{queue}.beat")]


@contextmanager
def workers_for(queues: list[str], config: Config, environment: Mapping[str, str]) -> Iterator[list[Popen[bytes]]]:
    """Run one worker for each queue until the body ends. They need no broker: they look for work themselves."""
    places = Places(config.state_dir)
    places.make()
    started = [_start(queue, config, environment, places) for queue in queues]
    try:
        yield started
    finally:
        for process in started:
            process.terminate()
        for process in started:
            _end(process)
        for queue in queues:
            _beat_of(queue, places).unlink(missing_ok=True)


def _start(queue: str, config: Config, environment: Mapping[str, str], places: Places) -> Popen[bytes]:
    with (places.log / f"{queue}-on-call.log").open("ab") as log:
        return spawn(
            commands(config)[queue],
            output=log,
            environment={
                **environment_of_children(environment, config),
                "DJANGO_SETTINGS_MODULE": environment["DJANGO_SETTINGS_MODULE"],  # the caller's own
                "BEAT_FILE": str(_beat_of(queue, places)),
            },
            folder=ROOT,
        )


def _beat_of(queue: str, places: Places) -> Path:
    return places.run / f"{queue}-{os.getpid()}.beat"


def _end(process: Popen[bytes]) -> None:
    try:
        process.wait(PATIENCE)
    except TimeoutExpired:
        signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _beats(beat: Path) -> bool:
    try:
        return time.time() - beat.stat().st_mtime < FRESH_SECONDS
    except FileNotFoundError:
        return False
