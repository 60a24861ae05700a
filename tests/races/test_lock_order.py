"""Workers and people lock the same rows in one order: nobody waits for somebody who waits for them."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from uuid import uuid4

import pytest
from django.db import connections, transaction
from django.utils import timezone

from screening import leasing, retrying
from screening.audit.actor import Actor
from screening.flows.acts import seal_upload
from screening.flows.ingested import record_ingested
from screening.leasing import Lease
from screening.results.models import Screening, ScreeningState
from screening.studies.models import Study
from screening.studies.values import ItemOutcome
from screening.uploads.leases import claim_items
from screening.uploads.models import Item, ItemState
from screening.uploads.storage import incoming_path
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
)
from tests.races.test_workers_meet import FILE
from workers.orphans import drop_failed_bytes

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 60
CPU = Actor.service("ingest")


def together(*works: Callable[[], object]) -> None:
    def run(work: Callable[[], object]) -> None:
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        list(pool.map(run, works))


@pytest.fixture
def nobody_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadlock surfaces instead of being tried again."""
    monkeypatch.setattr(retrying, "TRIES", 1)


@pytest.mark.usefixtures("nobody_tries_again")
def test_leases_are_begun_renewed_and_given_back_in_the_order_in_which_people_lock_rows():
    study, version = StudyFactory(), ModelVersionFactory()
    rows = [ScreeningFactory(image=ImageFactory(study=study), model_version=version) for _ in range(60)]
    lease = Lease(uuid4(), 60)
    for row in sorted(rows, key=lambda row: row.pk, reverse=True):  # on disk in the other order than by key
        Screening.objects.filter(pk=row.pk).update(
            state=ScreeningState.LEASED, lease_token=lease.token, lease_until=timezone.now() + timedelta(minutes=9)
        )

    def work() -> None:
        for _ in range(ROUNDS):
            leasing.begin(Screening, lease)
            leasing.renew(Screening, lease)

    def lock_slowly() -> None:
        for _ in range(ROUNDS):
            with transaction.atomic():
                for key in sorted(row.pk for row in random.sample(rows, 8)):
                    Screening.objects.select_for_update().get(pk=key)

    together(work, lock_slowly)

    assert leasing.give_back(Screening, lease, state=ScreeningState.WAITING) == 60


@pytest.mark.usefixtures("nobody_tries_again")
def test_ingest_locks_every_study_of_a_chunk_before_it_writes_about_one():
    version = ModelVersionFactory()
    upload = UploadFactory(models_chosen=[version.name])
    known = ImageFactory(study=StudyFactory(upload=upload))
    ItemFactory(upload=upload, received=True, sha256=known.sha256)
    fresh = ItemFactory(upload=upload, received=True)
    late = StudyFactory(upload=upload, grouping=f"file:{fresh.sha256}", ready=True)
    lease, items = claim_items(2)
    statements: list[str] = []

    def watch(execute, sql, params, many, context):
        statements.append(sql)
        return execute(sql, params, many, context)

    with connections["default"].execute_wrapper(watch):
        record_ingested(lease=lease, outcomes=[ItemOutcome(item_id=i.pk, file=FILE) for i in items], actor=CPU)

    about = [sql for sql in statements if sql.startswith("SELECT") and 'FROM "studies_study"' in sql]
    first = statements.index(about[0])
    assert "grouping" in about[0]
    assert not any("results_screening" in sql or "audit_" in sql for sql in statements[:first])
    assert set(Study.objects.filter(images__isnull=False)) == {known.study, late}
    seal_upload(upload_id=upload.pk, count=2, actor=CPU)


def test_bytes_of_a_failed_file_that_is_being_retried_stay():
    item = ItemFactory(
        upload__sealed=True, state=ItemState.FAILED, incoming="retried", done_at=timezone.now() - timedelta(days=9)
    )
    incoming_path("retried").write_bytes(b"raw")
    begun = Event()

    def retry() -> None:
        with transaction.atomic():
            Item.objects.filter(pk=item.pk).update(state=ItemState.RECEIVED)
            begun.set()
            time.sleep(0.5)

    def drop() -> None:
        begun.wait(10)
        drop_failed_bytes()

    together(retry, drop)

    kept = incoming_path("retried").exists()
    incoming_path("retried").unlink(missing_ok=True)
    item.refresh_from_db()
    assert (kept, item.incoming) == (True, "retried")
