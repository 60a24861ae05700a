"""Weights of models that Keras made and saved, brought in; and everything else turned away."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from ml.cli import main
from ml.inference import Scorer
from ml.models import importing
from ml.models.architectures import architecture_named
from ml.models.base import base_weights
from ml.models.bundle import load_bundle, read_card
from ml.models.card import BundleError
from ml.models.importing import Wanted, import_keras
from ml.models.keras_file import read_keras_file
from ml.models.reference import reference_planes
from ml.models.resample import resampling_matrix
from ml.models.verify import verify
from ml.vocabulary import Modality

# Keras's own saving trips over NumPy's new keyword; reading does not.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
SIDE = 128
SMALL = "smallcnn+flatten+dense8"


def tutorial_cnn(**changes: Any) -> Any:
    """A small CNN as tutorials write it: colours in, 0 to 1, one output."""
    outputs = changes.get("outputs", 1)
    return keras.Sequential(
        [
            keras.Input((64, 64, 3)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation=changes.get("activation", "relu"), padding=changes.get("padding", "valid")),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            *changes.get("extra", []),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(outputs, activation=changes.get("end", "sigmoid" if outputs == 1 else "softmax")),
        ]
    )


def tutorial_vgg() -> Any:
    """VGG16 with means of 4 x 4 places, 64 units and two outputs."""
    inputs = keras.Input((SIDE, SIDE, 3))
    base = keras.applications.VGG16(weights=None, include_top=False, input_tensor=inputs)
    data = layers.AveragePooling2D((4, 4))(base.output)
    data = layers.Dense(64, activation="relu")(layers.Flatten(name="flatten")(data))
    return keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.Dropout(0.5)(data)))


def wanted(**changes: Any) -> Wanted:
    plain = {
        "architecture": SMALL,
        "labels": ("normal", "covid"),
        "flags": ("covid",),
        "slug": "tutorial",
        "version": "1.0.0",
    }
    return Wanted(**(plain | changes))


def saved(model: Any, folder: Path) -> Path:
    model.save(folder / "model.h5")
    return folder / "model.h5"


def refusal(path: Path, out: Path, config: Path | None = None, **changes: Any) -> str:
    with pytest.raises(BundleError) as refused:
        import_keras(path, wanted(**changes), out, config)
    assert not [one for one in out.glob("*/*") if one.is_dir()]
    return refused.value.code


def theirs(model: Any, planes: np.ndarray, side: int) -> np.ndarray:
    """Score planes as a tutorial would: three equal channels from 0 to 1."""
    matrix = resampling_matrix(512, side)
    gray = matrix @ planes.astype(np.float32) @ matrix.T / 255
    return np.asarray(model(np.repeat(gray[..., None], 3, axis=3), training=False))


@pytest.fixture(scope="module")
def planes() -> np.ndarray:
    return reference_planes(tuple(range(8)), Modality.XRAY)


@pytest.fixture(autouse=True)
def few_phantoms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "CANDIDATES", 32)


@pytest.fixture
def cnn(tmp_path: Path) -> Path:
    return saved(tutorial_cnn(), tmp_path)


def test_one_output_becomes_two_scores_that_say_the_same(tmp_path: Path, planes: np.ndarray):
    model = tutorial_cnn()

    import_keras(saved(model, tmp_path), wanted(), tmp_path / "models")

    runtime = verify(load_bundle(tmp_path / "models" / "tutorial" / "1.0.0"))
    scores = runtime.run(planes).scores
    assert scores[:, 1] == pytest.approx(theirs(model, planes, 64)[:, 0], abs=2e-3)
    assert scores.sum(axis=1) == pytest.approx(np.ones(8))


def test_a_vgg16_with_its_head_answers_as_it_did_in_keras(tmp_path: Path, planes: np.ndarray):
    model = tutorial_vgg()
    name = "vgg16+unit+pool4+dense64"

    card = import_keras(saved(model, tmp_path), wanted(architecture=name), tmp_path / "models")

    runtime = verify(load_bundle(tmp_path / "models" / "tutorial" / "1.0.0"))
    assert (card.architecture, card.input_side) == (name, SIDE)
    assert runtime.run(planes).scores == pytest.approx(theirs(model, planes, SIDE), abs=2e-3)


def test_a_card_says_what_a_file_of_weights_cannot_tell(cnn: Path, tmp_path: Path):
    import_keras(cnn, wanted(), tmp_path / "models")

    folder = tmp_path / "models" / "tutorial" / "1.0.0"
    card = read_card(folder)
    assert card.operating_points["covid"].value == 0.5
    assert card.operating_points["covid"].provisional
    assert card.training_data["patients_kept_apart"] == "unknown"
    assert card.metrics["known"] == card.trivial_baselines["known"] == "no"
    assert any("unknown" in limit for limit in card.limits)
    assert card.ood.method.startswith("none")
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "weights.safetensors"]


def test_a_model_that_knows_no_distance_scores_every_plane(cnn: Path, tmp_path: Path):
    card = import_keras(cnn, wanted(), tmp_path / "models")
    runtime = verify(load_bundle(tmp_path / "models" / "tutorial" / "1.0.0"))

    [outcome] = Scorer(card, runtime, batch_size=1).score([bytes(512 * 512)])

    assert (outcome.kind, outcome.distance) == ("scored", 0.0)


def test_weights_alone_with_a_description_beside_them_are_taken(cnn: Path, tmp_path: Path):
    model = tutorial_cnn()
    (tmp_path / "model.json").write_text(model.to_json())
    model.save(tmp_path / "other.h5")
    with h5py.File(tmp_path / "other.h5", "a") as file:
        del file.attrs["model_config"]

    card = import_keras(tmp_path / "other.h5", wanted(), tmp_path / "models", tmp_path / "model.json")

    assert card.input_side == 64


def test_a_description_of_another_model_is_refused(cnn: Path, tmp_path: Path):
    description = tmp_path / "model.json"
    description.write_text(tutorial_cnn(outputs=3).to_json())

    assert refusal(cnn, tmp_path / "models", description) == "import_config_differs"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"padding": "same"}, "import_config_differs"),
        ({"activation": "elu"}, "import_config_differs"),
        ({"end": "linear"}, "import_config_differs"),
        ({"extra": [layers.BatchNormalization()]}, "import_layers_left"),
        ({"extra": [layers.GaussianNoise(0.1)]}, "import_layer_unknown"),
        ({"extra": [layers.Lambda(lambda data: data * 2)]}, "import_layer_unknown"),
        ({"outputs": 3}, "import_head_differs"),
    ],
    ids=str,
)
def test_a_model_that_computes_something_else_is_refused(tmp_path: Path, changes: dict[str, Any], code: str):
    path = saved(tutorial_cnn(**changes), tmp_path)

    assert refusal(path, tmp_path / "models") == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"architecture": "vgg16"}, "import_config_differs"),
        ({"architecture": "resnet50"}, "import_config_differs"),
        ({"architecture": "smallcnn+flatten"}, "import_head_differs"),
        ({"architecture": "smallcnn+dense8"}, "import_config_differs"),
        ({"architecture": "smallcnn+flatten+dense16"}, "weights_do_not_fit"),
        ({"architecture": "efficientnetlite0"}, "import_not_published"),
        ({"architecture": "smallcnn+levels1"}, "import_not_published"),
        ({"architecture": "vgg99"}, "architecture_unknown"),
        ({"side": 96}, "import_config_differs"),
        ({"labels": ("covid",)}, "import_names_wrong"),
        ({"labels": ("normal", "pneumonia")}, "import_names_wrong"),
        ({"slug": "../up"}, "import_names_wrong"),
        ({"version": ""}, "import_names_wrong"),
    ],
    ids=str,
)
def test_a_wrong_word_in_the_command_is_refused(cnn: Path, tmp_path: Path, changes: dict[str, Any], code: str):
    assert refusal(cnn, tmp_path / "models", **changes) == code


def test_a_version_is_never_overwritten(cnn: Path, tmp_path: Path):
    import_keras(cnn, wanted(), tmp_path / "models")
    card = (tmp_path / "models" / "tutorial" / "1.0.0" / "card.json").read_text()

    with pytest.raises(BundleError) as refused:
        import_keras(cnn, wanted(), tmp_path / "models")

    assert refused.value.code == "import_exists"
    assert (tmp_path / "models" / "tutorial" / "1.0.0" / "card.json").read_text() == card


def spoilt_link(file: Any) -> None:
    layer = file["model_weights"][first(file)]
    name = layer.attrs["weight_names"][0]
    del layer[name]
    layer[name] = h5py.ExternalLink("elsewhere.h5", "/x")


def spoilt_numbers(file: Any) -> None:
    layer = file["model_weights"][first(file)]
    layer[layer.attrs["weight_names"][0]][0, 0, 0, 0] = np.nan


def spoilt_layout(file: Any) -> None:
    del file["model_weights"].attrs["layer_names"]


def spoilt_description(file: Any) -> None:
    file.attrs["model_config"] = json.dumps({"config": 7})


def first(file: Any) -> str:
    """The first layer that has weights."""
    group = file["model_weights"]
    return next(name for name in group.attrs["layer_names"] if len(group[name].attrs["weight_names"]))


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (spoilt_link, "import_format_unknown"),
        (spoilt_layout, "import_format_unknown"),
        (spoilt_numbers, "import_not_finite"),
        (spoilt_description, "import_config_unreadable"),
    ],
)
def test_a_spoilt_file_is_refused(cnn: Path, tmp_path: Path, spoil: Callable[[Any], None], code: str):
    with h5py.File(cnn, "a") as file:
        spoil(file)

    assert refusal(cnn, tmp_path / "models") == code


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"\x89HDF\r\n\x1a\n" + bytes(64)])
def test_what_is_no_hdf5_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "model.h5").write_bytes(content)

    assert refusal(tmp_path / "model.h5", tmp_path / "models") == "import_file_unreadable"


def test_the_layout_of_keras_3_weights_is_refused_with_what_to_do(tmp_path: Path):
    tutorial_cnn().save_weights(tmp_path / "model.weights.h5")

    with pytest.raises(BundleError, match=r"model\.save") as refused:
        read_keras_file(tmp_path / "model.weights.h5")

    assert refused.value.code == "import_format_unknown"


def test_the_command_prints_where_the_bundle_lies(cnn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "models"
    words = [
        "--architecture",
        SMALL,
        "--labels",
        "normal,covid",
        "--slug",
        "tutorial",
        "--version",
        "2",
        "--out",
        str(out),
    ]

    assert main(["import", str(cnn), *words]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["model"] == "tutorial@2"
    assert verify(load_bundle(Path(told["bundle"]))).name == "tensorflow"


def test_training_begins_with_the_trunk_of_a_file(tmp_path: Path):
    model = tutorial_cnn()

    weights = base_weights(saved(model, tmp_path), "smallcnn+dense4", 64)

    kernel = np.asarray(model.layers[0].kernel).sum(axis=2, keepdims=True)
    assert weights["conv0/kernel"] == pytest.approx(kernel, abs=1e-3)
    assert weights["neck/kernel"].shape == (128, 4)


def test_training_begins_with_what_was_written_as_arrays(tmp_path: Path):
    drawn = base_weights(Path("none"), "smallcnn", 64, seed=5)
    np.savez(tmp_path / "trunk.npz", **drawn)

    again = base_weights(tmp_path / "trunk.npz", "smallcnn", 64)

    assert all(np.array_equal(again[name], drawn[name]) for name in drawn)


def test_imagenet_weights_are_asked_of_keras_and_of_nothing_else(monkeypatch: pytest.MonkeyPatch):
    asked: list[dict[str, Any]] = []
    model = keras.applications.VGG16(weights=None, include_top=False)
    monkeypatch.setattr(keras.applications, "VGG16", lambda **how: asked.append(how) or model)

    weights = base_weights(Path("imagenet"), "vgg16", 64)

    assert asked == [{"weights": "imagenet", "include_top": False}]
    assert weights.keys() >= {"block1_conv1/kernel", "block5_conv3/bias"}


@pytest.mark.parametrize(
    ("base", "architecture", "code"),
    [
        ("imagenet", "efficientnetlite0", "base_not_published"),
        ("imagenet", "smallcnn", "base_not_published"),
        ("nowhere", "vgg16", "base_unknown"),
    ],
)
def test_a_base_that_does_not_exist_is_refused(base: str, architecture: str, code: str):
    with pytest.raises(BundleError) as refused:
        base_weights(Path(base), architecture)

    assert refused.value.code == code


def test_a_name_on_a_card_is_the_name_that_builds_it():
    assert architecture_named(SMALL).name == SMALL
