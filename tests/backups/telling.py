"""Everything that an installation says of itself, for comparing two."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from screening.audit.models import AuditEvent, AuditHead
from screening.audit.triggers import triggers_present
from screening.flows.integrity import find_violations
from screening.flows.receipt import receipt
from screening.studies.models import Image
from screening.uploads.models import Upload
from workers.crew import Stop
from workers.ingest import ingest_chunk
from workers.planes import load_planes


def everything() -> dict[str, Any]:
    """Give every receipt, every event, the kept files but planes, and what the checks find."""
    told = {
        "receipts": [
            [asdict(item) for item in receipt(upload, with_paths=True)] for upload in Upload.objects.order_by("pk")
        ],
        "events": list(AuditEvent.objects.order_by("chain", "seq").values()),
        "heads": list(AuditHead.objects.order_by("chain").values()),
        "blobs": sorted(
            str(path.relative_to(settings.BLOB_ROOT))
            for path in Path(settings.BLOB_ROOT).glob("*/*/*/*")
            if path.suffix != ".plane"
        ),
        "keys": {path.name: path.read_bytes().hex() for path in sorted(Path(settings.KEY_ROOT).glob("*"))},
        "violations": [asdict(violation) for violation in find_violations()],
        "append_only": triggers_present(connection),
    }
    return json.loads(json.dumps(told, default=str))


def main() -> None:
    """Speak. `ingest` first brings what waits to its outcome, `planes` first asks for every plane."""
    if "ingest" in sys.argv:
        while ingest_chunk(Stop()):
            pass
    made = [plane is not None for plane in load_planes(list(Image.objects.all()))] if "planes" in sys.argv else []
    print(json.dumps({**everything(), "planes": made}))  # noqa: T201 - read by the test
