"""The explain lane with a shipped model: every flag gets its map, others on demand, and nothing waits for them."""

import errno
from collections.abc import Callable
from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.utils import timezone

from ml.models.bundle import WEIGHTS_FILE, load_bundle
from screening.audit.actor import Actor
from screening.errors import LeaseLost, NothingToExplain
from screening.flows.explained import Drawn, ask_explanation, files_of, record_explanations
from screening.flows.integrity import find_violations
from screening.flows.purge import purge_upload
from screening.flows.reclaim import reclaim_expired
from screening.flows.scored import record_outcomes
from screening.flows.settle import settle_studies
from screening.results.explanations import claim_explanations
from screening.results.leases import claim_batch
from screening.results.models import Explanation, ExplanationState, ModelVersion, Screening
from screening.results.services import register_model
from screening.studies.values import ModelIdentity, ScreenOutcome
from screening.uploads.models import Upload
from screening.users.models import User
from tests.factories import (
    ExplanationFactory,
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
)
from tests.models.conftest import MODELS
from tests.shipped import bundle_of
from tests.workers.test_ingest import ingest_all, radiographs
from workers import explain
from workers.crew import Stop
from workers.engine import EXPLAINERS
from workers.explain import explain_somewhere

pytestmark = pytest.mark.django_db(transaction=True)
SHIPPED = bundle_of("xray-covid-3class")
CPU = Actor.service("inference")
FLAGGED = {"covid": 0.9, "pneumonia": 0.06, "normal": 0.04}
QUIET = {"covid": 0.01, "pneumonia": 0.06, "normal": 0.93}


@pytest.fixture
def version() -> ModelVersion:
    EXPLAINERS._loaded.clear()
    card = load_bundle(SHIPPED).card.as_json()
    return register_model(card=card, folder=str(SHIPPED.relative_to(MODELS)))


@pytest.fixture
def scored(upload_of: Callable[..., Upload], version: ModelVersion) -> Callable[..., list[Screening]]:
    """Radiographs that were read, with the scores that a test gives them."""

    def build(*scores: dict[str, float]) -> list[Screening]:
        upload_of(radiographs(len(scores)))
        ingest_all()
        lease, rows = claim_batch(model_version_id=version.pk, limit=len(scores))
        said = {row.pk: ScreenOutcome(kind="scored", scores=one) for row, one in zip(rows, scores, strict=True)}
        identity = ModelIdentity(name=version.name, sha256=version.sha256, runtime="tensorflow", precision="fp32")
        record_outcomes(lease=lease, model=identity, outcomes=said, timings={}, actor=CPU)
        return list(Screening.objects.filter(pk__in=said).select_related("image").order_by("-flagged", "pk"))

    return build


def draw_all() -> int:
    return explain.CREW.drain()


def told(row: Explanation) -> tuple[str, str]:
    row.refresh_from_db()
    return row.state, row.code


def test_a_flag_gets_its_map_by_itself_and_other_scores_only_when_asked(
    scored: Callable[..., list[Screening]], staff: User
) -> None:
    flagged, quiet = scored(FLAGGED, QUIET)

    draw_all()

    drawn = Explanation.objects.get()
    raw, overlay = files_of(drawn)
    assert (drawn.screening_id, drawn.label, drawn.state) == (flagged.pk, "covid", ExplanationState.DRAWN)
    assert raw.read_bytes().startswith(b"\x89PNG")
    assert overlay.read_bytes().startswith(b"\xff\xd8")
    assert drawn.outside is None or 0 <= drawn.outside <= 1
    assert set(drawn.altered) == {"original", "no_lungs", "border_only"}
    assert all(0 <= score <= 1 for score in drawn.altered.values())
    assert list(find_violations()) == []

    for _ in range(2):
        asked = ask_explanation(screening_id=quiet.pk, label="normal", user_id=staff.pk)
    draw_all()
    assert told(asked) == (ExplanationState.DRAWN, "")
    assert Explanation.objects.count() == 2


def test_a_map_whose_files_are_gone_is_drawn_again_to_the_same_bytes(
    scored: Callable[..., list[Screening]], staff: User
) -> None:
    [row] = scored(FLAGGED)
    draw_all()
    files = files_of(Explanation.objects.select_related("screening__image").get())
    before = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()

    assert [one.check for one in find_violations()] == ["heat"]
    ask_explanation(screening_id=row.pk, label="covid", user_id=staff.pk)
    draw_all()

    assert [file.read_bytes() for file in files] == before
    assert list(find_violations()) == []


def test_a_map_of_the_same_plane_model_and_label_is_not_computed_again(
    scored: Callable[..., list[Screening]], monkeypatch: pytest.MonkeyPatch
) -> None:
    [row] = scored(FLAGGED)
    draw_all()
    first = Explanation.objects.get()
    again = ScreeningFactory(
        image=row.image,
        model_version=row.model_version,
        pipeline="later",
        scored_flagged=True,
        model_sha256=row.model_sha256,
    )
    second = ExplanationFactory(screening=again)
    monkeypatch.setattr(explain, "draw", lambda *_, **__: pytest.fail("computed"))

    draw_all()

    second.refresh_from_db()
    assert (second.state, second.key, second.outside) == (ExplanationState.DRAWN, first.key, first.outside)


@pytest.mark.parametrize(("scores", "label"), [(QUIET, "no such label"), (None, "covid")])
def test_what_has_no_score_cannot_be_explained(
    scored: Callable[..., list[Screening]], staff: User, scores: dict[str, float] | None, label: str
) -> None:
    row = scored(scores)[0] if scores else ScreeningFactory()

    with pytest.raises(NothingToExplain):
        ask_explanation(screening_id=row.pk, label=label, user_id=staff.pk)

    assert not Explanation.objects.exists()


def test_maps_that_nobody_waits_for_let_screening_and_ingest_go_first(
    scored: Callable[..., list[Screening]], version: ModelVersion, staff: User
) -> None:
    [row] = scored(FLAGGED)
    screening = ScreeningFactory(model_version=version)
    assert not explain_somewhere(Stop())
    assert told(Explanation.objects.get()) == (ExplanationState.WAITING, "")

    screening.delete()
    arriving = ItemFactory(received=True)
    assert not explain_somewhere(Stop())

    Explanation.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    assert [found.screening_id for found in claim_explanations(model_version_id=version.pk, limit=9)[1]] == [row.pk]
    arriving.delete()


@pytest.mark.parametrize("alone", [False, True])
def test_between_a_map_and_the_scores_without_parts_urgent_rows_pass_but_never_beside_a_suspect(
    scored: Callable[..., list[Screening]], monkeypatch: pytest.MonkeyPatch, *, alone: bool
) -> None:
    scored(FLAGGED)
    Explanation.objects.update(alone=alone)
    done: list[str] = []
    monkeypatch.setattr(explain.DEVICE, "let_pass", lambda: done.append("let pass"))
    for name in ("draw", "scores_without_parts"):
        real = getattr(explain, name)
        monkeypatch.setattr(explain, name, lambda *a, _n=name, _r=real, **k: (done.append(_n), _r(*a, **k))[1])

    draw_all()

    assert done == ["draw", *([] if alone else ["let pass"]), "scores_without_parts"]


def test_one_that_a_person_asked_for_is_drawn_while_files_arrive_and_before_the_others(
    scored: Callable[..., list[Screening]], staff: User
) -> None:
    _, quiet = scored(FLAGGED, QUIET)
    asked = ask_explanation(screening_id=quiet.pk, label="covid", user_id=staff.pk)
    arriving = ItemFactory(received=True)

    draw_all()

    assert told(asked) == (ExplanationState.DRAWN, "")
    assert Explanation.objects.filter(state=ExplanationState.WAITING).count() == 1
    arriving.delete()


def test_a_model_that_cannot_be_loaded_is_said_and_asking_again_tries_again(
    scored: Callable[..., list[Screening]], version: ModelVersion, staff: User
) -> None:
    [row] = scored(FLAGGED)
    ModelVersion.objects.update(folder="nowhere")

    draw_all()
    failed = Explanation.objects.get()
    assert told(failed) == (ExplanationState.FAILED, "model_unavailable")

    ModelVersion.objects.update(folder=str(SHIPPED.relative_to(MODELS)))
    assert (SHIPPED / WEIGHTS_FILE).is_file()
    ask_explanation(screening_id=row.pk, label="covid", user_id=staff.pk)
    draw_all()
    assert told(failed) == (ExplanationState.DRAWN, "")


def test_one_map_that_cannot_be_drawn_leaves_the_others(scored: Callable[..., list[Screening]]) -> None:
    lost, whole = scored(FLAGGED, FLAGGED)
    for file in files_of(Explanation.objects.get(screening=lost))[0].parent.iterdir():
        file.unlink()

    draw_all()

    assert told(Explanation.objects.get(screening=lost)) == (ExplanationState.FAILED, "plane_missing")
    assert told(Explanation.objects.get(screening=whole)) == (ExplanationState.DRAWN, "")


def test_a_dead_worker_s_maps_wait_again_and_two_deaths_alone_end_in_a_failure_that_says_so() -> None:
    row = ExplanationFactory(abandoned=True, computing=True)
    reclaim_expired()
    assert told(row) == (ExplanationState.WAITING, "")
    assert row.alone

    for _ in range(2):
        claim_explanations(model_version_id=row.model_version_id, limit=4)
        Explanation.objects.update(lease_until=timezone.now() - timedelta(seconds=9), computing=True)
        reclaim_expired()

    assert told(row) == (ExplanationState.FAILED, "quarantined")


def test_who_lost_the_lease_changes_nothing(version: ModelVersion) -> None:
    row = ExplanationFactory()
    lease, _ = claim_explanations(model_version_id=row.model_version_id, limit=1)
    Explanation.objects.update(lease_until=timezone.now() - timedelta(seconds=9))
    reclaim_expired()

    with pytest.raises(LeaseLost):
        record_explanations(lease=lease, drawn={row.pk: Drawn(key="k" * 64)})

    assert told(row) == (ExplanationState.WAITING, "")


def test_a_purge_takes_the_maps_with_the_pictures(scored: Callable[..., list[Screening]], staff: User) -> None:
    [row] = scored(FLAGGED)
    draw_all()
    files = files_of(Explanation.objects.select_related("screening__image").get())

    purge_upload(upload_id=row.upload_id, actor=Actor.user(staff))

    assert not Explanation.objects.exists()
    assert not any(file.exists() for file in files)
    assert list(find_violations()) == []


def test_of_a_flagged_series_only_the_leading_slice_is_drawn_by_itself() -> None:
    version = ModelVersionFactory(modality="ct")
    study = StudyFactory(modality="ct", upload__finished=True)
    for place, score in enumerate((0.6, 0.9, 0.7, 0.1)):
        image = ImageFactory(study=study, series_uid="1.2", position=float(place))
        said = {"scores": {"covid": score, "normal": 1 - score}, "flagged": score >= 0.5}
        ScreeningFactory(image=image, model_version=version, scored=True, **said)

    for _ in range(2):
        settle_studies([study.pk])

    study.refresh_from_db()
    assert study.flagged
    assert [row.screening.scores["covid"] for row in Explanation.objects.select_related("screening")] == [0.9]


def test_one_that_a_person_asked_for_is_drawn_between_two_batches_of_screenings(
    scored: Callable[..., list[Screening]], version: ModelVersion, staff: User
) -> None:
    flagged, quiet = scored(FLAGGED, QUIET)
    asked = ask_explanation(screening_id=quiet.pk, label="covid", user_id=staff.pk)
    waiting = ScreeningFactory(model_version=version)

    assert [explain_somewhere(Stop()) for _ in range(2)] == [True, False]

    assert told(asked) == (ExplanationState.DRAWN, "")
    assert told(Explanation.objects.get(screening=flagged)) == (ExplanationState.WAITING, "")
    waiting.delete()


def test_what_the_model_fails_on_is_said_and_a_full_disk_costs_no_map(
    scored: Callable[..., list[Screening]], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(FLAGGED)
    monkeypatch.setattr(explain, "replace_file", Mock(side_effect=OSError(errno.ENOSPC, "no room")))

    with pytest.raises(OSError, match="no room"):
        explain_somewhere(Stop())
    row = Explanation.objects.get()
    assert (row.state, row.attempts, row.lease_token) == (ExplanationState.WAITING, 0, None)

    monkeypatch.setattr(explain, "draw", Mock(side_effect=RuntimeError("out of memory")))
    explain_somewhere(Stop())
    assert told(row) == (ExplanationState.FAILED, "not_drawn")


def test_a_worker_that_ends_keeps_what_is_drawn_and_gives_the_rest_back(
    scored: Callable[..., list[Screening]], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(FLAGGED, FLAGGED)
    stop, draw = Stop(), explain.draw

    def draw_and_be_stopped(*what: object, **how: object) -> object:
        stop.set()
        return draw(*what, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(explain, "draw", draw_and_be_stopped)
    explain_somewhere(stop)

    states = sorted(Explanation.objects.values_list("state", "attempts"))
    assert states == [(ExplanationState.DRAWN, 1), (ExplanationState.WAITING, 0)]
