"""Several workers on the same rows at the same time, each with its own connection."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from screening import leasing
from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import verify_chain
from screening.errors import LeaseLost
from screening.flows.acts import cancel_upload, seal_upload
from screening.flows.ingested import record_ingested
from screening.flows.integrity import find_violations
from screening.flows.scored import record_outcomes
from screening.outbox.leases import claim_deliveries
from screening.outbox.models import Delivery, Endpoint
from screening.results.leases import claim_batch
from screening.results.models import Screening, ScreeningState
from screening.studies.models import Image, SiteChange, Study
from screening.studies.values import IngestedFile, IngestedPicture, ItemOutcome, ModelIdentity, ScreenOutcome
from screening.uploads.leases import claim_items
from screening.uploads.models import Item, ItemState, UploadState
from tests.factories import ModelVersionFactory, SiteFactory, UploadFactory
from tests.workers.processes import until

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 4
ROWS = 120
CPU, GPU = Actor.service("ingest"), Actor.service("inference")
MODEL = ModelIdentity(name="m@1", sha256="a" * 64, runtime="none", precision="fp32")
PICTURE = IngestedPicture(
    frame=0, modality="xray", view="PA", rows=4, columns=3, notes=(), not_assessed="", plane_sha256="p" * 64
)
FILE = IngestedFile(kind="png", source_name="source.png", pixels_sha256="x" * 64, pictures=(PICTURE,))


def at_the_same_time(work: Callable[[], int]) -> list[int]:
    def run(_: int) -> int:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(run, range(WORKERS)))


def ingest_all() -> int:
    done = 0
    while True:
        lease, items = claim_items(7)
        if not items:
            return done
        leasing.begin(Item, lease)
        record_ingested(lease=lease, outcomes=[ItemOutcome(item_id=i.pk, file=FILE) for i in items], actor=CPU)
        done += len(items)


def screen_all(version_id) -> int:
    done = 0
    while True:
        lease, rows = claim_batch(model_version_id=version_id, limit=7)
        if not rows:
            return done
        leasing.begin(Screening, lease)
        outcome = ScreenOutcome(kind="scored", scores={"covid": 0.9, "normal": 0.1})
        try:
            done += record_outcomes(
                lease=lease, model=MODEL, outcomes={row.pk: outcome for row in rows}, timings={}, actor=GPU
            )
        except LeaseLost:
            continue


def test_hands_that_come_at_once_tell_one_endpoint_one_after_the_other():
    endpoint = Endpoint.objects.create(site=SiteFactory(), url="https://example.org/")
    told = {"kind": "test", "subject": endpoint.pk, "subject_state": "", "change_number": 0}
    Delivery.objects.bulk_create(Delivery(endpoint=endpoint, rank=place, **told) for place in range(64))

    taken = at_the_same_time(lambda: len(claim_deliveries(endpoint_id=endpoint.pk, limit=8)[1]))

    assert sorted(taken) == [0, 0, 0, 8]


@pytest.fixture
def version():
    return ModelVersionFactory()


def offered(version, *, different: int):
    """An open upload with ROWS received items of `different` contents."""
    upload = UploadFactory(models_chosen=[version.name])
    Item.objects.bulk_create(
        Item(
            upload=upload,
            path=f"{n}.png",
            path_digest=f"{n:064x}",
            size=1,
            sha256=f"{n % different:064x}",
            state=ItemState.RECEIVED,
            rank=n,
        )
        for n in range(ROWS)
    )
    return upload


def sound() -> list:
    """Violations, less what a factory's item lacks: the events of its arrival, and blobs."""
    return list(find_violations(blobs=False))


def test_every_item_is_ingested_once_and_every_picture_screened_once(version):
    upload = offered(version, different=ROWS)

    ingested = at_the_same_time(ingest_all)
    seal_upload(upload_id=upload.pk, count=ROWS, actor=CPU)
    screened = at_the_same_time(lambda: screen_all(version.pk))

    assert (sum(ingested), sum(screened)) == (ROWS, ROWS)
    assert Counter(AuditEvent.objects.values_list("action", flat=True))["screening:scored"] == ROWS
    upload.refresh_from_db()
    assert upload.state == UploadState.FINISHED
    assert verify_chain(ChainKind.UPLOAD, upload.pk).intact
    assert sound() == []


def test_the_same_bytes_in_the_hands_of_several_workers_become_one_picture(version):
    upload = offered(version, different=5)

    at_the_same_time(ingest_all)

    states = Counter(upload.items.values_list("state", flat=True))
    assert states == {ItemState.ACCEPTED: 5, ItemState.DUPLICATE: ROWS - 5}
    assert (Image.objects.count(), Study.objects.count(), Screening.objects.count()) == (5, 5, 5)


def test_a_cancel_in_the_middle_leaves_every_row_with_one_outcome(version):
    upload = offered(version, different=ROWS)
    seal_upload(upload_id=upload.pk, count=ROWS, actor=CPU)
    ingest_all()

    def screen_or_cancel() -> int:
        if next(turns) == 0:
            cancel_upload(upload_id=upload.pk, actor=CPU)
            return 0
        return screen_all(version.pk)

    turns = iter(range(WORKERS))
    scored = sum(at_the_same_time(screen_or_cancel))

    states = Counter(Screening.objects.values_list("state", flat=True))
    assert states[ScreeningState.SCORED] == scored
    assert states[ScreeningState.SCORED] + states[ScreeningState.CANCELLED] == ROWS
    assert sound() == []


def test_a_poller_that_follows_the_change_number_sees_every_study(version):
    upload = offered(version, different=ROWS)
    ingest_all()
    seal_upload(upload_id=upload.pk, count=ROWS, actor=CPU)
    seen: dict[object, int] = {}
    at = 0

    def poll() -> None:
        nonlocal at
        for study in Study.objects.filter(change_number__gt=at).order_by("change_number", "pk"):
            seen[study.pk] = at = study.change_number

    def screen_or_poll() -> int:
        if next(turns):
            return screen_all(version.pk)
        until(lambda: poll() or not pending.exists(), 120, "the workers did not finish", every=0)
        return 0

    pending = Screening.objects.filter(state__in=(ScreeningState.WAITING, ScreeningState.LEASED))
    turns = iter(range(WORKERS))
    at_the_same_time(screen_or_poll)
    poll()  # the last commits; nothing before `at` is looked at again

    assert seen == dict(Study.objects.values_list("pk", "change_number"))
    assert SiteChange.objects.get().number == max(seen.values())
