"""The layout of covid-chestxray-dataset, on drawn pictures."""

import csv
from datetime import date
from pathlib import Path

import pytest

from ml.training.data import DataError
from ml.training.layouts.dates import period
from ml.training.layouts.metadata import MetadataLayout
from tests.training.test_folders import draw

COLUMNS = [
    "patientid",
    "offset",
    "sex",
    "age",
    "finding",
    "survival",
    "modality",
    "view",
    "date",
    "location",
    "folder",
    "filename",
]
LABELS = ("covid", "pneumonia", "normal")
COVID, VIRAL, BACTERIAL = "Pneumonia/Viral/COVID-19", "Pneumonia/Viral/Influenza", "Pneumonia/Bacterial"
FINDINGS = {"covid": [COVID], "pneumonia": ["Pneumonia"], "normal": ["No Finding"]}
PLAIN = MetadataLayout(findings=FINDINGS, views=["PA", "AP"])


def row(patient: int, finding: str = COVID, **changes: str) -> dict[str, str]:
    plain = {"patientid": str(patient), "finding": finding, "modality": "X-ray", "view": "PA", "date": "2020"}
    return plain | {"folder": "images"} | changes


def write(root: Path, rows: list[dict[str, str]]) -> Path:
    with (root / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for number, one in enumerate(rows):
            writer.writerow({"filename": f"{number}.png"} | one)
            draw(root / "images" / f"{number}.png", number)
    return root


def read(root: Path, layout: MetadataLayout = PLAIN) -> dict[str, tuple[str, str]]:
    return {one.path.name: (one.label, one.split) for one in layout.read(root, "xray", LABELS).examples}


def refused(root: Path, layout: MetadataLayout = PLAIN) -> str:
    with pytest.raises(DataError) as refusal:
        layout.read(root, "xray", LABELS)
    return refusal.value.code


def until(day: date) -> MetadataLayout:
    return MetadataLayout(findings=FINDINGS, views=["PA"], held_out_after=day)


def test_the_most_particular_finding_decides(tmp_path: Path):
    write(tmp_path, [row(1), row(2, VIRAL), row(3, BACTERIAL), row(4, "No Finding"), row(5, "Tuberculosis")])

    assert [label for label, _ in read(tmp_path).values()] == ["covid", "pneumonia", "pneumonia", "normal"]


def test_a_finding_is_matched_by_whole_words_of_its_path(tmp_path: Path):
    write(tmp_path, [row(1, "Pneumonia/Viral/COVID-19-like"), row(2, "Pneumoniae")])

    assert read(tmp_path) == {"0.png": ("pneumonia", "train")}


def test_what_the_filters_leave_out_is_counted(tmp_path: Path):
    rows = [row(1), row(2, modality="CT"), row(3, view="L"), row(4, "todo"), row(5, filename="volume.nii.gz")]
    write(tmp_path, rows)

    collection = PLAIN.read(tmp_path, "xray", LABELS)

    assert len(collection.examples) == 1
    assert collection.left_out == {"other modality": 1, "other view": 1, "other finding": 1, "no PNG or JPEG": 1}
    assert collection.told()["grouping"] == "by patient"


def test_view_finding_and_patient_stand_on_the_example(tmp_path: Path):
    write(tmp_path, [row(7, view="AP")])

    [one] = PLAIN.read(tmp_path, "xray", LABELS).examples

    assert (one.view, one.sublabel, one.patient, one.source) == ("AP", COVID, "metadata/7", "metadata")


def test_pictures_after_the_date_are_held_out(tmp_path: Path):
    dates = ["March 30, 2020", "March 31, 2020", "April 1, 2020", "2017", "Mar 2020", "April 2020"]
    write(tmp_path, [row(number, date=text) for number, text in enumerate(dates)])

    sides = [side for _, side in read(tmp_path, until(date(2020, 3, 31))).values()]

    assert sides == ["train", "train", "val", "train", "train", "val"]


def test_a_patient_with_a_picture_after_the_date_is_held_out_whole(tmp_path: Path):
    write(tmp_path, [row(1, date="2020-01-05"), row(1, date="2020-06-01"), row(1, date=""), row(2, date="2020-01-05")])

    assert [side for _, side in read(tmp_path, until(date(2020, 3, 31))).values()] == ["val", "val", "val", "train"]


def test_a_picture_that_may_lie_on_either_side_is_left_out_and_counted(tmp_path: Path):
    write(tmp_path, [row(1, date="2020"), row(2, date=""), row(3, date="3/4/2020"), row(4, date="2019")])

    collection = until(date(2020, 3, 31)).read(tmp_path, "xray", LABELS)

    assert [one.patient for one in collection.examples] == ["metadata/4"]
    assert collection.left_out == {"date not told to lie on one side": 3}


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2020-02-09", date(2020, 2, 9), date(2020, 2, 9)),
        ("2020-02-09T10:00", date(2020, 2, 9), date(2020, 2, 9)),
        ("2020-02", date(2020, 2, 1), date(2020, 2, 29)),
        ("January 22, 2020", date(2020, 1, 22), date(2020, 1, 22)),
        ("9 Feb 2020", date(2020, 2, 9), date(2020, 2, 9)),
        ("2014", date(2014, 1, 1), date(2014, 12, 31)),
    ],
)
def test_a_date_means_its_first_to_its_last_day(text: str, first: date, last: date):
    assert period(text) == (first, last)


@pytest.mark.parametrize("text", ["", "03/04/2020", "Foo 3, 2020", "2020-13-01", "2020-02-31", "soon", "0000"])
def test_a_date_that_cannot_be_told_is_none(text: str):
    assert period(text) is None


def test_malformed_metadata_are_refused_each_with_its_code(tmp_path: Path):
    assert refused(tmp_path) == "metadata_unreadable"

    (tmp_path / "metadata.csv").write_text("patientid,finding\n1,x\n")
    assert refused(tmp_path) == "metadata_unreadable"

    (tmp_path / "metadata.csv").write_bytes(b"\xff\xfe\x00")
    assert refused(tmp_path) == "metadata_unreadable"

    write(tmp_path, [row(1) | {"patientid": ""}])
    assert refused(tmp_path) == "patient_missing"

    write(tmp_path, [row(1, filename="../../outside.png")])
    assert refused(tmp_path) == "path_outside"


def test_names_of_columns_may_be_written_large_and_rows_may_be_short(tmp_path: Path):
    draw(tmp_path / "images" / "0.png", 0)
    text = "Patientid, Finding,modality,view,folder,filename,date,notes\n1,COVID-19,X-ray,PA,images,0.png\n\n"
    (tmp_path / "metadata.csv").write_text(text)

    assert read(tmp_path, MetadataLayout(findings={"covid": ["COVID-19"]}, views=["PA"])) == {
        "0.png": ("covid", "train")
    }


def test_a_table_whose_quotes_do_not_close_is_refused(tmp_path: Path):
    write(tmp_path, [row(1), row(2)])
    text = (tmp_path / "metadata.csv").read_text()

    (tmp_path / "metadata.csv").write_text(text.replace("2,", '"2,'))

    assert refused(tmp_path) == "metadata_unreadable"


def test_missing_files_are_refused_unless_asked_for(tmp_path: Path):
    write(tmp_path, [row(1), row(2, filename="away.png")])
    allowing = MetadataLayout(findings=FINDINGS, views=["PA"], allow_missing=True)

    assert refused(tmp_path) == "pictures_missing"
    assert allowing.read(tmp_path, "xray", LABELS).left_out == {"file not there": 1}


def test_one_picture_of_two_patients_is_refused(tmp_path: Path):
    write(tmp_path, [row(1), row(2, filename="0.png")])

    assert refused(tmp_path) == "picture_of_two_patients"
