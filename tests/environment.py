"""The variables of a test run, set before Django reads them: pytest loads this with `-p tests.environment`.

A run keeps all its state in a temporary folder and meets no service that was not named:
TEST_DATABASE_URL and TEST_REDIS_URL (or DATABASE_URL and REDIS_URL) name one, else it is SQLite in a file and
a broker of the run's own. A `.env` of the checkout has no part in it.

Where tests run in several processes, each has its own folder, database and broker, or its own number in a broker that
was named.
"""

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parent.parent
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "")  # gw0, gw1; empty in the first process
STATE = Path(tempfile.mkdtemp(prefix="screening-"))  # short: a socket's path ends at about 107 bytes
SOCKET = STATE / "valkey" / "valkey.sock"


def documented_variables() -> list[str]:
    """List the variables that .env.example describes, commented out or not."""
    return re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE)


def named(name: str) -> str:
    """Give what a variable names; the first process of a run keeps it for the others, which inherit what it set."""
    kept = f"TESTS_BEGAN_WITH_{name}"
    if not PROCESS:
        os.environ[kept] = os.environ.get(f"TEST_{name}") or os.environ.get(name) or ""
    return os.environ[kept]


def own_number(url: str) -> str:
    """Give the second process of a run the next number of a named broker: one empties what the other uses."""
    further = int(PROCESS.removeprefix("gw") or 0)
    if not further:
        return url
    parts = urlsplit(url)
    number = parts.path.strip("/") or "0"
    if not number.isdigit():
        raise SystemExit("Name the tests' broker as redis://HOST:PORT/NUMBER, or run them in one process (ARGS=-n0).")
    return urlunsplit(parts._replace(path=f"/{int(number) + further}"))


DATABASE_URL = named("DATABASE_URL") or f"sqlite:///{STATE / 'screening.sqlite3'}"
REDIS_URL = own_number(named("REDIS_URL")) if named("REDIS_URL") else ""
OWN_BROKER = not REDIS_URL

# An empty variable means its default: neither .env nor the shell reaches into a test.
os.environ.update(dict.fromkeys(documented_variables(), ""))
os.environ.update(
    DATABASE_URL=DATABASE_URL,
    REDIS_URL=REDIS_URL or f"redis+socket://{SOCKET}",
    SECRET_KEY="a-secret-of-this-test-run-and-of-nothing-else",
    STATE_DIR=str(STATE),
    RUNTIME="tensorflow",  # what is chosen by measuring is tried by tests of its own
    PRECISION="fp32",
    BATCH_SIZE="32",
    PYTHONPATH=str(ROOT),
    OPENBLAS_NUM_THREADS="1",  # as in a worker (workers/app.py): models are measured in this process, too
)
atexit.register(shutil.rmtree, STATE, ignore_errors=True)
