"""The shipped bundles, each loaded once per session: opening a graph takes seconds."""

from pathlib import Path
from shutil import copytree

import pytest

from ml.inference import Scorer, load_scorer
from ml.models.bundle import list_bundles
from tests.shipped import MODELS, bundle_of, whole_copy

BUNDLES = list_bundles(MODELS)


@pytest.fixture(scope="session")
def xray_folder() -> Path:
    return bundle_of("xray-covid-3class")


@pytest.fixture(scope="session")
def scorer(xray_folder: Path) -> Scorer:
    return load_scorer(xray_folder)


@pytest.fixture(scope="session")
def whole_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shipped bundle that shares its trunk with none."""
    return whole_copy("xray-covid-3class", tmp_path_factory.mktemp("whole") / "bundle")


@pytest.fixture
def copied(whole_folder: Path, tmp_path: Path) -> Path:
    """A copy of a shipped bundle, to be damaged."""
    return copytree(whole_folder, tmp_path / "bundle")
