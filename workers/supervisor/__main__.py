"""`python -m workers.supervisor`: from a prepared virtual environment to a working service, until Ctrl-C."""

import os
import sys
import time
from contextlib import suppress

import environ
from django.core.exceptions import ImproperlyConfigured

from screening.config import ROOT, Config, read_config, state_folder
from workers.supervisor import plan
from workers.supervisor.errors import CannotStart
from workers.supervisor.lock import OnlyOne
from workers.supervisor.pulses import get
from workers.supervisor.service import Service, Stop
from workers.supervisor.steps import Steps, Stopped, end_left_behind, refuse_taken_port

READY_SECONDS = 120.0  # after which we say what is still missing, and go on


def say(words: str) -> None:
    """Tell the person at the terminal; one that was closed must not keep the service from ending."""
    with suppress(OSError):
        sys.stdout.write(f"{words}\n")
        sys.stdout.flush()


def main() -> int:
    """Run the service. 0 after Ctrl-C, 1 when it cannot start, 2 when a variable is wrong."""
    os.umask(0o077)  # all of the state is its owner's alone
    stop = Stop()
    environ.Env.read_env(ROOT / ".env")
    env = dict(os.environ)
    try:
        places = plan.Places(state_folder(env))
        places.make()
        plan.make_secret(places.state)
        config = read_config(env)
        with OnlyOne(places.run / "supervisor.lock", address=address_of(config)):
            run(config, plan.environment_of_children(env, config), places, stop)
    except ImproperlyConfigured as error:
        say(str(error))
        return 2
    except CannotStart as error:
        say(str(error))
        return 1
    except Stopped:
        say("stopped before the start was complete")
    return 0


def run(config: Config, env: dict[str, str], places: plan.Places, stop: Stop) -> None:
    """Prepare, start, keep and end everything."""
    began = time.monotonic()
    end_left_behind(places, list(plan.commands(config)), say)
    refuse_taken_port(config.port)
    own_broker = None if env.get("REDIS_URL") else plan.broker(env, places, say)
    service = Service(plan.children(config, env, places, say), own_broker, places, say=say, stop=stop)
    try:
        service.start_broker()
        link = prepare(config, env, places, stop)
        service.start()
        service.keep(until=Readiness(config, service).is_yes)
        if not stop:
            say(welcome(config, link, time.monotonic() - began))
        service.keep(until=lambda: False)
    finally:
        say("stopping")
        service.end()
    say("stopped; nothing is lost, `make up` goes on from here")


def prepare(config: Config, env: dict[str, str], places: plan.Places, stop: Stop) -> str:
    """Bring database and models up to this version. Returns a one-time sign-in link."""
    say("preparing database and models")
    steps = Steps(env, places.log / "setup.log", stopped=lambda: bool(stop))
    return steps.ask("prepare", "--base-url", address_of(config))


class Readiness:
    """Ask the children and /readyz until both say yes; say once what is missing when that takes long."""

    def __init__(self, config: Config, service: Service) -> None:
        self._config = config
        self._service = service
        self._complain = time.monotonic() + READY_SECONDS

    def is_yes(self) -> bool:
        missing = self._missing()
        if missing and time.monotonic() > self._complain:
            self._complain = float("inf")
            say(f"not ready yet: {missing}; logs are in {self._config.state_dir / 'log'}")
        return not missing

    def _missing(self) -> str:
        silent = self._service.silent()
        if silent:
            return f"no sign of life from {', '.join(silent)}"
        status, body = get(plan.host_name(self._config), self._config.port, "/readyz", timeout=2)
        return "" if status == 200 else f"/readyz says {status or 'nothing'}: {body.strip()[:300]}"


def address_of(config: Config) -> str:
    return f"http://127.0.0.1:{config.port}"


def welcome(config: Config, link: str, seconds: float) -> str:
    """What stands on the terminal once the service works."""
    lines = [
        f"\nReady after {seconds:.0f} s: {address_of(config)}",
        link,
        "For education only, not a medical device.",
        "Ctrl-C ends it; logs are in " + str(config.state_dir / "log"),
    ]
    return "\n".join(line for line in lines if line)


if __name__ == "__main__":
    sys.exit(main())
