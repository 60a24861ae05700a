"""Folders of its own for a test that stores bytes."""

from pathlib import Path

import pytest


@pytest.fixture
def stores(tmp_path: Path, settings) -> Path:
    """Give an empty folder that holds incoming/, blobs/ and keys/ for this test alone."""
    settings.INCOMING_ROOT = tmp_path / "incoming"
    settings.BLOB_ROOT = tmp_path / "blobs"
    settings.KEY_ROOT = tmp_path / "keys"
    settings.INCOMING_ROOT.mkdir(mode=0o700)
    return tmp_path


def incoming(stores: Path) -> list[Path]:
    """Give what lies under incoming/."""
    return sorted((stores / "incoming").iterdir())
