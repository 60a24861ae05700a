"""Where the shipped bundles lie: one version of each model."""

from pathlib import Path

from tests.environment import ROOT

MODELS = ROOT / "models"


def bundle_of(slug: str) -> Path:
    """Give the folder of the one version that is shipped."""
    [folder] = (MODELS / slug).iterdir()
    return folder


def name_of(slug: str) -> str:
    """Give the model's name with its version, such as "ct-covid@1.0.0"."""
    return f"{slug}@{bundle_of(slug).name}"
