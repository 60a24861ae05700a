"""Keep all children running until told to stop; then stop them in order, within ten seconds."""

import signal
import time
from collections.abc import Callable, Sequence
from typing import Final

from workers.supervisor import valkey
from workers.supervisor.children import Child
from workers.supervisor.errors import CannotStart
from workers.supervisor.plan import Places

TICK: Final = 0.1  # seconds between two looks
WEB_SECONDS, WORKER_SECONDS, BROKER_SECONDS = 2.0, 6.5, 1.0  # to end by themselves; together under ten


class Stop:
    """Remember how often we were told to stop."""

    def __init__(self) -> None:
        self.asked = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked += 1

    def __bool__(self) -> bool:
        return self.asked > 0


class Service:
    def __init__(
        self, children: Sequence[Child], broker: Child | None, places: Places, *, say: Callable[[str], None], stop: Stop
    ) -> None:
        self._children = children
        self._broker = broker
        self._places = places
        self._say = say
        self._stop = stop

    def start_broker(self, *, patience: float = 20.0) -> None:
        """Take over a living embedded broker, or start one and wait for its answer.

        Raises:
            CannotStart: it does not answer, even with an empty file.
        """
        if self._broker is None:
            return
        living = valkey.process_of(self._places.socket)
        if living is not None:
            self._broker.take_over(living)
            self._say(f"valkey is still running (process {living}) and was taken over")
            return
        for _ in range(2):
            self._broker.start()
            if self._broker_answers(patience):
                return
            self._broker.forget()
            aside = valkey.set_aside(self._places.valkey)
            if aside is None:
                break
            self._say(f"the broker could not read its file, which is now {aside}; waiting work is called again")
        raise CannotStart(
            "broker_failed", "The embedded broker did not start.", f"Read {self._places.log / 'valkey.log'}."
        )

    def _broker_answers(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while self._broker is not None and self._broker.alive and time.monotonic() < deadline and not self._stop:
            if valkey.answers(self._places.socket):
                return True
            time.sleep(0.02)
        return bool(self._stop)

    def start(self) -> None:
        for child in self._children:
            child.start()

    def silent(self) -> list[str]:
        """Name the children that have not beaten since they were started."""
        return [child.name for child in self._children if not child.has_beaten]

    def look(self) -> None:
        for child in (*([self._broker] if self._broker else []), *self._children):
            child.look()

    def keep(self, until: Callable[[], bool]) -> None:
        """Look after the children until `until` says yes or we are told to stop."""
        while not self._stop and not until():
            self.look()
            time.sleep(TICK)

    def end(self) -> None:
        """End web first, so that nothing new comes in; then the workers; then the broker."""
        web = [child for child in self._children if child.name == "web"]
        others = [child for child in self._children if child.name != "web"]
        self._end_together(web, WEB_SECONDS)
        self._end_together(others, WORKER_SECONDS)
        self._end_together([self._broker] if self._broker else [], BROKER_SECONDS)

    def _end_together(self, children: Sequence[Child], seconds: float) -> None:
        asked = self._stop.asked
        for child in children:
            child.ask_to_end()
        deadline = time.monotonic() + seconds
        while any(child.alive for child in children) and time.monotonic() < deadline:
            if self._stop.asked > max(asked, 1):  # a second Ctrl-C: at once
                break
            time.sleep(0.02)
        for child in children:
            if child.alive:
                self._say(f"{child.name} did not end in time and was killed; leases it held run out by themselves")
            child.forget()
