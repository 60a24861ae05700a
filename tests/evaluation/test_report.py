"""One reading leaves a card, a JSON file and a page that opens without network."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from shutil import copytree

import pytest

from ml.cli import main
from ml.evaluation.evaluate import evaluate
from ml.evaluation.page import leaves
from ml.evaluation.plots import confusion
from ml.models.bundle import read_card
from ml.vocabulary import DISCLAIMER
from tests.evaluation.drawn import corner, draw, small, trained

OUTSIDE = re.compile(r"https?:|//[a-z]|<script|<link|<img|@import|url\(", re.IGNORECASE)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    draw(folder, corner)
    return folder


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    trained(small(input_side=64), data, out)
    return out / "bundle"


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    """A bundle of which no split was read."""
    return copytree(made, tmp_path / "bundle")


class Balanced(HTMLParser):
    """Counts tags that are open: a page is whole if none is at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in {"meta", "line", "rect", "circle", "polyline"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"line", "rect", "circle", "polyline"}:
            assert self.open.pop() == tag


def test_one_reading_leaves_json_and_a_page_that_needs_nothing_from_outside(bundle: Path, data: Path, tmp_path: Path):
    command = ["evaluate", str(bundle), "--data", str(data), "--split", "val", "--out", str(tmp_path / "out")]

    assert main(command) == 0

    document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert document["readings"] == read_card(bundle).evaluations["val"] == 1
    assert len(document["rows"]) == 24
    assert document["figures"] == json.loads((bundle / "card.json").read_text())["metrics"]["val"]
    assert set(document["curves"]["roc"]) == {"covid", "normal"}
    assert (document["disclaimer"], page.count(DISCLAIMER)) == (DISCLAIMER, 2)
    assert not OUTSIDE.search(page)
    assert page.count("<svg") == 5
    whole = Balanced()
    whole.feed(page)
    assert whole.open == []


def test_the_figures_that_were_promised_are_all_told(bundle: Path, data: Path):
    told = evaluate(bundle, data, "val").metrics["val"]

    assert {"accuracy", "balanced_accuracy", "auc", "average_precision", "confusion", "calibration"} <= set(told)
    assert set(told["by_label"]["covid"]) == {"sensitivity", "specificity", "precision", "f1"}
    assert len(told["calibration"]["covid"]["bins"]) == 5
    assert set(told["sources"]) == {"a", "b"}
    assert set(told["views"]) == {"unknown, covid", "unknown, normal"}
    assert set(told["false_flags"]["covid"]["flagged"]) == {"a, normal", "b, normal"}
    assert told["auc"]["covid"]["low"] <= told["auc"]["covid"]["value"] <= told["auc"]["covid"]["high"]


def test_the_report_names_no_patient(bundle: Path, data: Path, tmp_path: Path):
    main(["evaluate", str(bundle), "--data", str(data), "--split", "val", "--out", str(tmp_path / "out")])

    for name in ("evaluation.json", "evaluation.html"):
        assert not re.search(r'"patient"|\bp4[0-9]\b', (tmp_path / "out" / name).read_text())


def test_a_comparison_counts_as_a_reading_of_both(bundle: Path, made: Path, data: Path, tmp_path: Path):
    other = copytree(made, tmp_path / "other")
    command = ["evaluate", str(bundle), "--data", str(data), "--split", "val", "--out", str(tmp_path / "out")]

    assert main([*command, "--against", str(other)]) == 0

    told = json.loads((tmp_path / "out" / "evaluation.json").read_text())["against"]
    assert told["auc_covid"] == {"value": 0.0, "low": 0.0, "high": 0.0, "excludes_zero": False}
    assert read_card(bundle).evaluations["val"] == read_card(other).evaluations["val"] == 1
    assert read_card(bundle).metrics["val"]["against"] == told
    assert "against" not in read_card(other).metrics["val"]
    assert f"Less {read_card(other).name}" in (tmp_path / "out" / "evaluation.html").read_text()


def test_a_comparison_with_a_model_that_was_read_before_reads_and_counts_nothing(
    bundle: Path, made: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    other = copytree(made, tmp_path / "other")
    evaluate(other, data, "val")
    command = ["evaluate", str(bundle), "--data", str(data), "--split", "val", "--out", str(tmp_path / "out")]

    assert main([*command, "--against", str(other)]) == 1

    assert capsys.readouterr().err.splitlines()[-1].startswith("read_before: ")
    assert read_card(bundle).evaluations["val"] == 0
    assert read_card(other).evaluations["val"] == 1
    assert not (tmp_path / "out").exists()


def test_models_that_answer_different_questions_are_not_compared(
    bundle: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], xray_folder: Path
):
    other = copytree(xray_folder, tmp_path / "three")
    options = ["--data", str(data), "--split", "val", "--out", str(tmp_path / "out"), "--again"]

    assert main(["evaluate", str(bundle), "--against", str(other), *options]) == 1

    assert capsys.readouterr().err.splitlines()[-1].startswith("labels_differ: ")
    assert read_card(bundle).evaluations["val"] == 0


def test_training_pictures_are_refused(bundle: Path, data: Path, capsys: pytest.CaptureFixture[str]):
    before = (bundle / "card.json").read_text()

    assert main(["evaluate", str(bundle), "--data", str(data), "--split", "train"]) == 1

    assert capsys.readouterr().err.splitlines()[-1].startswith("training_pictures: ")
    assert (bundle / "card.json").read_text() == before


def test_a_figure_is_written_with_its_interval_and_its_number():
    told = {"auc": {"covid": {"value": 0.9, "low": 0.8, "high": 0.95}}, "share": {"value": 0.5, "n": 4}, "left": None}

    assert list(leaves(told)) == [("auc / covid", "0.900 (0.800 to 0.950)"), ("share", "0.500, n = 4")]


def test_what_a_plot_shows_is_escaped():
    assert "<script" not in confusion("<script>", {"<script>": {"<script>": 1}})
