import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.images.gate import BUNDLE as GATE
from ml.models import weights as w
from ml.models.bundle import STORE, TRUNK_FILE, WEIGHTS_FILE, file_sha256, list_bundles, load_bundle, read_card
from ml.models.card import BundleError, model_hash
from ml.models.runtime import open_runtime
from ml.models.verify import verify
from ml.vocabulary import DISCLAIMER
from tests.models.conftest import BUNDLES, MODELS
from tests.shipped import bundle_of

VERDICTS = ("shortcut likely", "not found by this test")
MEGABYTES_12 = 12 * 1024 * 1024
MEGABYTES_60 = 60 * 1024 * 1024


def altered(folder: Path, **changes: Any) -> dict[str, Any]:
    """Write changes into a card and return what it holds now."""
    path = folder / "card.json"
    document: dict[str, Any] = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(document))
    return document


def resigned(folder: Path, **changes: Any) -> None:
    """Write changes and a hash that fits them, as someone would who knows how."""
    changes["files"] = {WEIGHTS_FILE: file_sha256(folder / WEIGHTS_FILE)}
    altered(folder, model_sha256=model_hash(altered(folder, **changes)))


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as refused:
        verify(load_bundle(folder))
    return refused.value.code


def test_four_models_are_shipped_and_two_of_them_are_defaults():
    assert {folder.parent.name: read_card(folder).default for folder in BUNDLES} == {
        "ct-covid": True,
        "xray-covid-3class": True,
        "xray-covid-normal": False,
        "xray-covid-pneumonia": False,
    }


def test_the_radiograph_models_are_heads_on_one_trunk():
    folders = [folder for folder in BUNDLES if folder.parent.name.startswith("xray")]
    trunks = [w.trunk_of(w.read_bundle(load_bundle(folder))) for folder in folders]

    assert len({w.digest(trunk) for trunk in trunks}) == 1
    assert len({(read_card(folder).architecture, read_card(folder).input_side) for folder in folders}) == 1


def test_every_shared_trunk_is_named_by_some_card():
    named = {read_card(folder).files.get(TRUNK_FILE) for folder in BUNDLES}

    assert {path.stem for path in (MODELS / STORE).iterdir()} == named - {None}


def test_all_that_is_shipped_takes_less_than_60_megabytes():
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) < MEGABYTES_60


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.parent.name)
def test_a_shipped_bundle_reproduces_its_sixteen_reference_scores(folder: Path):
    bundle = load_bundle(folder)

    runtime = verify(bundle)

    assert runtime.name == "tensorflow"
    assert len(bundle.card.reference.seeds) == 16


@pytest.mark.parametrize(
    ("slug", "lowest", "highest"),
    [
        ("xray-covid-3class", 0.02, 0.98),
        ("xray-covid-normal", 0.02, 0.98),
        ("xray-covid-pneumonia", 0.02, 0.98),
        ("ct-covid", 0.14, 0.96),  # as far as its phantoms reach
    ],
)
def test_reference_scores_spread_evenly_between_the_ends_that_a_model_reaches(slug: str, lowest: float, highest: float):
    first = [row[0] for row in read_card(bundle_of(slug)).reference.scores]

    assert first == sorted(first)
    assert first[0] == pytest.approx(lowest, abs=0.02)
    assert first[-1] == pytest.approx(highest, abs=0.02)
    assert max(np.diff(first)) < 0.15


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.parent.name)
def test_a_shipped_bundle_holds_a_card_and_weights_of_at_most_12_megabytes(folder: Path):
    names = sorted(path.name for path in folder.iterdir())

    assert names == ["card.json", "weights.safetensors"]
    trunk = load_bundle(folder).trunk
    shared = trunk.stat().st_size if trunk else 0
    assert sum(path.stat().st_size for path in folder.iterdir()) + shared <= MEGABYTES_12


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.parent.name)
def test_a_card_says_what_a_reader_must_know(folder: Path):
    card = read_card(folder)

    assert card.disclaimer == DISCLAIMER
    assert card.flag_labels == ("covid",)
    assert card.operating_points["covid"].provisional
    assert card.operating_points["covid"].low <= card.operating_points["covid"].value
    assert {"out_of_fold", "val"} <= set(card.metrics)
    assert set(card.trivial_baselines["val"]["covid"]) == {"geometry", "histogram", "border"}
    assert card.metrics["val"]["sources"]
    assert card.evaluations["val"] == 1
    assert "leave_one_source_out" in card.metrics
    assert card.shortcut["verdict"] in VERDICTS
    assert card.limits


def test_a_card_survives_being_written_and_read(xray_folder: Path):
    card = read_card(xray_folder)

    again = json.loads(json.dumps(card.as_json(), allow_nan=False))

    assert again == json.loads((xray_folder / "card.json").read_text())


def test_one_flipped_byte_of_the_weights_is_refused(copied: Path):
    weights = bytearray((copied / WEIGHTS_FILE).read_bytes())
    weights[-1] ^= 1
    (copied / WEIGHTS_FILE).write_bytes(weights)

    assert refusal(copied) == "file_changed"


def test_missing_weights_are_refused(copied: Path):
    (copied / WEIGHTS_FILE).unlink()

    assert refusal(copied) == "file_missing"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("labels", ["normal", "pneumonia", "covid"]),
        ("architecture", "efficientnetlite1"),
        ("input_side", 224),
        ("ood", {"method": "none", "threshold": 1e9}),
        ("version", "1.0.1"),
        ("disclaimer", "For diagnosis."),
    ],
)
def test_a_card_altered_in_what_decides_a_score_is_refused(copied: Path, field: str, value: Any):
    altered(copied, **{field: value})

    assert refusal(copied) == "card_contradicts_itself"


def test_weights_that_answer_otherwise_are_refused_even_with_a_hash_that_fits(copied: Path):
    weights = w.read_weights(copied / WEIGHTS_FILE)
    rest = {k: v for k, v in weights.items() if not k.startswith(w.TRUNK)}
    rest[w.HEAD_KERNEL] = rest[w.HEAD_KERNEL][:, ::-1]
    w.write_weights(copied / WEIGHTS_FILE, w.trunk_of(weights), rest)
    resigned(copied)

    assert refusal(copied) == "reference_differs"


def test_an_operating_point_may_be_corrected_without_making_another_model(copied: Path):
    before = read_card(copied)
    points = {"covid": {"value": 0.5, "rule": "by hand", "low": 0.4, "high": 0.6, "provisional": True}}

    altered(copied, operating_points=points)

    after = read_card(copied)
    assert after.operating_points["covid"].value == 0.5
    assert after.model_sha256 == before.model_sha256


def test_weights_of_another_shape_are_refused(copied: Path):
    weights = w.read_weights(copied / WEIGHTS_FILE)
    trunk = w.trunk_of(weights) | {"stem/kernel": np.zeros((3, 3, 3, 32), np.float32)}
    w.write_weights(copied / WEIGHTS_FILE, trunk, {k: v for k, v in weights.items() if not k.startswith(w.TRUNK)})
    resigned(copied)

    assert refusal(copied) == "weights_do_not_fit"


def test_a_head_for_fewer_labels_is_refused(copied: Path):
    weights = w.read_weights(copied / WEIGHTS_FILE)
    rest = {k: v for k, v in weights.items() if not k.startswith(w.TRUNK)}
    rest[w.HEAD_KERNEL] = rest[w.HEAD_KERNEL][:, :2]
    w.write_weights(copied / WEIGHTS_FILE, w.trunk_of(weights), rest)
    resigned(copied)

    assert refusal(copied) == "weights_do_not_fit"


def test_an_unknown_architecture_is_refused(copied: Path):
    resigned(copied, architecture="something/else.py")

    assert refusal(copied) == "architecture_unknown"


def test_weights_that_are_no_safetensors_are_refused(copied: Path):
    (copied / WEIGHTS_FILE).write_bytes(b"\x80\x04pickle")
    resigned(copied)

    assert refusal(copied) == "weights_unreadable"


def test_a_model_of_another_pipeline_is_refused(copied: Path):
    resigned(copied, pipeline="plane-0")

    assert refusal(copied) == "other_pipeline"


def test_a_file_name_that_leaves_the_bundle_is_refused(copied: Path):
    document = altered(copied)
    files = document["files"] | {"../outside": "0" * 64}

    altered(copied, model_sha256=model_hash(altered(copied, files=files)))

    assert refusal(copied) == "file_missing"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', "\x00"])
def test_a_card_that_cannot_be_understood_is_refused(copied: Path, text: str):
    (copied / "card.json").write_text(text)

    assert refusal(copied) == "card_unreadable"


def test_a_folder_without_a_card_is_refused(tmp_path: Path):
    assert refusal(tmp_path) == "card_missing"


def test_the_gate_is_not_listed_among_the_models():
    assert (GATE / "gate.json").is_file()
    assert GATE.parent.parent == MODELS
    assert all(folder.parent.name != "modality-gate" for folder in list_bundles(MODELS))


def test_the_runtime_names_itself_and_its_precision(xray_folder: Path):
    runtime = open_runtime(load_bundle(xray_folder))

    assert (runtime.name, runtime.precision) == ("tensorflow", "fp32")
