"""Where the command keeps what it must: readable by its owner alone, and without a name of any file."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import IO, Any

ENVIRONMENT: Mapping[str, str] = os.environ


def config_folder(env: Mapping[str, str] = ENVIRONMENT) -> Path:
    """Give the folder of this command under the user's configuration folder, made if it is not there."""
    if sys.platform == "win32":
        base = Path(env.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin" and not env.get("XDG_CONFIG_HOME"):
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    folder = base / "chestctl"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def written(target: Path) -> Iterator[IO[bytes]]:
    """Write a file of mode 0600, whole or not at all: also a kill halfway leaves the one that was there."""
    number, name = mkstemp(dir=target.parent, prefix=f".{target.name}.")  # made with mode 0600
    fresh = Path(name)
    try:
        with os.fdopen(number, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def write_json(target: Path, data: Mapping[str, Any]) -> None:
    with written(target) as stream:
        stream.write(json.dumps(data).encode())


def read_json(source: Path) -> dict[str, Any] | None:
    """Read what `write_json` wrote; none where it is not there or cannot be read."""
    try:
        data = json.loads(source.read_bytes())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None
