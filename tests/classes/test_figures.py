import pytest

from screening.classes.answering import record_answer
from screening.classes.figures import Truth, against_truth, between, majority, spread_of
from screening.classes.revealing import reveal_set
from screening.classroom.results_page import results_of
from screening.classroom.tables import answer_rows, figure_rows
from tests.classes.taught import Taught, a_class, case_of

HALF = [Truth(n, n <= 10, f"p{n}") for n in range(1, 21)]  # 10 present, 10 absent, of 20 people


def votes(cases=HALF, *, wrong=(), silent=()):
    return {case.key: case.present != (case.key in wrong) for case in cases if case.key not in silent}


def test_sensitivity_and_specificity_stand_with_wilson_intervals():
    judged = against_truth(HALF, votes(wrong=(1, 2, 20)))

    assert (judged.sensitivity.value, judged.specificity.value) == (0.8, 0.9)
    assert (round(judged.sensitivity.interval.low, 3), round(judged.sensitivity.interval.high, 3)) == (0.490, 0.943)
    assert judged.kappa.value == pytest.approx(0.7)
    assert judged.kappa.interval.low < 0.7 < judged.kappa.interval.high


def test_undecided_cases_count_on_neither_side():
    judged = against_truth(HALF, votes(silent=(1, 2, 11)))

    assert (judged.sensitivity.right, judged.sensitivity.of) == (8, 8)
    assert (judged.specificity.right, judged.specificity.of) == (9, 9)


def test_of_too_few_cases_nothing_is_known_yet():
    judged = against_truth(HALF, votes(silent=range(5, 21)))

    assert (judged.sensitivity.value, judged.sensitivity.of) == (None, 4)
    assert (judged.specificity.value, judged.specificity.of) == (None, 0)
    assert judged.kappa.value is None


def test_who_always_says_the_same_has_no_kappa():
    judged = against_truth(HALF, dict.fromkeys(range(1, 21), True))

    assert (judged.sensitivity.value, judged.specificity.value, judged.kappa.value) == (1.0, 0.0, None)


def test_perfect_agreement_claims_no_certainty():
    told = between(HALF, votes(), votes())

    assert (told.value, told.raw, told.interval.high) == (1.0, 1.0, 1.0)
    assert told.interval.low < 0.7


def test_pictures_of_one_person_are_no_two_witnesses():
    paired = [Truth(case.key, case.present, f"p{case.key // 2}") for case in HALF]
    wrong = (1, 2, 3, 4)

    of_persons = against_truth(paired, votes(wrong=wrong)).sensitivity.interval
    of_pictures = against_truth(HALF, votes(wrong=wrong)).sensitivity.interval

    assert of_persons != of_pictures
    assert of_persons == against_truth(paired, votes(wrong=wrong)).sensitivity.interval


def test_most_of_the_class_is_those_who_decided_and_a_tie_is_nobody():
    judges = [{1: True}, {1: True, 2: False}, {1: False, 2: True}]

    assert (majority(judges, 1), majority(judges, 2), majority(judges, 3)) == (True, None, None)


def test_the_spread_of_kappas_leaves_out_what_is_not_known():
    known = between(HALF, votes(), votes(wrong=(1, 11)))
    unknown = between(HALF, votes(), {})

    assert spread_of([unknown]) is None
    assert spread_of([known, unknown]).pairs == 1


@pytest.fixture
def taught(db) -> Taught:
    return a_class()


def test_the_model_stands_beside_the_class_and_its_unassessed_case_apart(taught):
    found = taught.revealed()

    told = results_of(found, taught.teacher, teaches=True)

    [model] = told.models
    assert (model.cases, model.assessed, model.not_assessed) == (13, 12, 1)
    assert (model.judge.sensitivity.right, model.judge.sensitivity.of) == (5, 6)
    assert (model.judge.specificity.right, model.judge.specificity.of) == (5, 6)
    assert [case.study for case in model.unassessed_cases] == [taught.studies[12]]
    assert {one.case.study_id for one in model.apart} == {taught.studies[5].pk, taught.studies[11].pk}
    assert all(one.is_class_right for one in model.apart)


def test_a_teacher_sees_names_and_a_reader_their_own_alone(taught):
    found = taught.revealed()

    names = [line.name for line in results_of(found, taught.teacher, teaches=True).readers]
    told = [(line.name, line.is_me) for line in results_of(found, taught.students[1], teaches=False).readers]

    assert names == ["student1", "student2", "student3"]
    assert told == [("student2", True), ("Reader 1", False), ("Reader 2", False)]


def test_every_answer_is_in_the_table_those_that_were_replaced_too(taught):
    found = taught.opened()
    case = case_of(found, taught.studies[0])
    for answer in ("unsure", "present"):
        record_answer(case_id=case.pk, reader=taught.students[0], answer=answer)
    reveal_set(set_id=found.pk, teacher=taught.teacher)

    rows = [row for row in answer_rows(found) if row[3] == "student1"]

    assert [(row[5], row[6], row[7]) for row in rows] == [("unsure", 1, "no"), ("present", 2, "yes")]


def test_what_is_not_known_says_so_in_the_table(taught):
    found = taught.opened()
    taught.answer_rightly(found, taught.students[0])
    reveal_set(set_id=found.pk, teacher=taught.teacher)

    rows = list(figure_rows(found, results_of(found, taught.teacher, teaches=True)))

    assert ("student1", "reader", "sensitivity", "1.0000", "0.6097", "1.0000", 6) in rows
    assert ("student2", "reader", "sensitivity", "not known yet", "", "", 0) in rows
    assert ("xray-class@1.0.0", "model", "not assessed", 1, "", "", 13) in rows
