"""A batch is shared out among the cores, and nothing but the time it takes tells of that."""

import subprocess
import sys
from pathlib import Path

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


def test_there_is_a_core() -> None:
    assert cores() >= 1


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


def test_a_model_in_openvino_is_let_go_right_after_it_computed(xray_folder: Path) -> None:
    """A thread of its own that wants the interpreter's lock then would wait for ever."""
    command = [sys.executable, "-P", "-c", LET_GO, str(xray_folder)]
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)

    assert told.stdout.split() == ["done"], told.stderr[-2000:]
