import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.training.data import DataError, Example, choose, read_manifest, refuse_patients_on_both_sides
from ml.training.finetune import balanced_order
from ml.training.splits import balance, grouped_folds, refuse_torn_patients

COLUMNS = ["path", "sha256", "modality", "label", "source", "patient", "split", "width", "height"]


def example(number: int = 0, **changes: object) -> Example:
    plain = Example(
        path=Path(f"{number}.jpg"),
        sha256=f"{number:012x}".ljust(64, "0"),
        modality="xray",
        label="covid",
        source="a",
        patient=f"p{number}",
        split="train",
        width=300,
        height=300,
    )
    return replace(plain, **changes)


def crowd(count: int = 120) -> list[Example]:
    """Two labels in two sources; every third patient has two pictures."""
    return [
        example(
            number,
            label="covid" if number % 3 == 0 else "normal",
            source="a" if number % 2 else "b",
            patient=f"p{number - (number % 3 == 2)}",
        )
        for number in range(count)
    ]


def write_manifest(folder: Path, examples: list[Example]) -> None:
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({name: getattr(one, name) for name in COLUMNS} for one in examples)


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path):
    write_manifest(tmp_path, [example(1, width=384, height=217)])

    [read] = read_manifest(tmp_path)

    assert read == example(1, width=384, height=217, path=tmp_path / "1.jpg")


def test_a_patient_on_both_sides_of_a_split_is_refused(tmp_path: Path):
    write_manifest(tmp_path, [example(1, patient="p"), example(2, patient="p", split="val")])

    with pytest.raises(DataError, match=r"1 patient\(s\)") as refused:
        read_manifest(tmp_path)

    assert refused.value.code == "patient_in_two_splits"


def test_the_refusal_names_no_patient():
    torn = [example(1, patient="Mustermann"), example(2, patient="Mustermann", split="val")]

    with pytest.raises(DataError) as refused:
        refuse_patients_on_both_sides(torn)

    assert "Mustermann" not in str(refused.value)


def test_samples_may_repeat_a_patient():
    refuse_patients_on_both_sides([example(1, patient="p"), example(2, patient="p", split="sample")])


@pytest.mark.parametrize("content", ["", "path,label\na,b\n"])
def test_a_manifest_without_its_columns_is_refused(tmp_path: Path, content: str):
    (tmp_path / "manifest.csv").write_text(content + "x\n")

    with pytest.raises(DataError) as refused:
        read_manifest(tmp_path)

    assert refused.value.code == "manifest_unreadable"


def test_choosing_nothing_is_refused():
    with pytest.raises(DataError) as refused:
        choose([example(1)], modality="ct", split="train", labels=("covid",))

    assert refused.value.code == "no_examples"


def test_the_order_of_the_manifest_does_not_matter():
    examples = crowd(30)

    chosen = choose(examples, modality="xray", split="train", labels=("covid", "normal"))

    assert chosen == choose(examples[::-1], modality="xray", split="train", labels=("covid", "normal"))


def test_folds_hold_whole_patients_and_every_label_and_source():
    examples = crowd()

    fold = grouped_folds(examples, 5, seed=1)

    for number in range(5):
        held = {examples[place].patient for place in np.flatnonzero(fold == number)}
        rest = {examples[place].patient for place in np.flatnonzero(fold != number)}
        assert not held & rest
        strata = {(examples[place].label, examples[place].source) for place in np.flatnonzero(fold == number)}
        assert len(strata) == 4


def test_folds_that_tear_a_patient_are_refused():
    with pytest.raises(DataError) as refused:
        refuse_torn_patients([example(1, patient="p"), example(2, patient="p")], np.array([0, 1]))

    assert refused.value.code == "patient_in_two_folds"


@pytest.mark.parametrize("by", ["label", "source"])
def test_weights_give_every_label_the_same_sum(by: str):
    examples = crowd()

    weights = balance(examples, by)

    sums = [weights[[one.label == label for one in examples]].sum() for label in ("covid", "normal")]
    assert sums[0] == pytest.approx(sums[1])
    assert weights.mean() == pytest.approx(1.0)


def test_weights_by_source_are_equal_within_a_label_too():
    examples = [example(n, source="small" if n < 5 else "large") for n in range(50)] + [
        example(n, label="normal") for n in range(50, 60)
    ]

    weights = balance(examples, "source")

    assert weights[:5].sum() == pytest.approx(weights[5:50].sum())


def test_a_batch_holds_every_source_and_label_equally_often():
    examples = [example(n, source="small" if n < 10 else "large", label="covid") for n in range(100)]
    examples += [example(n, source="large", label="normal") for n in range(100, 200)]

    order = balanced_order(examples, 90, np.random.Generator(np.random.PCG64(0)))

    cells = [(examples[place].source, examples[place].label) for place in order]
    assert len(order) == 90
    assert all(len(set(cells[start : start + 3])) == 3 for start in range(0, 90, 3))


def test_no_picture_comes_again_before_all_others_of_its_kind():
    examples = [example(n) for n in range(10)] + [example(n, label="normal") for n in range(10, 40)]

    order = balanced_order(examples, 60, np.random.Generator(np.random.PCG64(0)))

    assert sorted(order[order >= 10]) == list(range(10, 40))
    assert np.bincount(order[order < 10]).tolist() == [3] * 10
