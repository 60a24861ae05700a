"""A folder per class, on drawn pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.training.data import DataError
from ml.training.layouts.collection import NO_PATIENT_KNOWN
from ml.training.layouts.folders import FolderLayout

LABELS = ("covid", "normal")


def draw(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    gray = np.random.Generator(np.random.PCG64(number)).integers(0, 256, (24, 32), np.uint8)
    Image.fromarray(gray).save(path)


def classes(root: Path, names: tuple[str, ...] = ("a_1", "a_2", "b_1", "c_1")) -> None:
    for side, label in enumerate(LABELS):
        for number, name in enumerate(names):
            draw(root / label / f"{label}-{name}.png", 100 * side + number)


def refused(layout: FolderLayout, root: Path) -> str:
    with pytest.raises(DataError) as refusal:
        layout.read(root, "xray", LABELS)
    return refusal.value.code


def test_every_picture_gets_the_label_of_its_folder_and_its_size(tmp_path: Path):
    classes(tmp_path)

    read = FolderLayout(source="ward").read(tmp_path, "xray", LABELS)

    assert [one.label for one in read.examples] == ["covid"] * 4 + ["normal"] * 4
    assert {(one.width, one.height, one.split, one.source) for one in read.examples} == {(32, 24, "train", "ward")}


def test_without_a_pattern_every_file_is_its_own_group_and_that_is_said(tmp_path: Path):
    classes(tmp_path)

    read = FolderLayout().read(tmp_path, "xray", LABELS)

    assert len({one.patient for one in read.examples}) == 8
    assert read.limits == (NO_PATIENT_KNOWN,)
    assert read.told() == {"grouping": "by file: no patient is known", "patients": "unknown"}


def test_a_copy_of_a_file_is_in_the_same_group(tmp_path: Path):
    classes(tmp_path)
    (tmp_path / "covid" / "copy.png").write_bytes((tmp_path / "covid" / "covid-a_1.png").read_bytes())

    read = FolderLayout().read(tmp_path, "xray", LABELS)

    assert len(read.examples) == 9
    assert len({one.patient for one in read.examples}) == 8


@pytest.mark.parametrize("pattern", [r"^(\w+-[a-z])_", r"^(?P<patient>\w+-[a-z])_(\d)"])
def test_a_pattern_takes_the_patient_from_the_name(tmp_path: Path, pattern: str):
    classes(tmp_path)

    read = FolderLayout(patient_pattern=pattern).read(tmp_path, "xray", LABELS)

    assert [one.patient for one in read.examples][:3] == ["folder/covid-a", "folder/covid-a", "folder/covid-b"]
    assert read.limits == ()
    assert read.told() == {"grouping": "by patient"}


def test_a_name_that_the_pattern_does_not_fit_is_refused_without_being_told(tmp_path: Path):
    classes(tmp_path)
    draw(tmp_path / "covid" / "Mustermann.png", 7)

    with pytest.raises(DataError) as refusal:
        FolderLayout(patient_pattern=r"-([a-z])_").read(tmp_path, "xray", LABELS)

    assert refusal.value.code == "patient_pattern_does_not_fit"
    assert "Mustermann" not in str(refusal.value)


def test_folders_of_splits_are_kept(tmp_path: Path):
    classes(tmp_path / "train", ("a_1", "b_1"))
    classes(tmp_path / "val", ("c_1",))
    draw(tmp_path / "val" / "covid" / "covid-c_1.png", 50)
    draw(tmp_path / "val" / "normal" / "normal-c_1.png", 51)

    read = FolderLayout(patient_pattern=r"^(\w+-[a-z])_").read(tmp_path, "xray", LABELS)

    assert sorted((one.split, one.label) for one in read.examples) == [
        ("train", "covid"),
        ("train", "covid"),
        ("train", "normal"),
        ("train", "normal"),
        ("val", "covid"),
        ("val", "normal"),
    ]


def test_a_patient_in_two_folders_of_splits_is_refused(tmp_path: Path):
    classes(tmp_path / "train", ("a_1", "b_1"))
    for number, label in enumerate(LABELS):
        draw(tmp_path / "val" / label / f"{label}-a_9.png", 60 + number)

    assert refused(FolderLayout(patient_pattern=r"^(\w+-[a-z])_"), tmp_path) == "patient_in_two_splits"


def test_a_file_that_stands_in_two_splits_is_refused_without_a_pattern_too(tmp_path: Path):
    classes(tmp_path / "train", ("a_1",))
    classes(tmp_path / "val", ("z_9",))

    assert refused(FolderLayout(), tmp_path) == "patient_in_two_splits"


def test_a_share_is_held_out_patients_whole_and_new_files_move_none(tmp_path: Path):
    classes(tmp_path, tuple(f"{chr(97 + number % 20)}_{number}" for number in range(40)))
    layout = FolderLayout(held_out=0.3, patient_pattern=r"^(\w+-[a-z])_")

    before = {one.path: one for one in layout.read(tmp_path, "xray", LABELS).examples}
    draw(tmp_path / "covid" / "covid-q_77.png", 777)
    after = {one.path: one for one in layout.read(tmp_path, "xray", LABELS).examples}

    held = {one.patient for one in before.values() if one.split == "val"}
    kept = {one.patient for one in before.values() if one.split == "train"}
    assert not held & kept
    assert 0.1 < len(held) / len(held | kept) < 0.5
    assert all(after[path].split == one.split for path, one in before.items())


def test_the_same_picture_under_two_labels_is_refused(tmp_path: Path):
    classes(tmp_path)
    (tmp_path / "normal" / "copy.png").write_bytes((tmp_path / "covid" / "covid-a_1.png").read_bytes())

    assert refused(FolderLayout(), tmp_path) == "picture_with_two_labels"


def test_a_missing_class_folder_is_refused(tmp_path: Path):
    draw(tmp_path / "covid" / "1.png", 1)

    assert refused(FolderLayout(), tmp_path) == "class_folder_missing"


def test_a_folder_may_have_another_name_than_its_label(tmp_path: Path):
    draw(tmp_path / "COVID" / "1.png", 1)
    draw(tmp_path / "No_findings" / "2.png", 2)

    read = FolderLayout(folders={"covid": "COVID", "normal": "No_findings"}).read(tmp_path, "xray", LABELS)

    assert [one.label for one in read.examples] == ["covid", "normal"]


def test_a_damaged_picture_is_refused_and_other_files_are_counted(tmp_path: Path):
    classes(tmp_path)
    (tmp_path / "covid" / "notes.txt").write_text("x")
    (tmp_path / "covid" / ".DS_Store").write_text("x")
    assert FolderLayout().read(tmp_path, "xray", LABELS).left_out == {"no PNG or JPEG": 1}

    (tmp_path / "covid" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")

    assert refused(FolderLayout(), tmp_path) == "picture_unreadable"
