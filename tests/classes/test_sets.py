import pytest

from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import chain_key, verify_chain
from screening.classes.answering import record_answer
from screening.classes.errors import (
    CaseGone,
    NobodyReads,
    NoCases,
    NotAReviewer,
    NothingAsked,
    ProblemsLeft,
    SetNotInState,
    UploadNotUsable,
)
from screening.classes.labels import LabelRow
from screening.classes.models import ClassAnswer, ModelAnswer, SetState
from screening.classes.revealing import reveal_set
from screening.classes.selectors import answered_by, cases_in_order, next_case, standings
from screening.classes.services import choose_readers, discard_set, make_set, open_set, retake_labels
from screening.errors import InvalidAnswer
from screening.flows.integrity import find_violations
from screening.review.models import Review
from screening.studies.models import Study
from screening.users.models import Role
from tests.classes.taught import Taught, a_class, case_of, path_of
from tests.factories import ImageFactory, ScreeningFactory, UploadFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def taught() -> Taught:
    return a_class()


def test_a_set_is_made_of_a_finished_upload_alone(taught):
    taught.upload = UploadFactory(site=taught.site, sealed=True)

    with pytest.raises(UploadNotUsable):
        taught.make()


def test_only_what_models_flag_can_be_asked(taught):
    with pytest.raises(NothingAsked):
        make_set(upload=taught.upload, name="x", finding="normal", rows=taught.rows, teacher=taught.teacher)


def test_numbers_of_cases_are_drawn_and_tell_nothing_of_the_truth(taught):
    orders = {tuple(case.present for case in taught.make().cases.all()) for _ in range(4)}

    assert len(orders) > 1


def test_only_reviewers_of_the_site_can_read(taught):
    made = taught.make()
    others = [taught.teacher, UserFactory(role_at=(taught.site, Role.STAFF)), UserFactory()]

    for user in others:
        with pytest.raises(NotAReviewer):
            choose_readers(set_id=made.pk, reader_ids=[user.pk], teacher=taught.teacher)

    assert made.seats.count() == 0


def test_readers_are_chosen_anew_in_preparation_and_only_added_later(taught):
    made, (one, two, three) = taught.make(), taught.students
    choose_readers(set_id=made.pk, reader_ids=[one.pk, two.pk], teacher=taught.teacher)
    choose_readers(set_id=made.pk, reader_ids=[two.pk], teacher=taught.teacher)
    open_set(set_id=made.pk, teacher=taught.teacher)
    choose_readers(set_id=made.pk, reader_ids=[three.pk], teacher=taught.teacher)

    assert set(made.seats.values_list("reader_id", flat=True)) == {two.pk, three.pk}


def test_a_set_opens_with_cases_and_readers_only(taught):
    empty = taught.make([LabelRow(2, "gone.png", "covid")])
    with pytest.raises(NoCases):
        open_set(set_id=empty.pk, teacher=taught.teacher, agreed=True)
    with pytest.raises(NobodyReads):
        open_set(set_id=taught.make().pk, teacher=taught.teacher)


def test_what_is_left_out_is_left_out_only_by_consent(taught):
    made = taught.make(taught.rows[1:])
    choose_readers(set_id=made.pk, reader_ids=[taught.students[0].pk], teacher=taught.teacher)

    with pytest.raises(ProblemsLeft):
        open_set(set_id=made.pk, teacher=taught.teacher)

    assert open_set(set_id=made.pk, teacher=taught.teacher, agreed=True).state == SetState.OPEN


def test_a_corrected_table_takes_the_place_of_the_first_until_the_set_is_open(taught):
    made = taught.make(taught.rows[:2])

    retake_labels(set_id=made.pk, rows=taught.rows, teacher=taught.teacher)

    assert made.cases.count() == len(taught.rows)
    choose_readers(set_id=made.pk, reader_ids=[taught.students[0].pk], teacher=taught.teacher)
    open_set(set_id=made.pk, teacher=taught.teacher)
    with pytest.raises(SetNotInState):
        retake_labels(set_id=made.pk, rows=taught.rows, teacher=taught.teacher)


def test_an_open_set_is_never_discarded(taught):
    with pytest.raises(SetNotInState):
        discard_set(set_id=taught.opened().pk, teacher=taught.teacher)


def test_every_reader_has_an_order_of_their_own_that_stays(taught):
    found = taught.opened()
    orders = [[case.number for case in cases_in_order(found, student.pk)] for student in taught.students]

    assert orders == [[case.number for case in cases_in_order(found, student.pk)] for student in taught.students]
    assert len({tuple(order) for order in orders}) == 3
    assert {tuple(sorted(order)) for order in orders} == {tuple(range(1, len(taught.rows) + 1))}


def test_the_next_case_is_the_first_unanswered_behind_and_then_from_the_beginning(taught):
    found, student = taught.opened(), taught.students[0]
    order = cases_in_order(found, student.pk)
    record_answer(case_id=order[1].pk, reader=student, answer="present")
    said = answered_by(found, student.pk)

    assert next_case(order, said, None) == order[0]
    assert next_case(order, said, order[0].pk) == order[2]
    assert next_case(order, said, order[-1].pk) == order[0]


def test_an_answer_is_added_to_what_was_said_before_and_the_same_again_changes_nothing(taught):
    found, student = taught.opened(), taught.students[0]
    case = found.cases.first()
    for answer in ("present", "present", "unsure"):
        record_answer(case_id=case.pk, reader=student, answer=answer)

    assert list(ClassAnswer.objects.values_list("seq", "answer")) == [(1, "present"), (2, "unsure")]
    assert answered_by(found, student.pk) == {case.pk: "unsure"}
    actions = AuditEvent.objects.filter(chain=chain_key(ChainKind.CLASS, found.pk)).values_list("action", flat=True)
    assert list(actions).count("class:answered") == 2
    assert verify_chain(ChainKind.CLASS, found.pk).intact


def test_an_answer_that_is_none_is_refused(taught):
    with pytest.raises(InvalidAnswer):
        record_answer(case_id=taught.opened().cases.first().pk, reader=taught.students[0], answer="maybe")


def test_no_answer_is_taken_before_the_opening_or_after_the_reveal(taught):
    made = taught.make()
    with pytest.raises(SetNotInState):
        record_answer(case_id=made.cases.first().pk, reader=taught.students[0], answer="present")
    found = taught.revealed()
    with pytest.raises(SetNotInState):
        record_answer(case_id=found.cases.first().pk, reader=taught.students[0], answer="absent")


def test_a_case_that_was_deleted_is_passed_over(taught):
    found, student = taught.opened(), taught.students[0]
    case = case_of(found, taught.studies[0])
    Study.objects.filter(pk=case.study_id).update(state="purged")

    assert case.pk not in {one.pk for one in cases_in_order(found, student.pk)}
    with pytest.raises(CaseGone):
        record_answer(case_id=case.pk, reader=student, answer="present")


def test_progress_tells_how_far_everybody_is(taught):
    found, (one, two, _three) = taught.opened(), taught.students
    taught.answer_rightly(found, one)
    record_answer(case_id=found.cases.first().pk, reader=two, answer="unsure")
    record_answer(case_id=found.cases.first().pk, reader=two, answer="absent")

    told = {one.reader.username: (one.answered, one.is_done) for one in standings(found)}

    assert told == {"student1": (13, True), "student2": (1, False), "student3": (0, False)}


def test_the_reveal_writes_down_what_models_said_and_never_an_unassessed_case_as_clear(taught):
    found = taught.revealed()

    words = dict(ModelAnswer.objects.values_list("case__study", "word"))
    assert [words[study.pk] for study in taught.studies] == [
        *["flagged"] * 5,
        "not flagged",
        *["not flagged"] * 5,
        "flagged",
        "not assessed",
    ]
    assert set(ModelAnswer.objects.filter(case__reading_set=found, word="flagged").values_list("point")) == {(0.5,)}


def test_a_model_for_the_finding_that_never_saw_a_case_did_not_assess_it(taught):
    found = taught.opened()
    taught.studies[0].screenings.all().delete()

    reveal_set(set_id=found.pk, teacher=taught.teacher)

    assert ModelAnswer.objects.get(case=case_of(found, taught.studies[0])).word == "not assessed"


def test_of_several_pictures_the_flagged_one_decides_and_else_the_unassessed_one(taught):
    found = taught.opened()
    for study in (taught.studies[6], taught.studies[0]):
        image = ImageFactory(study=study)
        ScreeningFactory(image=image, model_version=taught.version, state="inconclusive", code="not_chest")

    reveal_set(set_id=found.pk, teacher=taught.teacher)

    words = dict(ModelAnswer.objects.values_list("case__study", "word"))
    assert words[taught.studies[6].pk] == "not assessed"
    assert words[taught.studies[0].pk] == "flagged"


def test_a_class_leaves_the_clinical_side_alone(taught):
    states = dict(Study.objects.values_list("pk", "state"))

    taught.revealed()

    assert Review.objects.count() == 0
    assert dict(Study.objects.values_list("pk", "state")) == states
    assert [one for one in find_violations(blobs=False) if one.check == "chains"] == []


def test_paths_of_the_table_are_kept_nowhere_in_a_set(taught):
    found = taught.opened()

    kept = [*AuditEvent.objects.values_list("detail", flat=True), found.problems, *found.cases.values()]

    assert path_of(0) not in str(kept)
