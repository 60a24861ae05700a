import pytest

from screening.classes.errors import LabelsUnreadable
from screening.classes.labels import WORDS, LabelRow, Problem, read_labels, spelled
from screening.classes.matching import rows_sent_along
from screening.uploads.models import Reference
from screening.uploads.paths import digest
from tests.classes.taught import Taught, a_class, path_of
from tests.factories import ItemFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def taught() -> Taught:
    return a_class(cases=(("covid", 0.9), ("normal", 0.1), ("normal", 0.2)))


def problems(taught: Taught, *rows: LabelRow) -> list[tuple[int, str]]:
    return [(line, code) for line, code in taught.make(list(rows)).problems]


@pytest.mark.parametrize(
    "text",
    [
        "file,label\na.png,covid\n",
        "file;label\r\na.png;covid\r\n",
        "note\tLabel\tPATH\nx\tcovid\ta.png\n\t\t\n",
        "\ufefffile,label\na.png, covid \n",
    ],
    ids=["commas", "semicolons", "tabs, other columns, an empty line", "a mark of Excel"],
)
def test_a_table_is_read_as_spreadsheets_write_it(text):
    assert read_labels(text.encode()) == [LabelRow(2, "a.png", "covid")]


@pytest.mark.parametrize(
    "content",
    [b"", b"file,label\n", b"a.png,covid\n", b"file\na.png\n", "file,label\nä,covid".encode("cp1252"), b"\xff\xfe"],
    ids=["empty", "no rows", "no heading", "no labels", "not UTF-8", "UTF-16"],
)
def test_what_is_no_table_of_labels_is_refused_with_a_code(content):
    with pytest.raises(LabelsUnreadable) as refused:
        read_labels(content)

    assert refused.value.code == "labels_unreadable"


def test_every_problem_has_words():
    assert set(WORDS) == set(Problem)


def test_a_label_is_known_however_it_is_spelled():
    assert {spelled(text) for text in ("Non COVID", " non-covid", "NON_covid")} == {"non-covid"}


def test_every_row_becomes_a_case_by_its_path_or_by_its_name(taught):
    made = taught.make(
        [LabelRow(2, path_of(0), "COVID"), LabelRow(3, "case-01.png", "present"), LabelRow(4, path_of(2), "Normal")]
    )

    assert made.problems == []
    assert {case.study_id: (case.truth, case.present) for case in made.cases.all()} == {
        taught.studies[0].pk: ("covid", True),
        taught.studies[1].pk: ("present", True),
        taught.studies[2].pk: ("normal", False),
    }


def test_a_row_whose_file_is_not_there_is_named(taught):
    assert (2, "unknown_file") in problems(taught, LabelRow(2, "elsewhere.png", "covid"))
    assert (2, "unknown_file") in problems(taught, LabelRow(2, "../case-00.png", "covid"))


def test_a_name_that_two_files_have_is_named(taught):
    ItemFactory(upload=taught.upload, accepted=True, path="other/case-00.png", path_digest=digest("other/case-00.png"))

    assert (2, "ambiguous_file") in problems(taught, LabelRow(2, "case-00.png", "covid"))


def test_a_file_of_which_no_picture_came_is_named(taught):
    ItemFactory(upload=taught.upload, state="rejected", path="a.txt", path_digest=digest("a.txt"))

    assert (2, "file_not_taken") in problems(taught, LabelRow(2, "a.txt", "covid"))


def test_labels_that_are_missing_or_unknown_are_told_apart(taught):
    told = problems(taught, LabelRow(2, path_of(0), ""), LabelRow(3, path_of(1), "covd"))

    assert told == [(0, "picture_without_label"), (2, "missing_label"), (3, "unknown_label")]


def test_a_file_that_stands_twice_counts_once_and_is_named(taught):
    made = taught.make([*taught.rows, LabelRow(5, path_of(0), "covid")])

    assert made.problems == [[5, "repeated_file"]]
    assert made.cases.count() == 3


def test_two_labels_for_one_study_leave_it_out_and_name_both_rows(taught):
    made = taught.make([*taught.rows, LabelRow(5, path_of(0), "normal")])

    assert made.problems == [[2, "conflicting_labels"], [5, "conflicting_labels"]]
    assert taught.studies[0].pk not in made.cases.values_list("study_id", flat=True)


def test_rows_and_studies_are_cases_or_problems_and_nothing_is_lost(taught):
    rows = [LabelRow(2, path_of(0), "covid"), LabelRow(3, "gone.png", "covid"), LabelRow(4, path_of(1), "?")]

    made = taught.make(rows)

    assert made.rows == 3
    of_rows = [line for line, _ in made.problems if line]
    of_studies = [line for line, _ in made.problems if not line]
    assert made.cases.count() + len(of_rows) == 3
    assert made.cases.count() + len(of_studies) + 1 == len(taught.studies)  # one is named by a row without a label


def test_what_is_stored_of_a_problem_holds_no_path_and_no_value(taught):
    made = taught.make([LabelRow(2, "Quillfeather/x.png", "Zebedee")])

    assert "Quillfeather" not in str(made.problems)
    assert "Zebedee" not in str(made.problems)


def test_labels_that_came_with_the_upload_can_be_taken(taught):
    for place, label in enumerate(taught.truths):
        Reference.objects.create(upload=taught.upload, path_digest=digest(path_of(place)), label=label)

    made = taught.make(rows_sent_along(taught.upload))

    assert made.problems == []
    assert made.cases.filter(present=True).count() == 1
