"""What no log line may hold, taken out where every line passes."""

import re
from typing import Any, Final

# The secret of a one-time link is in its path, and failed requests are logged with their paths.
# With %2F it is the address that somebody goes on to after signing in.
SECRET_IN_PATH: Final = re.compile(
    r"((?:/|%2F)(?:enter|invitation|notifications(?:/|%2F)confirm)(?:/|%2F))(?:[A-Za-z0-9_:-]|%3A)+", re.IGNORECASE
)
# DICOMweb puts identifiers of examinations into addresses: a sender's own, or those that it asks about.
DICOM_ADDRESS: Final = re.compile(r"(/dicomweb/)[^\s\"'<>]+")


def without_secrets(_logger: object, _method: str, line: dict[str, Any]) -> dict[str, Any]:
    """Strike the secrets of one-time links, and what follows in DICOMweb addresses, out of every text of a log line."""
    return {name: _strike(value) if isinstance(value, str) else value for name, value in line.items()}


def _strike(text: str) -> str:
    return DICOM_ADDRESS.sub(r"\1...", SECRET_IN_PATH.sub(r"\1...", text))
