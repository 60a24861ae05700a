"""Uploads, workers that claim, die and come too late, and people who cancel, in any order that Hypothesis thinks of.

Whatever came first: no row is written without its lease, at any moment the outcomes of an upload add up to what was
offered, and once everybody has come to an end each picture has one result and each outcome one event.
FAULT_EXAMPLES=500 looks longer.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.db.models import Count
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from screening import leasing
from screening.audit.actor import Actor
from screening.audit.models import AuditEvent
from screening.errors import IllegalTransition, LeaseLost, UploadClosed
from screening.flows.acts import cancel_upload, seal_upload
from screening.flows.again import retry_upload
from screening.flows.ingested import record_ingested
from screening.flows.integrity import find_violations
from screening.flows.offering import Offered, check_files, open_upload
from screening.flows.receiving import receive_file
from screening.flows.reclaim import reclaim_expired
from screening.flows.scored import record_outcomes
from screening.flows.settle import settle_all
from screening.leasing import Lease
from screening.results.leases import claim_batch, release_batch
from screening.results.models import Screening, ScreeningState
from screening.studies.values import IngestedFile, IngestedPicture, ItemOutcome, ModelIdentity, ScreenOutcome
from screening.uploads.leases import claim_items, release_items
from screening.uploads.models import Item, ItemState, Upload, UploadState
from screening.users.models import Role
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]
EXAMPLES = int(os.environ.get("FAULT_EXAMPLES", "8"))
CPU, GPU = Actor.service("ingest"), Actor.service("inference")
MODEL = ModelIdentity(name="m@1", sha256="a" * 64, runtime="none", precision="fp32")
HELD = leasing.held  # as it is, also while the control has it replaced
KINDS = st.sampled_from(["scored", "scored", "scored", "inconclusive", "failed"])


def picture(content: int) -> IngestedFile:
    plane = IngestedPicture(
        frame=0,
        modality="xray",
        view="PA",
        rows=4,
        columns=3,
        notes=(),
        not_assessed="",
        plane_sha256=f"{content:064x}",
    )
    return IngestedFile(kind="png", source_name="source.png", pixels_sha256=f"{content:064x}", pictures=(plane,))


def said(kind: str) -> ScreenOutcome:
    if kind == "scored":
        return ScreenOutcome(kind="scored", scores={"covid": 0.9, "normal": 0.1})
    return ScreenOutcome(kind=kind, code="out_of_distribution" if kind == "inconclusive" else "model_failed")


class Jobs(RuleBasedStateMachine):
    uploads = Bundle("uploads")
    chunks = Bundle("chunks")  # leases on files, alive or not
    batches = Bundle("batches")  # leases on screenings

    def __init__(self) -> None:
        super().__init__()
        self.site = SiteFactory()
        self.user = UserFactory(role_at=(self.site, Role.STAFF))
        self.actor = Actor.user(self.user)
        self.version = ModelVersionFactory()
        self.names = count()

    @rule(target=uploads)
    def open(self) -> Upload:
        return open_upload(site=self.site, user=self.user, name="m", models=[self.version.name])

    @rule(upload=uploads, contents=st.lists(st.integers(0, 9), min_size=1, max_size=4))
    def send(self, upload: Upload, contents: list[int]) -> None:
        """Offer files and send them; a few contents only, so that many are duplicates."""
        bodies = {f"{next(self.names)}.png": f"{self.site.pk} {content}".encode() for content in contents}
        offered = [
            Offered(path=path, size=len(body), sha256=hashlib.sha256(body).hexdigest()) for path, body in bodies.items()
        ]
        before = Item.objects.count()
        try:
            check_files(upload_id=upload.pk, files=offered, actor=self.actor)
            for path, body in bodies.items():
                receive_file(upload_id=upload.pk, path=path, parts=[body], actor=self.actor)
        except UploadClosed:
            assert Item.objects.count() == before

    @rule(upload=uploads)
    def seal(self, upload: Upload) -> None:
        self._act(upload, lambda: seal_upload(upload_id=upload.pk, count=None, actor=self.actor))

    @rule(upload=uploads)
    def cancel(self, upload: Upload) -> None:
        self._act(upload, lambda: cancel_upload(upload_id=upload.pk, actor=self.actor))

    @rule(upload=uploads)
    def retry(self, upload: Upload) -> None:
        self._act(upload, lambda: retry_upload(upload_id=upload.pk, actor=self.actor))

    def _act(self, upload: Upload, act: Callable[[], object]) -> None:
        """What a person may not do now is refused by name, and changes nothing."""
        before = Upload.objects.get(pk=upload.pk).state
        with suppress(IllegalTransition, UploadClosed):
            act()
            return
        assert Upload.objects.get(pk=upload.pk).state == before

    @rule(target=chunks, limit=st.integers(1, 3))
    def claim_files(self, limit: int) -> Lease:
        return claim_items(limit)[0]

    @rule(target=batches, limit=st.integers(1, 3))
    def claim_rows(self, limit: int) -> Lease:
        return claim_batch(model_version_id=self.version.pk, limit=limit)[0]

    @rule(lease=chunks)
    def begin_files(self, lease: Lease) -> None:
        leasing.begin(Item, lease)

    @rule(lease=batches)
    def begin_rows(self, lease: Lease) -> None:
        leasing.begin(Screening, lease)

    @rule(lease=chunks, how=st.sampled_from(["file", "file", "file", "refused", "crashed"]))
    def commit_files(self, lease: Lease, how: str) -> None:
        """Commit, in time, too late, or a second time: only what is still held is written."""
        self._commit(Item, lease, lambda held: self._ingested(lease, held, how))

    @rule(lease=batches, kind=KINDS)
    def commit_rows(self, lease: Lease, kind: str) -> None:
        self._commit(Screening, lease, lambda held: self._screened(lease, held, kind))

    def _commit(self, model: Any, lease: Lease, write: Callable[[list[Any]], object]) -> None:
        held = list(HELD(model, lease))
        events = AuditEvent.objects.count()
        try:
            write(held or list(model.objects.all()[:3]))  # one that holds nothing tries the rows of others
        except LeaseLost:
            assert not held
        else:
            assert held
        if not held:
            assert AuditEvent.objects.count() == events

    def _ingested(self, lease: Lease, items: list[Item], how: str) -> None:
        outcomes = [self._outcome(item, how) for item in items]
        record_ingested(lease=lease, outcomes=outcomes, actor=CPU)

    def _outcome(self, item: Item, how: str) -> ItemOutcome:
        if how == "crashed":
            return ItemOutcome(item_id=item.pk, crashed=True)
        if how == "refused":
            return ItemOutcome(item_id=item.pk, code="unreadable")
        return ItemOutcome(item_id=item.pk, file=picture(int(item.sha256[:12], 16)))

    def _screened(self, lease: Lease, rows: list[Screening], kind: str) -> None:
        outcomes = {row.pk: said(kind) for row in rows}
        record_outcomes(lease=lease, model=MODEL, outcomes=outcomes, timings={}, actor=GPU)

    @rule(lease=consumes(chunks))
    def release_files(self, lease: Lease) -> None:
        release_items(lease)

    @rule(lease=consumes(batches))
    def release_rows(self, lease: Lease) -> None:
        release_batch(lease)

    @rule(lease=chunks)
    def worker_of_files_dies(self, lease: Lease) -> None:
        self._run_out(Item, lease)

    @rule(lease=batches)
    def worker_of_rows_dies(self, lease: Lease) -> None:
        self._run_out(Screening, lease)

    def _run_out(self, model: Any, lease: Lease) -> None:
        HELD(model, lease).update(lease_until=timezone.now() - timedelta(minutes=1))

    @rule()
    def reconcile(self) -> None:
        reclaim_expired()
        settle_all()

    @invariant()
    def outcomes_add_up(self) -> None:
        """Offered is the sum over states, and what ended has nothing open."""
        for upload in Upload.objects.filter(site=self.site, state=UploadState.FINISHED):
            items = Item.objects.filter(upload=upload)
            assert not items.filter(state__in=(ItemState.EXPECTED, ItemState.RECEIVED, ItemState.DECODING)).exists()
        doubled = Screening.objects.values("image", "model_version", "pipeline").annotate(n=Count("pk")).filter(n__gt=1)
        assert not doubled.exists()

    def teardown(self) -> None:
        """Everybody alive goes on to the end."""
        for model in (Item, Screening):
            model.objects.filter(lease_token__isnull=False).update(lease_until=timezone.now() - timedelta(minutes=1))
        for upload in Upload.objects.filter(site=self.site, state=UploadState.OPEN):
            seal_upload(upload_id=upload.pk, count=None, actor=self.actor)
        self._to_the_end()
        assert set(Upload.objects.filter(site=self.site).values_list("state", flat=True)) <= {"finished", "cancelled"}
        assert list(find_violations(blobs=False)) == []
        quarantined = Screening.objects.filter(site=self.site, state=ScreeningState.QUARANTINED)
        assert all(row.deaths >= leasing.DEATHS_ALONE for row in quarantined)

    def _to_the_end(self) -> None:
        for _ in range(200):
            reclaim_expired()
            chunk, items = claim_items(50)
            if items:
                leasing.begin(Item, chunk)
                self._ingested(chunk, items, "file")
            batch, rows = claim_batch(model_version_id=self.version.pk, limit=50)
            if rows:
                leasing.begin(Screening, batch)
                self._screened(batch, rows, "scored")
            if not items and not rows:
                break
        settle_all()


def run(phases: Sequence[Phase] = tuple(Phase)) -> None:
    run_state_machine_as_test(
        Jobs,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            phases=phases,
            database=None,
            derandomize=EXAMPLES <= 8,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_in_whatever_order_workers_work_die_and_come_too_late_everything_adds_up() -> None:
    run()


def test_the_machine_sees_a_fence_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with commits let through without their lease the same run must fail."""
    monkeypatch.setattr(leasing, "held", lambda model, _: leasing.rows_of(model))

    with pytest.raises((AssertionError, IllegalTransition)):  # behind the fence stands the table of transitions
        run((Phase.generate,))
