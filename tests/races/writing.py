"""A process that writes results as an inference worker does, batch after batch, until nothing of its lane waits.

python -m tests.races.writing MODEL_VERSION_ID
"""

import random
import sys
import time
from uuid import UUID

import django

django.setup()

from screening import leasing  # noqa: E402 - models are there only once Django is set up
from screening.audit.actor import Actor  # noqa: E402
from screening.errors import LeaseLost  # noqa: E402
from screening.flows.scored import record_outcomes  # noqa: E402
from screening.results.leases import claim_batch  # noqa: E402
from screening.results.models import ModelVersion, Screening, ScreeningState  # noqa: E402
from screening.studies.values import ModelIdentity, ScreenOutcome  # noqa: E402

WRITER = Actor.service("inference")
LARGEST = 16  # rows of a batch


def outcome_of(row: Screening) -> ScreenOutcome:
    """Give a score that the row's key decides, so that whoever computes it after a death says the same."""
    score = row.pk.int % 1000 / 1000
    return ScreenOutcome(kind="scored", scores={"covid": score, "normal": round(1 - score, 3)})


def main(version: ModelVersion) -> None:
    model = ModelIdentity(name=version.name, sha256=version.sha256, runtime="test", precision="fp32")
    waiting = Screening.objects.filter(model_version=version, state__in=(ScreeningState.WAITING, ScreeningState.LEASED))
    while True:
        lease, rows = claim_batch(model_version_id=version.pk, limit=random.randint(1, LARGEST))
        if not rows:
            if not waiting.exists():
                return
            time.sleep(0.1)  # of a writer that died: its lease has to run out
            continue
        try:
            leasing.begin(Screening, lease)
            outcomes = {row.pk: outcome_of(row) for row in rows}
            record_outcomes(lease=lease, model=model, outcomes=outcomes, timings={}, actor=WRITER)
        except LeaseLost:
            continue
        time.sleep(random.uniform(0, 0.01))


if __name__ == "__main__":
    main(ModelVersion.objects.get(pk=UUID(sys.argv[1])))
