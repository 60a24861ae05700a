import json
import os
import time
from collections import Counter
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from ml.images.gate import BUNDLE, CARD_FILE, NAME, GateError, decide, load_gate, route
from ml.images.gate_features import FEATURES, describe
from ml.images.plane import make_plane, plane_of_picture
from ml.models.reference import reference_plane
from ml.training.augment import generator_for
from ml.training.data import choose, read_manifest
from ml.training.gate import FAMILY_AND_PATIENTS_UNSEEN, FAMILY_UNSEEN
from ml.training.gate_data import chest, gray_of
from ml.training.negatives.drawn import DRAWN
from ml.training.negatives.drawn_unseen import DRAWN_UNSEEN
from ml.training.negatives.families import TAUGHT, may_pass, misused
from ml.training.negatives.misused import MISUSED_UNSEEN, ORIENTATION, POLARITY
from ml.training.negatives.packaged import OTHER_DICOM, other_dicom
from ml.vocabulary import Modality, NotAssessed
from tests import phantoms

DATA = os.environ.get("SCREENING_TEST_DATA", "")
needs_pictures = pytest.mark.skipif(not DATA, reason="SCREENING_TEST_DATA names no folder of real pictures")
CARD = json.loads((BUNDLE / CARD_FILE).read_text())
UNSEEN = CARD["metrics"]["let_through_of_families_never_trained_on"]


def drawn(seed: int = 1) -> np.ndarray:
    return reference_plane(seed, Modality.XRAY)


def radiograph(seed: int = 0) -> np.ndarray:
    return make_plane(phantoms.radiograph(seed=seed))


def axial_slice(seed: int = 0) -> np.ndarray:
    window = (phantoms.axial_slice(seed=seed).astype(np.float32) + 1350) / 1500
    return make_plane(np.clip(window, 0, 1))


def passed(planes) -> int:
    return sum(route(plane).modality is not Modality.UNKNOWN for plane in planes)


@pytest.mark.parametrize("family", DRAWN)
def test_drawn_pictures_of_other_things_are_not_taken_for_a_chest(family: str):
    assert passed(make_plane(DRAWN[family](generator_for(9, number))) for number in range(12)) <= 1


@pytest.mark.parametrize("family", DRAWN_UNSEEN)
def test_a_drawn_family_it_never_saw_passes_no_more_often_than_its_target(family: str):
    draw = DRAWN_UNSEEN[family]

    assert passed(make_plane(draw(generator_for(9, number))) for number in range(60)) <= 60 * may_pass(family)


@pytest.mark.parametrize("family", MISUSED_UNSEEN)
def test_a_misused_phantom_passes_no_more_often_than_its_target(family: str):
    pictures = [reference_plane(seed, kind) for seed in range(12) for kind in (Modality.XRAY, Modality.CT)]

    planes = [plane for _, plane in misused({family: MISUSED_UNSEEN[family]}, pictures, 40, seed=9)]

    assert passed(planes) <= 40 * may_pass(family)


def test_other_parts_and_modalities_of_public_packages_pass_no_more_often_than_the_card_says():
    seen = [(family, route(plane).modality is not Modality.UNKNOWN) for family, plane in other_dicom()]

    let_through = Counter(family for family, through in seen if through)
    assert {family for family, _ in seen} <= set(OTHER_DICOM)
    assert all(count <= round(UNSEEN[family]["value"] * UNSEEN[family]["n"]) for family, count in let_through.items())


@pytest.mark.parametrize("kind", [radiograph, axial_slice])
def test_chest_pictures_that_the_tests_draw_pass_as_what_they_are(kind):
    expected = Modality.XRAY if kind is radiograph else Modality.CT

    assert {route(kind(seed)).modality for seed in range(8)} == {expected}


@pytest.mark.parametrize("kind", [radiograph, axial_slice])
def test_an_inverted_phantom_is_told_to_be_inverted(kind):
    seen = [route(255 - kind(seed)) for seed in range(4)]

    assert {(one.modality, one.reason) for one in seen} == {(Modality.UNKNOWN, NotAssessed.POLARITY)}


# Drawn slices are nearly the same upside down, and may pass so: only quarter turns of them are asked about.
@pytest.mark.parametrize(
    ("kind", "turns"),
    [*((kind, turns) for kind in (radiograph, drawn) for turns in (1, 2, 3)), (axial_slice, 1), (axial_slice, 3)],
)
def test_a_turned_phantom_is_told_to_be_turned(kind, turns: int):
    seen = [route(np.rot90(kind(seed), turns)) for seed in range(4)]

    assert {(one.modality, one.reason) for one in seen} == {(Modality.UNKNOWN, NotAssessed.ORIENTATION)}


def test_every_refusal_has_a_reason_and_nothing_that_passes_has_one():
    planes = [drawn(), 255 - drawn(), *(make_plane(DRAWN["noise"](generator_for(9, number))) for number in range(6))]

    assert all((one.modality is Modality.UNKNOWN) is (one.reason is not None) for one in map(route, planes))


def test_what_looks_like_a_chest_but_lies_far_from_all_it_knows_is_out_of_distribution(tmp_path: Path):
    folder = copytree(BUNDLE, tmp_path / "gate")
    card = json.loads((folder / CARD_FILE).read_text())
    card["limits_of_distance"] = dict.fromkeys(card["limits_of_distance"], 1e-6)
    (folder / CARD_FILE).write_text(json.dumps(card))

    from_far = decide(describe(axial_slice()), load_gate(folder))

    assert (from_far.modality, from_far.reason) == (Modality.UNKNOWN, NotAssessed.OUT_OF_DISTRIBUTION)
    assert from_far.distance > 1 >= route(axial_slice()).distance


def test_scores_are_shares_of_five_kinds():
    routed = route(drawn())

    assert set(routed.scores) == {"xray", "ct", "unknown", "inverted", "turned"}
    assert sum(routed.scores.values()) == pytest.approx(1.0, abs=1e-5)
    assert routed.chest == pytest.approx(routed.scores["xray"] + routed.scores["ct"])


def test_the_same_plane_gets_the_same_answer():
    assert route(drawn()) == route(drawn().copy())


@pytest.mark.parametrize("gray", [0, 128, 255])
def test_a_plane_of_one_gray_value_is_unknown(gray: int):
    assert route(np.full((512, 512), gray, np.uint8)).modality is Modality.UNKNOWN


def test_what_the_gate_decides_on_is_finite_and_of_a_fixed_length():
    for plane in (drawn(), np.zeros((512, 512), np.uint8), np.full((512, 512), 255, np.uint8)):
        features = describe(plane)

        assert features.shape == (FEATURES,)
        assert features.dtype == np.float32
        assert np.isfinite(features).all()


def by_definition(plane):
    """The numbers that are not of the thumbnail, as they are described, without the shortcuts that save time."""
    fine = plane.reshape(128, 4, 128, 4).mean(axis=(1, 3)).astype(np.float32)
    middle = fine.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    down, across = np.gradient(middle)
    direction = np.floor(np.arctan2(down, across) % np.pi * (8 / np.pi)).astype(int) % 8
    cells = np.zeros((8, 8, 8))
    rows, columns = np.indices(middle.shape) // 8
    np.add.at(cells, (rows, columns, direction), np.hypot(down, across))
    total = cells.sum(axis=2)
    inner = fine[1:-1, 1:-1]
    around = (fine[:-2, 1:-1] + fine[2:, 1:-1] + fine[1:-1, :-2] + fine[1:-1, 2:]) / 4
    grain = np.pad(np.abs(inner - around), 1).reshape(8, 16, 8, 16).mean(axis=(1, 3))
    lines = []
    for steps in (np.diff(fine, axis=1), np.diff(fine, axis=0).T):
        strength = np.abs(steps).mean(axis=0)
        lines += [np.log1p(strength), np.abs(steps.mean(axis=0)) / (strength + 0.5)]
    bands = [np.pad(values, (0, 1)).reshape(32, 4).max(axis=1) for values in lines]
    shares = np.sqrt(cells / (total[..., None] + 16))
    histogram = np.sqrt(np.bincount((fine // 16).astype(int).ravel(), minlength=16) / fine.size)
    parts = (shares, np.log1p(total) / 4, np.log1p(grain), *bands, histogram)
    return np.concatenate([part.ravel() for part in parts])


@pytest.mark.parametrize("number", range(8))
def test_what_the_gate_decides_on_is_what_it_says(number: int):
    noise = np.random.default_rng(number).integers(0, 256, (512, 512), np.uint8)
    plane = [
        drawn(),
        radiograph(),
        axial_slice(),
        255 - drawn(),
        np.rot90(radiograph()),
        noise,
        noise // 99,
        drawn() * 0,
    ][number]

    features = describe(plane)

    assert features[576:-6] == pytest.approx(by_definition(plane), abs=1e-6)
    assert features[-3:] == pytest.approx(shares_of(plane), abs=1e-7)


def shares_of(plane):
    """How much is flat, black and white."""
    fine = plane.reshape(128, 4, 128, 4).mean(axis=(1, 3))
    down, across = np.abs(np.diff(fine, axis=0))[:, :-1], np.abs(np.diff(fine, axis=1))[:-1]
    return [((down < 0.5) & (across < 0.5)).mean(), (fine < 2).mean(), (fine > 253).mean()]


def test_routing_leaves_the_plane_alone():
    plane = drawn()
    before = plane.copy()

    route(plane)

    assert np.array_equal(plane, before)


@pytest.mark.parametrize("plane", [np.zeros((256, 256), np.uint8), np.zeros((512, 512), np.float32)])
def test_another_shape_or_type_is_refused(plane: np.ndarray):
    with pytest.raises(ValueError, match="uint8 planes"):
        route(plane)


def test_routing_takes_a_few_milliseconds():
    plane = axial_slice()
    route(plane)

    started = time.process_time()
    for _ in range(50):
        route(plane)

    assert (time.process_time() - started) / 50 < 0.010  # four times what is promised: the machine may be busy


def test_changed_weights_are_refused(tmp_path: Path):
    folder = copytree(BUNDLE, tmp_path / "gate")
    weights = bytearray((folder / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(weights)

    with pytest.raises(GateError, match="changed"):
        load_gate(folder)


def test_missing_weights_are_refused(tmp_path: Path):
    with pytest.raises(GateError, match="missing"):
        load_gate(tmp_path)


def test_no_family_of_the_test_was_taught_and_each_stands_by_itself_with_its_interval():
    taught, strict = (CARD["metrics"][key] for key in (FAMILY_UNSEEN, FAMILY_AND_PATIENTS_UNSEEN))

    assert set(taught) == set(strict) == set(TAUGHT)
    assert all(strict[family]["n"] * CARD["how"]["folds"] == taught[family]["n"] for family in TAUGHT)
    assert set(UNSEEN) == {*DRAWN_UNSEEN, *MISUSED_UNSEEN, *OTHER_DICOM, "photograph"}
    assert not set(UNSEEN) & {*taught, *POLARITY, *ORIENTATION}
    assert all(
        one["low"] <= one["value"] <= one["high"] for one in (*taught.values(), *strict.values(), *UNSEEN.values())
    )
    assert all(one["met"] is (one["value"] <= one["target"]) for one in UNSEEN.values())


def test_the_card_names_the_gate_that_answers_and_tells_refusals_by_source():
    assert f"{CARD['slug']}@{CARD['version']}" == NAME
    assert {"actualmed", "figure1"} < set(CARD["metrics"]["external"])
    chest_of_val = CARD["metrics"]["val"]["all"]
    assert chest_of_val["met"] is (chest_of_val["refused"]["value"] <= chest_of_val["target"] == 0.02)
    assert any("aterals" in limit for limit in CARD["limits"])


@needs_pictures
def test_pictures_that_are_no_chest_are_unknown_and_chest_pictures_are_told_apart():
    manifest = read_manifest(Path(DATA))
    samples = [example for example in manifest if example.split == "sample"]

    routed = [(example, route(plane_of_picture(example.path)).modality) for example in samples]

    wrong = [kind for example, kind in routed if example.modality == "none" and kind is not Modality.UNKNOWN]
    right = [kind for example, kind in routed if example.modality == kind.value]
    assert wrong == []
    assert len(right) >= 20


@needs_pictures
def test_at_most_two_percent_of_chest_pictures_are_refused():
    manifest = read_manifest(Path(DATA))
    ct = choose(manifest, modality="ct", split="train", labels=("covid", "non_covid"))[::8]
    xray = choose(manifest, modality="xray", split="train", labels=("covid", "pneumonia", "normal"))[::8]

    routed = [(example, route(plane_of_picture(example.path)).modality) for example in [*ct, *xray]]

    refused = sum(kind is Modality.UNKNOWN for _, kind in routed)
    swapped = sum(kind not in (Modality.UNKNOWN, example.modality) for example, kind in routed)
    assert refused <= 0.02 * len(routed)
    assert swapped == 0


@needs_pictures
@pytest.mark.parametrize("family", [*POLARITY, *ORIENTATION])
def test_real_pictures_turned_or_inverted_are_refused_with_the_reason_that_says_what_to_do(family: str):
    pictures = [gray_of(example) for example in chest(read_manifest(Path(DATA)), "train")[::60]]
    right = NotAssessed.POLARITY if family in POLARITY else NotAssessed.ORIENTATION

    seen = [route(plane) for name, plane in misused(POLARITY | ORIENTATION, pictures, 30, 9) if name == family]

    # One slice among them lies upside down in its collection: turned, it is upright and passes.
    assert sum(one.reason is None for one in seen) <= may_pass(family) * len(seen)
    assert sum(one.reason is right for one in seen) >= 0.9 * len(seen)
