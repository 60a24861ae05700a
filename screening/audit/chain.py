"""The arithmetic of a hash chain: each event's hash covers its content and the hash before it."""

import hashlib
import json
from datetime import datetime
from typing import Any, Final

GENESIS: Final = "0" * 64
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def link(
    *, previous: str, chain: str, seq: int, site_id: str, at: datetime, action: str, actor: str, detail: dict[str, Any]
) -> str:
    """The hash of an event: SHA-256 over the previous hash and the canonical JSON of its content."""
    content = _CANONICAL.encode([chain, seq, site_id, at.isoformat(timespec="microseconds"), action, actor, detail])
    return hashlib.sha256(f"{previous}\n{content}".encode()).hexdigest()
