from pathlib import Path

import pytest

from tests.environment import ROOT


@pytest.fixture(scope="session")
def xray_folder() -> Path:
    return ROOT / "models" / "xray-covid-3class" / "1.0.0"
