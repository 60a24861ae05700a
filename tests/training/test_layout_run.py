"""From a folder per class to a bundle and its figures, on drawn pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.evaluation.evaluate import evaluate
from ml.models.bundle import read_card
from ml.models.reference import reference_plane
from ml.training.layouts.collection import NO_PATIENT_KNOWN
from ml.training.layouts.folders import FolderLayout
from ml.vocabulary import Modality
from tests.evaluation.drawn import centre, small, trained

LABELS = ("covid", "normal")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data, out = tmp_path_factory.mktemp("classes"), tmp_path_factory.mktemp("run")
    for number in range(60):
        label = LABELS[number % 2]
        gray = np.ascontiguousarray(reference_plane(number, Modality.XRAY)[::4, ::4])
        if label == "covid":
            centre(gray)
        folder = data / ("train" if number < 40 else "val") / label
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(gray).save(folder / f"{number}.png")
    plain = small(fine_tune=None, input_side=64, data=FolderLayout(source="ward"))
    trained(replace(plain, limits=("One.",)), data, out)
    (out / "data").write_text(str(data))
    return out / "bundle"


def test_the_card_says_that_no_patient_was_known(bundle: Path):
    card = read_card(bundle)

    assert card.limits[:2] == ("One.", NO_PATIENT_KNOWN)
    assert card.training_data["grouping"] == "by file: no patient is known"
    assert card.training_data["patients"] == "unknown"
    assert card.training_data["pictures"] == {"ward": {"covid": 20, "normal": 20}}


def test_a_held_out_split_is_read_the_way_the_card_says(bundle: Path):
    card = evaluate(bundle, Path((bundle.parent / "data").read_text()), "val")

    assert card.metrics["val"]["pictures"] + card.metrics["val"]["not_assessed"] == 20
