"""A batch is shared out among the cores, and nothing but the time it takes tells of that."""

import importlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.models import frozen, openvino_graph
from ml.models import weights as w
from ml.models.architectures import architecture_named
from ml.models.bundle import Bundle, load_bundle
from ml.models.cores import LARGEST, TURNS, cores, pieces
from ml.models.openvino_graph import OpenVinoGraph
from ml.models.reference import reference_planes
from tests.environment import ROOT

LET_GO = """
import sys
from pathlib import Path
import numpy as np
from ml.models.bundle import load_bundle
from ml.models.openvino_graph import OpenVinoGraph
bundle = load_bundle(Path(sys.argv[1]))
for _ in range(6):
    graph = OpenVinoGraph(bundle)
    graph.compute(np.zeros((9, 512, 512), np.uint8))
    del graph
print("done")
"""
SEVERAL = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from ml.models.bundle import load_bundle
from ml.models.openvino_graph import OpenVinoGraph
graph = OpenVinoGraph(load_bundle(Path(sys.argv[1])))
planes = [np.full((size, 512, 512), size, np.uint8) for size in (1, 8, 3, 8) * 6]
alone = [graph.run(each).scores for each in planes[:4]]
with ThreadPoolExecutor(4) as pool:
    together = [raw.scores for raw in pool.map(graph.run, planes)]
assert all(np.allclose(each, alone[place % 4], atol=1e-4) for place, each in enumerate(together))
print("done")
"""


def in_a_child(lines: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", lines, *words]
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert told.returncode == 0, told.stderr[-2000:]
    return told


@pytest.fixture(scope="module")
def bundle(xray_folder: Path) -> Bundle:
    return load_bundle(xray_folder)


@pytest.mark.parametrize("among", [1, 2, 3, 16])
@pytest.mark.parametrize("planes", [1, 2, 5, 8, 31, 64, 100])
def test_pieces_are_the_batch_in_its_order_small_and_enough_for_every_core(planes: int, among: int) -> None:
    batch = np.arange(planes * 4, dtype=np.uint8).reshape(planes, 2, 2)

    cut = pieces(batch, among)

    np.testing.assert_array_equal(np.concatenate(cut), batch)
    assert all(1 <= len(piece) <= LARGEST and piece.base is not None for piece in cut)
    assert len(cut) >= min(planes, TURNS * among) / 2


def test_cores_are_those_that_this_process_may_run_on_and_that_its_container_has_time_for(tmp_path: Path) -> None:
    here = len(os.sched_getaffinity(0))
    for told, most in (("max 100000\n", here), ("100000 100000\n", 1), ("150000 100000\n", 2), ("1000 100000\n", 1)):
        (tmp_path / "cpu.max").write_text(told)
        assert cores(tmp_path / "cpu.max") == min(here, most)
    assert cores(tmp_path / "no such file") == here

    lines = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from ml.models.cores import cores"
    told = subprocess.run([sys.executable, "-c", f"{lines}; print(cores())"], cwd=ROOT, capture_output=True, check=True)
    assert told.stdout.split() == [b"1"]


@pytest.mark.parametrize(("planes", "branches", "wanted"), [(10, 4, [3, 3, 3, 1]), (2, 2, [1, 1]), (100, 2, [50, 50])])
def test_every_branch_of_a_graph_has_its_part_of_the_batch(planes: int, branches: int, wanted: list[int]) -> None:
    batch = np.arange(planes * 4, dtype=np.uint8).reshape(planes, 2, 2)
    parts: list[int] = []

    def features(part: Any) -> Any:
        parts.append(int(part.shape[0]))
        return part

    given = frozen._shared_out(features, branches)(batch)

    np.testing.assert_array_equal(given, batch)
    assert parts == wanted
    assert frozen._shared_out(features, 1) is features


@pytest.mark.parametrize(("devices", "many", "wanted"), [([], 1, 1), ([], 3, 2), ([], 64, 4), (["a GPU"], 64, 1)])
def test_a_graph_has_a_branch_for_each_core_up_to_four_and_on_a_gpu_one(
    bundle: Bundle, devices: list[str], many: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = importlib.import_module("tensorflow").config
    cut: list[int] = []
    monkeypatch.setattr(frozen, "cores", lambda: many)
    monkeypatch.setattr(config, "list_physical_devices", lambda _: devices)
    monkeypatch.setattr(frozen, "_shared_out", lambda _, branches: cut.append(branches))
    monkeypatch.setattr(frozen, "freeze", lambda _: None)
    card = bundle.card
    trunk = w.trunk_of(w.read_bundle(bundle))

    frozen._frozen(architecture_named(card.architecture), card.input_side, trunk, "fp32")

    assert cut == [wanted]


@pytest.mark.parametrize("many", [1, 2, 3, 8])
def test_tensorflow_gives_the_same_for_a_plane_alone_and_in_any_batch_on_any_number_of_cores(
    bundle: Bundle, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frozen, "cores", lambda: many)
    trunk = w.trunk_of(w.read_bundle(bundle))
    card = bundle.card
    compute, width = frozen._frozen(architecture_named(card.architecture), card.input_side, trunk, "fp32")
    planes = reference_planes(bundle.card.reference.seeds[:7], bundle.card.modality)

    alone = np.concatenate([compute(plane[None]) for plane in planes])

    assert alone.shape == (7, width)
    for size in (2, 3, 7):
        np.testing.assert_allclose(compute(planes[:size]), alone[:size], atol=1e-3)


@pytest.mark.parametrize("many", [1, 3])
def test_openvino_gives_the_same_for_a_plane_alone_and_in_any_batch_on_any_number_of_cores(
    bundle: Bundle, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_graph, "cores", lambda: many)
    monkeypatch.setattr(frozen, "TRUNKS", frozen.Trunks())  # none that was compiled for another number
    graph = OpenVinoGraph(bundle)
    planes = np.resize(reference_planes(bundle.card.reference.seeds[:7], bundle.card.modality), (40, 512, 512))

    alone = np.concatenate([graph.run(plane[None]).scores for plane in planes[:7]])

    np.testing.assert_allclose(graph.run(planes).scores, np.resize(alone, (40, alone.shape[1])), atol=1e-4)


def test_openvino_has_one_piece_for_each_core_and_one_ahead(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_graph, "cores", lambda: 2)
    monkeypatch.setattr(frozen, "TRUNKS", frozen.Trunks())
    graph, asked = OpenVinoGraph(bundle), []
    monkeypatch.setattr(openvino_graph, "_in_turn", lambda requests, cut: asked.append((len(requests), len(cut))))

    for planes in (1, 16, 64):
        graph.compute(np.zeros((planes, 512, 512), np.uint8))

    assert asked == [(1, 1), (4, 8), (4, 16)]


class Request:
    """One that computes what it is given, or fails."""

    def __init__(self, log: list[str], name: str, *, fails: bool) -> None:
        self._log, self._name, self._fails = log, name, fails

    def start_async(self, given: list[Any], *, share_inputs: bool) -> None:
        self._log.append(f"{self._name} started")
        self.data = given[0]

    def wait(self) -> None:
        self._log.append(f"{self._name} waited for")
        if self._fails:
            raise RuntimeError("no memory")

    def get_output_tensor(self, _: int) -> "Request":
        return self


@pytest.mark.parametrize("fails", [False, True])
def test_whatever_was_begun_has_ended_before_a_failure_is_told(*, fails: bool) -> None:
    log: list[str] = []
    requests = [Request(log, "first", fails=fails), Request(log, "second", fails=False)]
    cut = pieces(np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2), 1)

    with pytest.raises(RuntimeError, match="no memory") if fails else nullcontext():
        np.testing.assert_array_equal(openvino_graph._in_turn(requests, cut), np.concatenate(cut))

    started = [line for line in log if line == "second started"]
    assert started
    assert "second waited for" in log[log.index("second started") :]


def test_one_graph_of_tensorflow_is_asked_by_one_thread_at_a_time(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model is warmed up on the trunk of another that computes; fused operations that meet end the process."""
    within: list[int] = []
    most: list[int] = []

    def slowly(tensor: Any) -> Any:
        within.append(1)
        most.append(len(within))
        time.sleep(0.02)
        within.pop()
        return tensor

    monkeypatch.setattr(frozen, "freeze", lambda _: slowly)
    card = bundle.card
    trunk = w.trunk_of(w.read_bundle(bundle))
    compute, _ = frozen._frozen(architecture_named(card.architecture), card.input_side, trunk, "fp32")
    planes = [np.full((size, 512, 512), size, np.uint8) for size in (1, 8, 3, 8)]

    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(compute, planes))

    assert [rows.shape[0] for rows in given] == [1, 8, 3, 8]
    assert most == [1] * 4


def test_openvino_may_be_asked_by_several_threads(xray_folder: Path) -> None:
    told = in_a_child(SEVERAL, str(xray_folder))

    assert told.stdout.split() == ["done"], told.stderr[-2000:]


def test_a_model_in_openvino_is_let_go_right_after_it_computed(xray_folder: Path) -> None:
    """A thread of its own that wants the interpreter's lock then would wait for ever."""
    told = in_a_child(LET_GO, str(xray_folder))

    assert told.stdout.split() == ["done"], told.stderr[-2000:]
