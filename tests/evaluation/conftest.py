from pathlib import Path

import pytest

from tests.shipped import bundle_of


@pytest.fixture(scope="session")
def xray_folder() -> Path:
    return bundle_of("xray-covid-3class")
