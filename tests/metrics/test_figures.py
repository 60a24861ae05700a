import os
import re
import time
import tomllib
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from ml.vocabulary import PIPELINE
from screening import VERSION
from screening.audit.triggers import install_triggers, lift_triggers
from screening.metrics import outcomes
from screening.metrics.views import KEPT
from screening.outbox.models import Delivery, Endpoint, Letter, LetterKind, SendState
from screening.results.models import Explanation, Screening, ScreeningState
from screening.uploads.models import Archive, ArchiveState, Item, ItemState, UploadState
from tests.environment import ROOT
from tests.factories import (
    ExplanationFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    UploadFactory,
    UserFactory,
)
from tests.metrics.conftest import ago, batch, scrape, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("watched")]


def test_an_empty_service_tells_zero_for_every_lane_it_has():
    version = ModelVersionFactory()
    ModelVersionFactory(active=False)

    now = told()

    assert now.all_of("screening_queue_rows") == {
        ("archives", ""): 0,
        ("ingest", ""): 0,
        ("screening", version.name): 0,
        ("heat_maps", version.name): 0,
        ("webhooks", ""): 0,
        ("letters", ""): 0,
    }
    assert now.all_of("screening_given_up_rows") == {("webhooks",): 0, ("letters",): 0}
    assert set(now.all_of("screening_queue_oldest_seconds").values()) == {0}
    assert now.all_of("screening_leased_rows") == dict.fromkeys(
        [("archives",), ("ingest",), ("screening",), ("heat_maps",), ("webhooks",), ("letters",)], 0
    )
    assert now.all_of("screening_unfinished_uploads") == {("open",): 0, ("sealed",): 0}
    assert now.of("screening_quarantined_pictures", model=version.name) == 0
    assert now.of("screening_flagged_sample_pictures", model=version.name) == 0
    assert now.of("screening_flagged_ratio", model=version.name) is None
    assert now.of("screening_batch_fill_ratio", model=version.name) is None


def test_a_sandbox_is_told_by_no_figure_of_a_model():
    script = ModelVersionFactory(slug="sandbox-script", active=False)
    ScreeningFactory(model_version=script)
    ScreeningFactory(model_version=script, state=ScreeningState.QUARANTINED, done_at=timezone.now())
    ExplanationFactory(screening__model_version=script)

    KEPT.forget()
    answer = scrape()

    assert answer.status_code == 200
    assert "sandbox-script" not in answer.content.decode()


def test_what_waits_is_counted_by_lane_with_the_age_of_the_oldest():
    now, version, retired = timezone.now(), ModelVersionFactory(), ModelVersionFactory(active=False)
    upload = UploadFactory()
    Archive.objects.create(upload=upload, size=9, incoming="a", state=ArchiveState.RECEIVED, created_at=ago(now, 500))
    Archive.objects.create(upload=upload, size=9, incoming="b", state=ArchiveState.RECEIVING, created_at=ago(now, 900))
    ItemFactory.create_batch(2, upload=upload, received=True, received_at=ago(now, 40))
    ItemFactory(upload=upload, received=True, received_at=ago(now, 300))
    ItemFactory(upload=upload, accepted=True, received_at=ago(now, 9000))
    ScreeningFactory(model_version=version, created_at=ago(now, 20))
    ScreeningFactory(model_version=version, created_at=ago(now, 200))
    ScreeningFactory(model_version=version, scored=True, created_at=ago(now, 9000))
    ScreeningFactory(model_version=retired, created_at=ago(now, 100))
    ExplanationFactory(screening__model_version=version, created_at=ago(now, 60))
    Letter.objects.create(user=upload.created_by, kind=LetterKind.UPLOAD_FINISHED, created_at=ago(now, 30))
    endpoint = Endpoint.objects.create(site=upload.site, disabled_at=now)
    told_of = {"endpoint": endpoint, "kind": "study.ready", "subject": upload.pk, "change_number": 1}
    Delivery.objects.create(created_at=ago(now, 70), **told_of)
    Delivery.objects.create(created_at=ago(now, 900), state=SendState.DEAD, done_at=now, **told_of)

    seen = told()

    assert seen.all_of("screening_given_up_rows") == {("webhooks",): 1, ("letters",): 0}
    assert seen.of("screening_disabled_endpoint_rows") == 1

    assert seen.all_of("screening_queue_rows") == {
        ("archives", ""): 1,
        ("ingest", ""): 3,
        ("screening", version.name): 2,
        ("screening", retired.name): 1,
        ("heat_maps", version.name): 1,
        ("webhooks", ""): 1,
        ("letters", ""): 1,
    }
    assert seen.all_of("screening_queue_oldest_seconds") == {
        ("archives", ""): pytest.approx(500, abs=10),
        ("ingest", ""): pytest.approx(300, abs=10),
        ("screening", version.name): pytest.approx(200, abs=10),
        ("screening", retired.name): pytest.approx(100, abs=10),
        ("heat_maps", version.name): pytest.approx(60, abs=10),
        ("webhooks", ""): pytest.approx(70, abs=10),
        ("letters", ""): pytest.approx(30, abs=10),
    }


def test_rows_in_hands_are_counted_and_those_whose_lease_ran_out():
    ScreeningFactory(leased=True)
    ScreeningFactory.create_batch(2, abandoned=True)
    ExplanationFactory(abandoned=True)
    ItemFactory(
        state=ItemState.DECODING, lease_token=uuid4(), lease_until=timezone.now() + timedelta(minutes=1), incoming="x"
    )

    seen = told()

    assert seen.all_of("screening_leased_rows") == {
        ("archives",): 0,
        ("ingest",): 1,
        ("screening",): 3,
        ("heat_maps",): 1,
        ("webhooks",): 0,
        ("letters",): 0,
    }
    assert seen.all_of("screening_expired_lease_rows") == {
        ("archives",): 0,
        ("ingest",): 0,
        ("screening",): 2,
        ("heat_maps",): 1,
        ("webhooks",): 0,
        ("letters",): 0,
    }


def test_uploads_under_way_are_counted_by_state():
    UploadFactory.create_batch(2)
    UploadFactory(sealed=True)
    UploadFactory(finished=True)
    UploadFactory(state=UploadState.CANCELLED)

    assert told().all_of("screening_unfinished_uploads") == {("open",): 2, ("sealed",): 1}


def test_speed_fill_and_cost_of_a_picture_are_those_of_the_last_minute():
    now, version = timezone.now(), ModelVersionFactory()
    batch(24, ago(now, 10), model_version=version)
    batch(6, ago(now, 20), model_version=version)
    batch(32, ago(now, 90), model_version=version)  # a minute and a half ago
    ScreeningFactory(model_version=version, state=ScreeningState.FAILED, code="model_unavailable", done_at=now)

    seen = told()

    rates = seen.all_of("screening_screened_pictures_per_second")
    assert rates == {
        (version.name, "scored"): 0.5,
        (version.name, "failed"): pytest.approx(1 / 60),
        (version.name, "inconclusive"): 0,
        (version.name, "quarantined"): 0,
    }
    assert seen.of("screening_batch_mean_pictures", model=version.name) == pytest.approx(15)
    assert seen.of("screening_batch_limit_pictures") == 32
    assert seen.of("screening_batch_fill_ratio", model=version.name) == pytest.approx(15 / 32)
    assert seen.of("screening_picture_device_seconds", model=version.name) == pytest.approx(0.064)
    assert seen.of("screening_picture_load_seconds", model=version.name) == pytest.approx(0.002)


def test_a_batch_of_which_others_took_a_part_is_as_large_as_it_was_computed():
    now, version = timezone.now(), ModelVersionFactory()
    batch(8, now, written=2, model_version=version)

    assert told().of("screening_batch_mean_pictures", model=version.name) == pytest.approx(8)


def test_failures_of_the_last_hour_are_told_by_lane_outcome_and_code():
    now, version, upload = timezone.now(), ModelVersionFactory(), UploadFactory()
    ItemFactory.create_batch(2, upload=upload, state=ItemState.REJECTED, code="unreadable", done_at=ago(now, 60))
    ItemFactory(upload=upload, state=ItemState.FAILED, code="storage_full", done_at=ago(now, 3000))
    ItemFactory(upload=upload, state=ItemState.FAILED, code="storage_full", done_at=ago(now, 3700))
    ItemFactory(upload=upload, accepted=True)
    not_assessed = [
        (ScreeningState.FAILED, "out_of_memory", 5),
        (ScreeningState.FAILED, "out_of_memory", 6),
        (ScreeningState.INCONCLUSIVE, "not_chest", 7),
        (ScreeningState.QUARANTINED, "", 8),
        (ScreeningState.FAILED, "plane_missing", 4000),
    ]
    for state, code, seconds in not_assessed:
        ScreeningFactory(model_version=version, state=state, code=code, done_at=ago(now, seconds))
    ExplanationFactory(screening__model_version=version, state="failed", code="not_drawn", done_at=ago(now, 1))

    seen = told()

    labels = ("code", "lane", "model", "outcome")
    assert {
        tuple(dict(zip(labels, key, strict=True))[one] for one in ("lane", "model", "outcome", "code")): value
        for key, value in seen.all_of("screening_unsuccessful_rows").items()
    } == {
        ("ingest", "", "rejected", "unreadable"): 2,
        ("ingest", "", "failed", "storage_full"): 1,
        ("screening", version.name, "failed", "out_of_memory"): 2,
        ("screening", version.name, "inconclusive", "not_chest"): 1,
        ("screening", version.name, "quarantined", ""): 1,
        ("heat_maps", version.name, "failed", "not_drawn"): 1,
    }
    assert seen.of("screening_quarantined_pictures", model=version.name) == 1


def test_pictures_stay_counted_as_quarantined_however_long_ago_it_was():
    version = ModelVersionFactory()
    long_ago = timezone.now() - timedelta(days=90)
    ScreeningFactory.create_batch(3, model_version=version, state=ScreeningState.QUARANTINED, done_at=long_ago)

    assert told().of("screening_quarantined_pictures", model=version.name) == 3


def test_the_share_of_flags_is_that_of_a_day_with_its_number(monkeypatch):
    now, version, other = timezone.now(), ModelVersionFactory(), ModelVersionFactory()
    ScreeningFactory(model_version=version, scored_flagged=True)
    ScreeningFactory.create_batch(3, model_version=version, scored=True, done_at=ago(now, 80_000))
    ScreeningFactory.create_batch(5, model_version=version, scored_flagged=True, done_at=ago(now, 90_000))
    ScreeningFactory(model_version=version, state=ScreeningState.FAILED, code="x", done_at=now)
    ScreeningFactory.create_batch(2, model_version=other, scored_flagged=True)

    seen = told()
    monkeypatch.setattr(outcomes, "FLAG_SAMPLE", 2)
    newest = told()

    assert seen.of("screening_flagged_ratio", model=version.name) == 0.25
    assert seen.of("screening_flagged_sample_pictures", model=version.name) == 4
    assert seen.of("screening_flagged_ratio", model=other.name) == 1
    assert newest.of("screening_flagged_ratio", model=version.name) == 0.5
    assert newest.of("screening_flagged_sample_pictures", model=version.name) == 2


def test_beats_are_told_where_they_lie_and_only_those_of_processes(state_dir):
    run = state_dir / "run"
    run.mkdir(exist_ok=True)
    moment = time.time()
    for name, age in {"ingest.beat": 50, "ingest-4711.beat": 5, "inference.beat": 20, "web.beat": 1}.items():
        (run / name).touch()
        os.utime(run / name, (moment - age, moment - age))
    try:
        seen = told()
    finally:
        for beat in run.glob("*.beat"):
            beat.unlink()

    assert seen.all_of("screening_process_beat_age_seconds") == {
        ("ingest",): pytest.approx(5, abs=5),
        ("inference",): pytest.approx(20, abs=5),
    }


def test_room_and_build_are_told():
    seen = told()

    free, size = seen.of("screening_state_free_bytes"), seen.of("screening_state_size_bytes")
    assert 0 < free < size
    assert seen.of("screening_build_info", version=VERSION, pipeline=PIPELINE, database=connection.vendor) == 1
    assert 0 < seen.of("screening_measuring_seconds") < 60
    assert seen.of("screening_ready") == 1
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


@pytest.mark.django_db(transaction=True)
def test_a_service_whose_audit_is_not_guarded_is_told_as_not_ready():
    lift_triggers(connection)
    try:
        assert told().of("screening_ready") == 0
    finally:
        install_triggers(connection)


def test_no_name_of_a_site_a_person_or_a_file_is_in_the_answer():
    site = SiteFactory(name="Sankt Planted")
    upload = UploadFactory(site=site, created_by=UserFactory(username="planted"), name="planted upload")
    item = ItemFactory(upload=upload, received=True, path="Planted^Erika/1.dcm")
    row = ScreeningFactory(image__study__upload=upload, scored_flagged=True)

    text = scrape().content.decode()

    assert "lanted" not in text
    secret = [site.pk, upload.pk, item.pk, row.pk, row.study_id, row.image_id, row.image.sha256]
    assert [one for one in secret if str(one) in text] == []


TABLES = [model._meta.db_table for model in (Item, Screening, Explanation)]


def test_no_figure_is_measured_by_walking_through_a_table_of_rows():
    """Every question about rows goes through an index, so that it costs what is asked about and not what is kept."""
    ScreeningFactory(scored=True)
    KEPT.forget()
    asked = []

    def note(execute, sql, params, many, context):
        asked.extend((sql, params) for table in TABLES if f'FROM "{table}"' in sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        scrape()
    plans = [plan_of(*one) for one in asked]

    assert len(asked) == 13
    assert [plan for plan in plans if walks(plan)] == []


def plan_of(sql: str, params: tuple) -> str:
    """How the engine would answer, with its parameters apart as they are sent: partial indexes depend on that."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            return "\n".join(row[3] for row in cursor.fetchall())
        cursor.execute("SET LOCAL enable_seqscan = off")  # a table of two rows would be read whole
        cursor.execute(f"EXPLAIN {sql}", params)
        return "\n".join(row[0] for row in cursor.fetchall())


def walks(plan: str) -> bool:
    """Whether a plan reads a table, or a whole index, from end to end."""
    if connection.vendor != "sqlite":
        return "Seq Scan on" in plan
    no_table = ("SCAN subquery", "SCAN CONSTANT ROW")  # the second is a moment, asked for once
    lines = [line for line in plan.splitlines() if line.startswith("SCAN") and line not in no_table]
    partial = re.compile(r"USING (COVERING )?INDEX (\w+_waiting|\w+_leased|items_failed|items_rejected)")
    return any(not partial.search(line) for line in lines)
