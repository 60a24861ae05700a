"""By what a model is computed: anything that gives the answers of its card, and nothing else."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from threading import Barrier
from typing import IO, Any

import numpy as np
import pytest
import structlog
from numpy.typing import NDArray

from ml.inference import BATCH_SIZE, load_scorer
from ml.models import choosing
from ml.models.bundle import Bundle, load_bundle
from ml.models.card import BundleError
from ml.models.choosing import Choice, Tried, choose, ways
from ml.models.precision import processor_has_bf16
from ml.models.reference import reference_planes
from ml.models.runtime import EXACT, Raw, Way, open_runtime
from ml.vocabulary import PLANE_SIDE
from screening.uploads import kept
from tests.shipped import twin
from workers import choices, heartbeat

SHORTENED = Way("openvino", "bf16")
OTHER = Way("openvino", "fp32")


class Known:
    """A runtime that answers as it was told, in a time that it was told."""

    name = "known"
    precision = "fp32"

    def __init__(self, scores: NDArray[np.float64], seconds_a_call: float = 0.0, most: int = 64) -> None:
        self._scores = scores
        self._seconds_a_call = seconds_a_call
        self._most = most  # planes for which there is memory

    def seconds(self, planes: int) -> float:
        if planes > self._most:
            raise MemoryError
        return self._seconds_a_call + planes * 0.01

    def run(self, planes: NDArray[np.uint8]) -> Raw:
        return Raw(self._scores[: len(planes)].astype(np.float32), np.zeros(len(planes), np.float32))

    def run_anew(self, planes: NDArray[np.uint8]) -> Raw:
        return self.run(planes)

    def compute(self, planes: NDArray[np.uint8]) -> None:
        raise AssertionError("it is measured by `seconds`")


@pytest.fixture
def bundle(xray_folder: Path) -> Bundle:
    return load_bundle(xray_folder)


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[Way, Any]], None]:
    """Let each way be a runtime of the test, or an error; a batch takes as long as that says."""

    def put(runtimes: dict[Way, Any]) -> None:
        def open_one(_: Bundle, way: Way) -> Known:
            if isinstance(runtimes[way], Exception):
                raise runtimes[way]
            return runtimes[way]

        monkeypatch.setattr(choosing, "open_runtime", open_one)
        monkeypatch.setattr(choosing, "_seconds", lambda runtime, batch: runtime.seconds(len(batch)))

    return put


def expected(bundle: Bundle) -> NDArray[np.float64]:
    return np.array(bundle.card.reference.scores)


def test_of_those_that_give_the_answers_of_the_card_the_fastest_is_taken(
    bundle: Bundle, answering: Callable[[dict[Way, Any]], None]
):
    answering({EXACT: Known(expected(bundle), 1.0), OTHER: Known(expected(bundle), 0.1)})

    choice = choose(bundle, [EXACT, OTHER], batch_size=32)

    assert (choice.way, choice.batch_size) == (OTHER, 32)
    assert [(one.way, one.refused) for one in choice.tried] == [(EXACT, ""), (OTHER, "")]


def test_what_was_found_so_far_is_told_after_each_way(bundle: Bundle, answering: Callable[[dict[Way, Any]], None]):
    slow, quick = Known(expected(bundle), 1.0), Known(expected(bundle), 0.1)
    answering({EXACT: ValueError(), OTHER: slow, SHORTENED: quick})
    told: list[Choice] = []

    choice = choose(bundle, [EXACT, OTHER, SHORTENED], told=told.append)

    assert [one.way for one in told] == [OTHER, SHORTENED]  # nothing could be told after the first
    assert [len(one.tried) for one in told] == [2, 3]
    assert told[-1] == choice


def test_a_way_that_is_hardly_faster_is_not_worth_leaving_the_one_that_cards_are_written_by(
    bundle: Bundle, answering: Callable[[dict[Way, Any]], None]
):
    answering({EXACT: Known(expected(bundle), 0.010), OTHER: Known(expected(bundle), 0.001)})

    assert choose(bundle, [EXACT, OTHER], batch_size=32).way == EXACT


@pytest.mark.parametrize(
    ("off", "why"), [(0.02, "a reference score is off by 0.0200; 0.01 is allowed"), (float("nan"), "off by nan")]
)
def test_a_faster_way_with_other_scores_is_refused_and_the_reason_kept(
    bundle: Bundle, answering: Callable[[dict[Way, Any]], None], off: float, why: str
):
    answering({EXACT: Known(expected(bundle), 1.0), SHORTENED: Known(expected(bundle) + off, 0.0)})

    choice = choose(bundle, [EXACT, SHORTENED], batch_size=32)

    assert choice.way == EXACT
    assert why in choice.tried[1].refused


def test_a_way_within_the_tolerance_that_flags_another_plane_is_refused(
    bundle: Bundle, answering: Callable[[dict[Way, Any]], None]
):
    near = expected(bundle)[4, 0]
    points = {label: replace(point, value=near + 0.001) for label, point in bundle.card.operating_points.items()}
    close = replace(bundle, card=replace(bundle.card, operating_points=points))
    shifted = expected(bundle)
    shifted[4, 0] += 0.002
    answering({EXACT: Known(expected(bundle), 1.0), SHORTENED: Known(shifted, 0.0)})

    choice = choose(close, [EXACT, SHORTENED], batch_size=32)

    assert choice.way == EXACT
    assert choice.tried[1].refused == "it flags other reference planes"


def test_a_way_that_cannot_compute_the_model_is_passed_over(
    bundle: Bundle, answering: Callable[[dict[Way, Any]], None]
):
    answering({EXACT: Known(expected(bundle)), OTHER: RuntimeError("no such operation")})

    choice = choose(bundle, [EXACT, OTHER], batch_size=32)

    assert choice.way == EXACT
    assert choice.tried[1].refused == "cannot compute it (RuntimeError)"


def test_a_model_that_no_way_reproduces_is_refused(bundle: Bundle, answering: Callable[[dict[Way, Any]], None]):
    answering({EXACT: Known(expected(bundle) + 0.5), OTHER: Known(expected(bundle) + 0.5)})

    with pytest.raises(BundleError) as refusal:
        choose(bundle, [EXACT, OTHER])

    assert refusal.value.code == "reference_differs"


@pytest.mark.parametrize(("seconds_a_call", "size"), [(0.0, 8), (0.02, 32), (1.0, 64)])
def test_the_batch_is_the_smallest_that_no_larger_one_beats_clearly(
    bundle: Bundle, answering: Callable[[dict[Way, Any]], None], seconds_a_call: float, size: int
):
    answering({EXACT: Known(expected(bundle), seconds_a_call)})

    assert choose(bundle, [EXACT]).batch_size == size


@pytest.mark.parametrize(("most", "size"), [(16, 16), (64, 64)])
def test_a_batch_for_which_there_is_no_memory_ends_the_measuring_and_not_the_model(
    bundle: Bundle, answering: Callable[[dict[Way, Any]], None], most: int, size: int
):
    answering({EXACT: Known(expected(bundle), 1.0, most)})

    assert choose(bundle, [EXACT]).batch_size == size


def test_a_way_that_computes_no_batch_at_all_is_refused(bundle: Bundle, answering: Callable[[dict[Way, Any]], None]):
    answering({EXACT: Known(expected(bundle), 1.0), OTHER: Known(expected(bundle), 0.0, most=0)})

    choice = choose(bundle, [EXACT, OTHER])

    assert choice.way == EXACT
    assert choice.tried[1].refused == "cannot compute a batch"


def test_a_way_that_was_ordered_is_held_against_the_card_all_the_same(
    bundle: Bundle, answering: Callable[[dict[Way, Any]], None]
):
    answering({Way("tensorflow", "bf16"): Known(expected(bundle) + 0.1)})

    with pytest.raises(BundleError) as refusal:
        choose(bundle, [Way("tensorflow", "bf16")], batch_size=32)

    assert refusal.value.code == "reference_differs"


def test_a_worker_refuses_a_model_that_the_ordered_way_does_not_reproduce(
    xray_folder: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    settings.CONFIG = replace(settings.CONFIG, state_dir=tmp_path, runtime="tensorflow", precision="bf16", batch_size=1)
    monkeypatch.setattr(choosing, "_has_bf16", lambda _: True)

    with pytest.raises(BundleError) as refusal:
        choices.chosen(load_bundle(xray_folder))

    assert refusal.value.code == "reference_differs"
    assert "tensorflow bf16: a reference score is off by" in str(refusal.value)


def test_trying_ends_before_a_hand_that_waits_for_the_device_counts_as_stuck():
    assert choices.PATIENCE < heartbeat.STUCK_SECONDS


def test_where_trying_ends_badly_the_exact_way_is_taken_and_nothing_remembered(
    bundle: Bundle, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    settings.CONFIG = replace(settings.CONFIG, state_dir=tmp_path, runtime="auto", precision="auto", batch_size=0)
    monkeypatch.setattr(choices, "PATIENCE", 0.0)

    with structlog.testing.capture_logs() as lines:
        choice = choices.chosen(bundle)

    assert choice == Choice(EXACT, BATCH_SIZE)
    assert [line["event"] for line in lines] == ["runtimes_not_tried"]
    assert not (tmp_path / "runtimes").exists()


def test_where_there_is_no_time_for_all_what_was_found_by_then_is_taken_and_not_remembered(
    bundle: Bundle, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    settings.CONFIG = replace(settings.CONFIG, state_dir=tmp_path, runtime="auto", precision="auto", batch_size=0)
    found = json.dumps(asdict(Choice(OTHER, 16, (Tried(OTHER, 0.0, "", 16, 250.0),))))
    slow = f"import time; print({found!r}, flush=True); time.sleep(60)"

    def spawn(_: object, *, output: IO[bytes], **__: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", slow], stdout=output)

    monkeypatch.setattr(choices, "spawn", spawn)
    monkeypatch.setattr(choices, "PATIENCE", 2.0)

    with structlog.testing.capture_logs() as lines:
        choice = choices.chosen(bundle)

    assert (choice.way, choice.batch_size) == (OTHER, 16)
    assert [line["event"] for line in lines] == ["runtime_tried", "runtimes_not_all_tried"]
    assert not (tmp_path / "runtimes").exists()


def test_what_is_ordered_and_not_here_is_said_and_the_exact_way_taken(
    bundle: Bundle, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    settings.CONFIG = replace(settings.CONFIG, runtime="openvino", precision="fp32", batch_size=32)
    monkeypatch.setattr(choosing, "_installed", lambda name: name != "openvino")

    with structlog.testing.capture_logs() as lines:
        choice = choices.chosen(bundle)

    assert choice == Choice(EXACT, 32)
    assert [line["event"] for line in lines] == ["runtime_not_here"]


def test_a_model_that_flags_nothing_can_be_computed_in_other_ways(
    bundle: Bundle, answering: Callable[[dict[Way, Any]], None]
):
    silent = replace(bundle, card=replace(bundle.card, flag_labels=()))
    answering({EXACT: Known(expected(bundle), 1.0), OTHER: Known(expected(bundle), 0.0)})

    assert choose(silent, [EXACT, OTHER], batch_size=32).way == OTHER


def test_what_this_machine_chooses_gives_the_scores_of_the_card(
    xray_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
):
    settings.CONFIG = replace(settings.CONFIG, state_dir=tmp_path, runtime="auto", precision="auto", batch_size=2)
    reference = load_bundle(xray_folder).card.reference

    scorer = load_scorer(xray_folder, choices.chosen)

    planes = reference_planes(reference.seeds[:4], scorer.card.modality)
    scored = np.array([scorer.scores_of(planes, label) for label in scorer.labels]).T
    allowed = reference.tolerance[scorer.identity.precision]
    assert np.abs(scored - np.array(reference.scores[:4])).max() <= allowed
    assert len(list((tmp_path / "runtimes").glob("*.json"))) == 1


def test_bfloat16_is_tried_only_where_the_processor_multiplies_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told = tmp_path / "cpuinfo"
    for flags, has in (("fpu avx512f avx512_bf16", True), ("fpu amx_bf16", True), ("fpu avx2", False)):
        told.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
        assert processor_has_bf16(told) is has
    assert not processor_has_bf16(tmp_path / "nothing")

    monkeypatch.setattr(choosing, "_has_bf16", lambda _: False)

    assert {way.precision for way in ways()} == {"fp32"}
    assert ways()[0] == EXACT


def test_what_was_asked_for_is_all_that_is_tried():
    assert ways("tensorflow", "fp32") == [EXACT]
    assert ways("openvino", "fp32") == [OTHER]


def test_openvino_gives_the_scores_of_tensorflow(bundle: Bundle):
    planes = reference_planes(bundle.card.reference.seeds[:5], bundle.card.modality)

    given, wanted = (open_runtime(bundle, way).run(planes) for way in (OTHER, EXACT))

    np.testing.assert_allclose(given.scores, wanted.scores, atol=1e-4)
    np.testing.assert_allclose(given.distances, wanted.distances, rtol=1e-3)


def test_openvino_tells_nobody_that_it_was_used():
    lines = (
        "from ml.models.openvino_graph import _openvino; _openvino()",
        "from openvino.tools.ovc import telemetry_utils",
        "print(telemetry_utils.tm)",
    )

    told = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)

    assert "telemetry_stub" in told.stdout


def test_a_choice_names_itself_with_every_result(xray_folder: Path):
    scorer = load_scorer(xray_folder, lambda _: Choice(OTHER, 16))

    [outcome] = scorer.score([bytes(PLANE_SIDE * PLANE_SIDE)])

    assert (scorer.identity.runtime, scorer.identity.precision, scorer.batch_size) == ("openvino", "fp32", 16)
    assert outcome.distance is not None


def test_a_choice_is_remembered_until_model_or_machine_is_another(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
):
    settings.CONFIG = replace(settings.CONFIG, state_dir=tmp_path, runtime="auto", precision="auto", batch_size=0)
    asked: list[str] = []

    def try_slowly(of: Bundle, *_: Any) -> dict[str, Any]:
        asked.append(of.card.model_sha256)
        return asdict(Choice(OTHER, 16))

    monkeypatch.setattr(choices, "_tried", try_slowly)
    another = replace(bundle, card=replace(bundle.card, model_sha256="f" * 64))

    found = [choices.chosen(one) for one in (bundle, bundle, another, bundle)]
    monkeypatch.setattr(choices, "processor_flags", lambda: frozenset({"a newer one"}))
    choices.chosen(bundle)

    assert {(one.way, one.batch_size) for one in found} == {(OTHER, 16)}
    assert asked == [bundle.card.model_sha256, "f" * 64, bundle.card.model_sha256]


def test_a_choice_is_remembered_here_where_pictures_are_kept_in_a_store(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
):
    settings.CONFIG = replace(settings.CONFIG, state_dir=tmp_path, runtime="auto", precision="auto", batch_size=0)
    monkeypatch.setattr(kept, "objects", lambda: pytest.fail("what is fastest here is nothing for a store"))
    monkeypatch.setattr(choices, "_tried", lambda *_: asdict(Choice(OTHER, 16)))

    assert choices.chosen(bundle).way == OTHER

    assert len(list((tmp_path / "runtimes").glob("*.json"))) == 1


@pytest.fixture
def on_one_trunk(bundle: Bundle, tmp_path: Path) -> tuple[Bundle, Bundle]:
    """A model whose trunk is a file that others share, and another that holds the same trunk in its own file."""
    return bundle, load_bundle(twin(bundle.card.slug, tmp_path, "another"))


def test_models_on_one_trunk_are_computed_in_one_way(
    on_one_trunk: tuple[Bundle, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
):
    settings.CONFIG = replace(settings.CONFIG, state_dir=tmp_path, runtime="auto", precision="auto", batch_size=0)
    asked: list[list[Way]] = []

    def try_slowly(_: Bundle, ways: list[Way], *__: Any) -> dict[str, Any]:
        asked.append(ways)
        return asdict(Choice(OTHER if OTHER in ways and len(asked) == 1 else ways[0], 16))

    monkeypatch.setattr(choices, "_tried", try_slowly)

    assert [choices.chosen(one).way for one in (*on_one_trunk, *on_one_trunk)] == [OTHER] * 4
    assert len(asked[0]) > 1
    assert asked[1:] == [[OTHER]]


def test_two_models_on_one_trunk_that_are_loaded_at_once_come_to_one_way(
    on_one_trunk: tuple[Bundle, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
):
    settings.CONFIG = replace(settings.CONFIG, state_dir=tmp_path, runtime="auto", precision="auto", batch_size=0)
    first = Barrier(2)
    asked: list[int] = []

    def try_slowly(of: Bundle, ways: list[Way], *_: Any) -> dict[str, Any]:
        asked.append(len(ways))
        return asdict(Choice(ways[-1] if of is on_one_trunk[0] else ways[0], 16))

    def choose_one(one: Bundle) -> Way:
        first.wait()
        return choices.chosen(one).way

    monkeypatch.setattr(choices, "_tried", try_slowly)
    keep = choices._keep
    monkeypatch.setattr(choices, "_keep", lambda *what: (time.sleep(0.05), keep(*what)))
    with ThreadPoolExecutor(2) as hands:
        ways = list(hands.map(choose_one, on_one_trunk))

    assert len(set(ways)) == 1
    assert asked[0] > 1
    assert asked[1:] == [1]


def test_what_trying_the_way_of_the_trunk_took_is_not_there_for_the_others(
    on_one_trunk: tuple[Bundle, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
):
    settings.CONFIG = replace(settings.CONFIG, state_dir=tmp_path, runtime="auto", precision="auto", batch_size=0)
    deadlines: list[float] = []

    def try_in_vain(of: Bundle, *rest: Any) -> dict[str, Any] | None:
        deadlines.append(rest[-1])
        return asdict(Choice(OTHER, 16)) if of is on_one_trunk[0] else None

    monkeypatch.setattr(choices, "_tried", try_in_vain)
    choices.chosen(on_one_trunk[0])

    assert choices.chosen(on_one_trunk[1]).way == EXACT

    assert len(deadlines) == 3
    assert deadlines[1] == deadlines[2]  # both tries end by one


def test_a_model_that_its_trunks_way_does_not_reproduce_has_every_way_tried(
    on_one_trunk: tuple[Bundle, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
):
    settings.CONFIG = replace(settings.CONFIG, state_dir=tmp_path, runtime="auto", precision="auto", batch_size=0)
    first, second = on_one_trunk

    def try_slowly(of: Bundle, ways: list[Way], *_: Any) -> dict[str, Any]:
        if of is first:
            return asdict(Choice(OTHER, 16))
        if ways == [OTHER]:
            raise BundleError("reference_differs", "It differs.", "Restore it.")
        return asdict(Choice(EXACT, 8))

    monkeypatch.setattr(choices, "_tried", try_slowly)

    assert choices.chosen(first).way == OTHER
    assert choices.chosen(second) == Choice(EXACT, 8)
    assert choices.chosen(replace(second, card=replace(second.card, model_sha256="c" * 64))).way == EXACT
    assert choices.chosen(first).way == OTHER


def test_a_note_that_is_damaged_is_found_out_anew(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
):
    settings.CONFIG = replace(settings.CONFIG, state_dir=tmp_path, runtime="auto", precision="auto", batch_size=0)
    monkeypatch.setattr(choices, "_tried", lambda *_: asdict(Choice(OTHER, 16)))
    choices.chosen(bundle)
    [note] = (tmp_path / "runtimes").glob("*.json")
    assert json.loads(note.read_text())["way"] == {"runtime": "openvino", "precision": "fp32"}
    for damaged in (
        "{",
        '{"way": {"runtime": "nope", "precision": "fp32"}, "batch_size": 8}',
        '{"way": {"runtime": "tensorflow", "precision": "fp32"}, "batch_size": 0}',
    ):
        note.write_text(damaged)

        assert choices.chosen(bundle).way == OTHER
        assert json.loads(note.read_text())["batch_size"] == 16
