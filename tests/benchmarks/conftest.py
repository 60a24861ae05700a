"""SECONDS=600 make bench: no figure is begun after so many seconds, and each that is left out is named."""

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from tests.shipped import MODELS, bundle_of, twin

BEGUN = time.monotonic()
SHIPPED = ("xray-covid-3class", "xray-covid-normal", "xray-covid-pneumonia")
FOURTH = "xray-again"  # a copy of the first


@pytest.fixture(autouse=True)
def within_the_seconds(request: pytest.FixtureRequest) -> None:
    bound = os.environ.get("SECONDS")
    if bound and time.monotonic() - BEGUN > float(bound):
        sys.stdout.write(json.dumps({"left_out": request.node.name, "because": f"SECONDS={bound}"}) + "\n")
        pytest.skip(f"{bound} seconds are over")


@pytest.fixture
def four_models(tmp_path: Path, settings: Any) -> list[Path]:
    """Give the shipped radiograph models and a copy of the first, in a folder of models of their own."""
    root = tmp_path / "models"
    copytree(MODELS, root)
    settings.CONFIG = replace(settings.CONFIG, model_root=root)
    own = [root / slug / bundle_of(slug).name for slug in SHIPPED]
    return [*own, twin(SHIPPED[0], root, FOURTH)]
