"""What a configuration may say, and what is refused."""

from datetime import date
from pathlib import Path

import pytest

from ml.training.config import read_training
from ml.training.data import DataError
from ml.training.layouts.folders import FolderLayout
from ml.training.layouts.layout import ManifestLayout, layout_told, read_layout
from ml.training.layouts.metadata import MetadataLayout
from tests.environment import ROOT

CONFIG = ROOT / "ml" / "training" / "configs" / "xray-covid-normal.toml"
FOLDERS = '[data]\nlayout = "folders"\nheld_out = 0.2\npatient_pattern = "^(p[0-9]+)_"\n'
METADATA = """[data]
layout = "metadata"
views = ["PA", "AP"]
held_out_after = 2020-04-01
[data.findings]
covid = ["Pneumonia/Viral/COVID-19"]
normal = ["No Finding"]
"""


def written(folder: Path, more: str) -> Path:
    path = folder / "training.toml"
    path.write_text(CONFIG.read_text() + more)
    return path


def test_without_a_data_part_a_manifest_is_read():
    assert read_training(CONFIG).data == ManifestLayout()


def test_layouts_are_read_as_written(tmp_path: Path):
    assert read_training(written(tmp_path, FOLDERS)).data == FolderLayout(held_out=0.2, patient_pattern="^(p[0-9]+)_")

    layout = read_training(written(tmp_path, METADATA)).data

    assert isinstance(layout, MetadataLayout)
    assert layout.held_out_after == date(2020, 4, 1)


@pytest.mark.parametrize("part", ["", FOLDERS, METADATA])
def test_what_the_card_keeps_of_a_layout_is_read_back(tmp_path: Path, part: str):
    layout = read_training(written(tmp_path, part)).data

    assert read_layout(layout_told(layout)) == layout


@pytest.mark.parametrize(
    "part",
    [
        '[data]\nlayout = "zip"\n',
        '[data]\nlayout = "folders"\nviews = ["PA"]\n',
        '[data]\nlayout = "folders"\npatient_pattern = "no group"\n',
        '[data]\nlayout = "folders"\npatient_pattern = "("\n',
        '[data]\nlayout = "folders"\nheld_out = 0.9\n',
        '[data]\nlayout = "metadata"\nviews = ["PA"]\n',
        '[data]\nlayout = "metadata"\nviews = ["PA"]\n[data.findings]\n',
        METADATA.replace('["PA", "AP"]', '"PA"'),
        METADATA.replace('["No Finding"]', '"No Finding"'),
        METADATA.replace("No Finding", "Pneumonia/Viral/COVID-19"),
        METADATA.replace("2020-04-01", "2020-04-01T10:00:00"),
        METADATA.replace("2020-04-01", '"April"'),
    ],
)
def test_a_malformed_data_part_is_refused_with_its_code(tmp_path: Path, part: str):
    with pytest.raises(DataError) as refused:
        read_training(written(tmp_path, part))

    assert refused.value.code == "config_unreadable"


@pytest.mark.parametrize("path", sorted(CONFIG.parent.rglob("*.toml")), ids=lambda path: path.stem)
def test_every_configuration_of_the_project_can_be_read(path: Path):
    training = read_training(path)

    assert set(training.flag_labels) <= set(training.labels)
    assert len(training.limits) > 0
