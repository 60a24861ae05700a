"""Where the shipped bundles lie: one version of each model."""

import json
from pathlib import Path
from shutil import copytree

from ml.models import weights as w
from ml.models.bundle import WEIGHTS_FILE, file_sha256, load_bundle
from ml.models.card import model_hash
from tests.environment import ROOT

MODELS = ROOT / "models"


def bundle_of(slug: str) -> Path:
    """Give the folder of the one version that is shipped."""
    [folder] = (MODELS / slug).iterdir()
    return folder


def name_of(slug: str) -> str:
    """Give the model's name with its version, such as "ct-covid@1.0.0"."""
    return f"{slug}@{bundle_of(slug).name}"


def twin(slug: str, root: Path, name: str) -> Path:
    """Put a copy of a shipped model under another name into a folder of models: the same work, another version."""
    folder = whole_copy(slug, root / name / "1.0.0")
    card = json.loads((folder / "card.json").read_text()) | {"slug": name, "version": "1.0.0"}
    (folder / "card.json").write_text(json.dumps(card | {"model_sha256": model_hash(card)}))
    return folder


def whole_copy(slug: str, folder: Path) -> Path:
    """Copy a bundle, its trunk within its one file, and a hash that fits: a copy that stands alone."""
    weights = w.read_bundle(load_bundle(bundle_of(slug)))
    rest = {name: array for name, array in weights.items() if not name.startswith(w.TRUNK)}
    copytree(bundle_of(slug), folder)
    w.write_weights(folder / WEIGHTS_FILE, w.trunk_of(weights), rest)
    card = json.loads((folder / "card.json").read_text())
    card["files"] = {WEIGHTS_FILE: file_sha256(folder / WEIGHTS_FILE)}
    (folder / "card.json").write_text(json.dumps(card | {"model_sha256": model_hash(card)}))
    return folder
