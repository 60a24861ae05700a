"""Every trunk against the arithmetic of the model that Keras publishes weights for."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from ml.models.architectures import FAMILIES, architecture_named, refuse_side
from ml.models.card import BundleError
from ml.models.published import convert, layers_of
from ml.models.weights import drawn, fill, taken_from

PUBLISHED: dict[str, Callable[..., Any]] = {
    "vgg16": keras.applications.VGG16,
    "resnet50": keras.applications.ResNet50,
    "inceptionv3": keras.applications.InceptionV3,
    "xception": keras.applications.Xception,
    "densenet121": keras.applications.DenseNet121,
}
PREPARED: dict[str, Any] = {
    "vgg16": keras.applications.vgg16,
    "resnet50": keras.applications.resnet,
    "inceptionv3": keras.applications.inception_v3,
    "xception": keras.applications.xception,
    "densenet121": keras.applications.densenet,
}


def unlike(model: Any, seed: int = 3) -> Any:
    """Give a model's normalisations figures of their own: fresh ones would hide a mistake in folding."""
    rng = np.random.Generator(np.random.PCG64(seed))
    ranges = {"gamma": (0.8, 1.2), "moving_variance": (0.5, 1.5), "beta": (-0.2, 0.2), "moving_mean": (-0.2, 0.2)}
    for layer in model.layers:
        for variable in layer.weights:
            if variable.name in ranges:
                variable.assign(rng.uniform(*ranges[variable.name], variable.shape))
    return model


def side_of(name: str) -> int:
    return max(64, FAMILIES[name].smallest)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_trunk_gives_the_numbers_of_the_published_model(name: str):
    side = side_of(name)
    theirs = unlike(PUBLISHED[name](weights=None, include_top=False, input_shape=(side, side, 3), pooling="avg"))
    weights, used = convert(layers_of(theirs), FAMILIES[name])
    architecture = architecture_named(name)
    ours = architecture.build(side)
    fill(ours, weights)
    gray = np.random.Generator(np.random.PCG64(1)).uniform(0, 255, (2, side, side, 1)).astype(np.float32)

    given = np.asarray(ours((gray - architecture.gray_mean) / architecture.gray_scale, training=False))

    expected = np.asarray(theirs(PREPARED[name].preprocess_input(np.repeat(gray, 3, axis=3)), training=False))
    assert expected.std() > 0
    assert np.abs(given - expected).max() < 1e-3 * np.abs(expected).max()
    assert used == layers_of(theirs).keys()


@pytest.mark.parametrize("name", FAMILIES)
def test_front_and_rear_together_are_the_trunk(name: str):
    side, architecture = side_of(name), architecture_named(name)
    trunk = architecture.build(side)
    weights = drawn(trunk, 1)
    cut = architecture.blocks // 2
    front, rear = architecture.build_front(side, cut), architecture.build_rear(side, cut)
    for part in (trunk, front, rear):
        fill(part, weights)
    data = np.random.Generator(np.random.PCG64(2)).uniform(-1, 1, (1, side, side, 1)).astype(np.float32)

    joined = np.asarray(rear(front(data)))

    expected = np.asarray(trunk(data))
    assert joined.shape[1] == trunk.output_shape[-1]
    assert np.abs(joined - expected).max() <= 1e-4 * np.abs(expected).max()
    assert taken_from(front).keys() | taken_from(rear).keys() == weights.keys()


@pytest.mark.parametrize(
    ("name", "millions"),
    [("efficientnetlite0", 3.37), ("efficientnetlite1", 4.14), ("efficientnetlite2", 4.81)],
)
def test_the_lite_variants_have_as_many_weights_as_published(name: str, millions: float):
    """Published: 4.7, 5.4 and 6.1 million, of which 1.28 belong to the classifier."""
    count = sum(array.size for array in taken_from(architecture_named(name).build(64)).values())

    assert count / 1e6 == pytest.approx(millions, abs=0.06)


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("vgg16", 512),
        ("vgg16+unit+pool4+dense64", 64),
        ("vgg16+dense256", 256),
        ("vgg16+flatten", 7 * 7 * 512),
        ("resnet50+pool4+dense128", 128),
        ("efficientnetlite0+dense32", 32),
        ("efficientnetlite0+levels15", 192 + 1280),
        ("vgg16+unit+levels2", 256 + 512 + 512),
    ],
)
def test_a_name_says_how_places_are_pooled_which_levels_count_and_if_a_dense_layer_follows(name: str, features: int):
    assert architecture_named(name).build(224).output_shape == (None, features)


def test_levels_are_the_means_of_what_the_blocks_take_and_then_the_mean_of_the_last_map():
    plain, levels = architecture_named("smallcnn").build(64), architecture_named("smallcnn+levels1").build(64)
    front = architecture_named("smallcnn").build_front(64, 1)
    weights = drawn(plain, 1)
    for part in (plain, levels, front):
        fill(part, weights)
    data = np.random.Generator(np.random.PCG64(2)).uniform(0, 1, (2, 64, 64, 1)).astype(np.float32)

    given = np.asarray(levels(data))

    assert np.allclose(given[:, :64], np.asarray(front(data)).mean(axis=(1, 2)), atol=1e-5)
    assert np.allclose(given[:, 64:], np.asarray(plain(data)), atol=1e-5)


def test_levels_tell_from_the_cut_on_what_they_tell_of_the_whole_trunk():
    architecture = architecture_named("efficientnetlite0+levels12")
    trunk, front, rear = (
        architecture.build(64),
        architecture.build_front(64, 12),
        architecture.build_rear(64, 12),
    )
    weights = drawn(trunk, 1)
    for part in (trunk, front, rear):
        fill(part, weights)
    data = np.random.Generator(np.random.PCG64(2)).uniform(-1, 1, (1, 64, 64, 1)).astype(np.float32)

    assert np.allclose(np.asarray(rear(front(data))), np.asarray(trunk(data)), atol=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        "vgg99",
        "",
        "vgg16+dense0",
        "vgg16+dense64+pool4",
        "vgg16+lambda",
        "VGG16",
        "vgg16+levels0",
        "vgg16+levels4",
        "vgg16+levels2+dense64",
    ],
)
def test_a_name_outside_the_grammar_is_refused(name: str):
    with pytest.raises(BundleError) as refused:
        architecture_named(name)

    assert refused.value.code == "architecture_unknown"


def test_a_side_of_which_nothing_would_be_left_is_refused():
    with pytest.raises(BundleError, match="75") as refused:
        refuse_side(architecture_named("inceptionv3"), 64)

    assert refused.value.code == "side_too_small"


def test_scaling_to_0_to_1_repeats_the_plane_unchanged():
    described = architecture_named("vgg16+unit").preprocessing(224)

    assert "gray / 255, repeated in three channels" in described
    assert architecture_named("efficientnetlite0").preprocessing(224).endswith("(gray - 127) / 128, one channel.")


def test_drawn_weights_are_the_same_for_a_seed_and_others_for_another():
    trunk = architecture_named("smallcnn").build(64)

    first, second, other = drawn(trunk, 1), drawn(trunk, 1), drawn(trunk, 2)

    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["conv0/kernel"], other["conv0/kernel"])


def test_a_file_of_another_architecture_is_told_which_layer_is_missing():
    with pytest.raises(BundleError, match="block1_conv1") as refused:
        convert({}, FAMILIES["vgg16"])

    assert refused.value.code == "weights_do_not_fit"
