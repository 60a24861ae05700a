"""What an embedded installation makes for itself: a folder of state and a secret in it."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from screening.config import ROOT


def with_own_secret(env: Mapping[str, str]) -> dict[str, str]:
    """Give the variables a secret key kept in the state folder, if none is named.

    Only for the embedded default: who names a database runs a deployment and must name a secret.
    """
    full = dict(env)
    if full.get("SECRET_KEY") or full.get("DATABASE_URL"):
        return full
    folder = Path(full.get("STATE_DIR", "") or ROOT / "var")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    full["SECRET_KEY"] = _read_or_make(folder / "secret_key")
    return full


def _read_or_make(path: Path) -> str:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    secret = secrets.token_urlsafe(48)
    with os.fdopen(handle, "w") as file:
        file.write(secret)
    return secret
