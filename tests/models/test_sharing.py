"""One trunk, several heads: computed once per plane, one file, each head a model of its own."""

import gc
import json
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest

from ml.cli import main
from ml.models import frozen, shipping
from ml.models import weights as w
from ml.models.bundle import TRUNK_FILE, WEIGHTS_FILE, file_sha256, list_bundles, load_bundle, read_card
from ml.models.card import BundleError, model_hash, parse_card
from ml.models.reference import reference_planes
from ml.models.runtime import open_runtime
from ml.models.sharing import SharedTrunk, Trunks
from ml.vocabulary import Modality


class Counting:
    """A trunk that gives each plane its first number, and says how many planes it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, planes: Any) -> Any:
        self.asked.append(len(planes))
        return planes[:, 0, :2].astype(np.float32)


class User:
    """Stands for a model."""


def planes(*values: int) -> Any:
    return np.stack([np.full((4, 4), value, np.uint8) for value in values])


def test_the_second_model_finds_what_the_first_had_computed():
    compute, users = Counting(), [User(), User()]
    trunk = SharedTrunk(compute, 2)
    trunk.users.update(users)

    trunk.features(planes(1, 2, 3))
    again = trunk.features(planes(3, 4, 1))

    assert compute.asked == [3, 1]
    assert again[:, 0].tolist() == [3.0, 4.0, 1.0]


def test_a_lone_model_is_asked_every_time_and_nothing_is_remembered():
    compute, user = Counting(), User()
    trunk = SharedTrunk(compute, 2)
    trunk.users.add(user)

    trunk.features(planes(1))
    trunk.features(planes(1))

    assert compute.asked == [1, 1]


def test_the_same_plane_twice_in_a_batch_gets_the_same_features():
    trunk, users = SharedTrunk(Counting(), 2), [User(), User()]
    trunk.users.update(users)

    assert trunk.features(planes(5, 5, 6))[:, 0].tolist() == [5.0, 5.0, 6.0]


def test_no_more_than_the_latest_planes_are_remembered():
    compute, users = Counting(), [User(), User()]
    trunk = SharedTrunk(compute, 2, remembered=2)
    trunk.users.update(users)

    trunk.features(planes(1, 2, 3))
    trunk.features(planes(2, 3))
    trunk.features(planes(1))

    assert compute.asked == [3, 1]


def test_a_trunk_that_fails_leaves_nothing_behind():
    trunk, users = SharedTrunk(lambda _: 1 / 0, 2), [User(), User()]
    trunk.users.update(users)

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            trunk.features(planes(1))


def test_a_trunk_that_no_model_uses_is_let_go():
    trunks, loaded, user = Trunks(), [], User()

    def load() -> Any:
        loaded.append(1)
        return Counting(), 2

    kept = trunks.get("a", load, user)
    assert trunks.get("a", load, User()) is kept
    del kept
    gc.collect()
    trunks.get("a", load, User())

    assert len(loaded) == 2


def split(folder: Path, **changes: Any) -> Path:
    """Give the trunk of a copied bundle a file of its own, and its card a hash that fits."""
    weights = w.read_weights(folder / WEIGHTS_FILE)
    rest = {name: array for name, array in weights.items() if not name.startswith(w.TRUNK)}
    w.write_weights(folder / WEIGHTS_FILE, {}, rest)
    w.write_weights(folder / TRUNK_FILE, w.trunk_of(weights), {})
    files = {name: file_sha256(folder / name) for name in (WEIGHTS_FILE, TRUNK_FILE)}
    document = json.loads((folder / "card.json").read_text()) | {"files": files} | changes
    document["model_sha256"] = model_hash(document)
    (folder / "card.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="module")
def shipped(whole_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bundles of one trunk, shipped to one root."""
    root = tmp_path_factory.mktemp("shipped")
    for slug in ("one", "two"):
        run = copytree(whole_folder, tmp_path_factory.mktemp("run") / "bundle")
        shipping.ship(split(run, slug=slug), root)
    return root


def test_two_models_of_one_trunk_keep_it_in_one_file(shipped: Path):
    trunks = list((shipped / "trunks").iterdir())

    assert len(trunks) == 1
    assert trunks[0].name == f"{file_sha256(trunks[0])}.safetensors"
    for folder in list_bundles(shipped):
        assert sorted(path.name for path in folder.iterdir()) == ["card.json", WEIGHTS_FILE]
        assert (folder / WEIGHTS_FILE).stat().st_size < 800_000


def test_each_head_is_a_model_of_its_own(shipped: Path):
    cards = [read_card(folder) for folder in list_bundles(shipped)]

    assert [card.slug for card in cards] == ["one", "two"]
    assert len({card.model_sha256 for card in cards}) == 2
    assert len({card.files[TRUNK_FILE] for card in cards}) == 1


def test_heads_of_one_trunk_share_it_in_memory_with_the_bundle_that_holds_it_whole(shipped: Path, whole_folder: Path):
    one, two = (open_runtime(load_bundle(folder)) for folder in list_bundles(shipped))
    whole = open_runtime(load_bundle(whole_folder))
    drawn = reference_planes((1, 2, 3), Modality.XRAY)

    assert isinstance(one, frozen.FrozenGraph)
    assert one._trunk is two._trunk is whole._trunk
    np.testing.assert_array_equal(one.run(drawn).scores, whole.run(drawn).scores)


def test_a_bundle_holds_its_trunk_beside_the_card_until_it_is_shipped(whole_folder: Path, tmp_path: Path):
    run = split(copytree(whole_folder, tmp_path / "bundle"))

    assert load_bundle(run).trunk == run / TRUNK_FILE


def test_a_trunk_that_was_changed_or_is_gone_is_refused_by_every_model_on_it(shipped: Path, tmp_path: Path):
    root = copytree(shipped, tmp_path / "root")
    [trunk] = (root / "trunks").iterdir()
    data = bytearray(trunk.read_bytes())
    data[-1] ^= 1
    for code, act in (("file_changed", lambda: trunk.write_bytes(data)), ("file_missing", trunk.unlink)):
        act()
        for folder in list_bundles(root):
            with pytest.raises(BundleError) as refused:
                load_bundle(folder)
            assert refused.value.code == code


def test_shipping_again_changes_nothing_and_another_model_of_the_name_is_refused(
    shipped: Path, whole_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    same = split(copytree(whole_folder, tmp_path / "same"), slug="one")
    assert main(["ship", str(same), "--out", str(shipped)]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == f"one@{read_card(same).version}"

    other = split(copytree(whole_folder, tmp_path / "other"), slug="one", input_side=224)
    assert main(["ship", str(other), "--out", str(shipped)]) == 1
    assert "shipped_before" in capsys.readouterr().err


def test_a_card_says_only_of_a_model_that_is_no_default_that_it_is_none(xray_folder: Path):
    text = (xray_folder / "card.json").read_text()
    other = json.dumps(json.loads(text) | {"default": False})

    assert parse_card(text).default
    assert "default" not in parse_card(text).as_json()
    assert parse_card(other).as_json()["default"] is False
    assert parse_card(other).model_sha256 == parse_card(text).model_sha256
    with pytest.raises(BundleError, match="default is true or false"):
        parse_card(json.dumps(json.loads(text) | {"default": "no"}))
