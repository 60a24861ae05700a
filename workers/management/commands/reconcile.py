import signal
import threading
import time
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser

from workers import heartbeat
from workers.crew import PROGRESS
from workers.orphans import sweep
from workers.outbound import hands
from workers.release import end_when_upgraded, refuse_other_release
from workers.upkeep import DUTIES, look_after

SWEEP_SECONDS: Final = 3600.0
BREATH: Final = 10.0  # seconds between two looks at the clock, well within the heartbeat's patience


class Command(BaseCommand):
    requires_system_checks = []
    help = (
        "Bring back what dead workers held, settle uploads, call workers while rows wait, and send webhooks and e-mail."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=float, default=10.0, metavar="SECONDS")
        parser.add_argument("--once", action="store_true", help="One round, with the sweep, then end.")

    def handle(self, *, every: float, once: bool, **_: Any) -> None:
        refuse_other_release()
        if once:
            done = look_after((*DUTIES, ("swept", sweep)))
            self.stdout.write(", ".join(f"{name} {count}" for name, count in done.items()))
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        end_when_upgraded(stop)
        heartbeat.start()
        hands.start()
        try:
            self._rounds(stop, every)
        finally:
            hands.stop()

    def _rounds(self, stop: threading.Event, every: float) -> None:
        swept = 0.0
        PROGRESS.enroll()
        while not stop.is_set():
            due = swept + SWEEP_SECONDS <= time.monotonic() or swept == 0.0
            look_after((*DUTIES, ("swept", sweep)) if due else DUTIES)
            swept = time.monotonic() if due else swept
            until = time.monotonic() + every
            while not stop.is_set() and time.monotonic() < until:
                PROGRESS.note()
                stop.wait(min(BREATH, max(0.0, until - time.monotonic())))
