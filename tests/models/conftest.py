"""The shipped bundles, each loaded once per session: opening a graph takes seconds."""

from pathlib import Path
from shutil import copytree

import pytest

from ml.inference import Scorer, load_scorer
from ml.models.bundle import list_bundles
from tests.shipped import MODELS, bundle_of

BUNDLES = list_bundles(MODELS)


@pytest.fixture(scope="session")
def xray_folder() -> Path:
    return bundle_of("xray-covid-3class")


@pytest.fixture(scope="session")
def scorer(xray_folder: Path) -> Scorer:
    return load_scorer(xray_folder)


@pytest.fixture
def copied(xray_folder: Path, tmp_path: Path) -> Path:
    """A copy of a shipped bundle, to be damaged."""
    return copytree(xray_folder, tmp_path / "bundle")
