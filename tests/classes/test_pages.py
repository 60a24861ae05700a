"""The pages of a class, without a browser: who is shown what, and what is refused with which code."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from screening.audit.actor import Actor
from screening.classes.answering import record_answer
from screening.classes.models import ClassAnswer, ReadingSet, SetState
from screening.classes.revealing import reveal_set
from screening.review.services import AnswerIn, record_review
from tests.classes.taught import Taught, a_class, path_of
from tests.factories import ExplanationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def taught() -> Taught:
    return a_class()


def as_user(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def sent(taught: Taught, lines: list[str]) -> dict[str, object]:
    table = SimpleUploadedFile("labels.csv", "\n".join(["file,label", *lines]).encode())
    return {"name": "Monday", "upload": str(taught.upload.pk), "finding": "covid", "table": table}


def test_a_teacher_makes_a_set_and_reads_what_the_table_did_not_match(taught):
    lines = [f"{path_of(n)},{truth}" for n, truth in enumerate(taught.truths)][1:]
    answer = as_user(taught.teacher).post(
        reverse("classroom:make", args=[taught.site.pk]),
        sent(taught, [*lines, "gone.png,covid", f"{path_of(0)},covd"]),
        follow=True,
    )

    page = answer.content.decode()
    assert answer.status_code == 200
    for told in ("unknown_file", "unknown_label", "Line 14", "Line 15", "pneumonia"):
        assert told in page


@pytest.mark.parametrize(
    ("table", "code"),
    [(b"", "labels_unreadable"), (b"file;name\nx;y\n", "labels_unreadable")],
    ids=["no table and no labels of the upload", "no column of labels"],
)
def test_a_table_that_cannot_be_read_is_refused_and_nothing_is_made(taught, table, code):
    data = sent(taught, [])
    data["table"] = SimpleUploadedFile("labels.csv", table) if table else ""

    answer = as_user(taught.teacher).post(reverse("classroom:make", args=[taught.site.pk]), data)

    assert (answer.status_code, ReadingSet.objects.count()) == (400, 0)
    assert code in answer.content.decode()
    assert 'value="Monday"' in answer.content.decode()


def test_who_has_answered_about_a_study_on_the_worklist_cannot_be_chosen(taught):
    made, student = taught.make(), taught.students[0]
    answers = {"covid": AnswerIn(answer="absent")}
    record_review(study_id=taught.studies[0].pk, reader=student, answers=answers, comment="", actor=Actor.user(student))

    answer = as_user(taught.teacher).post(
        reverse("classroom:readers", args=[taught.site.pk, made.pk]), {"readers": [student.pk]}
    )

    assert answer.status_code == 409
    assert "reader_knows_cases" in answer.content.decode()
    assert "student1" in answer.content.decode()
    assert made.seats.count() == 0


def test_a_set_that_leaves_something_out_asks_for_consent(taught):
    made = taught.make(taught.rows[1:])
    client, at = as_user(taught.teacher), [taught.site.pk, made.pk]
    client.post(reverse("classroom:readers", args=at), {"readers": [taught.students[0].pk]})

    refused = client.post(reverse("classroom:open", args=at))
    client.post(reverse("classroom:open", args=at), {"sure": "on"})

    assert (refused.status_code, "problems_left" in refused.content.decode()) == (409, True)
    assert ReadingSet.objects.get().state == SetState.OPEN


def test_nothing_is_revealed_by_a_slip(taught):
    found = taught.opened()
    client, at = as_user(taught.teacher), [taught.site.pk, found.pk]

    client.post(reverse("classroom:reveal", args=at))
    assert ReadingSet.objects.get().state == SetState.OPEN

    client.post(reverse("classroom:reveal", args=at), {"sure": "on"})
    assert ReadingSet.objects.get().state == SetState.REVEALED


def test_a_teacher_sees_how_far_readers_are_and_nothing_that_they_said(taught):
    found = taught.opened()
    record_answer(case_id=found.cases.first().pk, reader=taught.students[0], answer="unsure")

    page = as_user(taught.teacher).get(reverse("classroom:progress", args=[taught.site.pk, found.pk])).content.decode()

    assert "1 of 13" in page
    assert "unsure" not in page.lower()


def test_a_reader_goes_on_where_they_stopped_on_any_computer(taught):
    found, student = taught.opened(), taught.students[0]
    first = as_user(student).get(reverse("classroom:next", args=[found.pk]))["Location"]
    as_user(student).post(f"{first}answer/", {"answer": "present"})

    elsewhere = as_user(student)
    following = elsewhere.get(reverse("classroom:next", args=[found.pk]))["Location"]

    assert following != first
    assert "1 of 13 answered" in elsewhere.get(reverse("classroom:set", args=[found.pk])).content.decode()


def test_an_answer_that_is_missing_is_refused_in_the_form(taught):
    found, student = taught.opened(), taught.students[0]
    case = found.cases.first()

    answer = as_user(student).post(reverse("classroom:answer", args=[found.pk, case.pk]), {})

    assert "invalid_answer" in answer.content.decode()
    assert ClassAnswer.objects.count() == 0


def test_an_answer_after_the_reveal_is_refused_and_the_page_says_so(taught):
    found, student = taught.opened(), taught.students[0]
    case = found.cases.first()
    reveal_set(set_id=found.pk, teacher=taught.teacher)

    answer = as_user(student).post(reverse("classroom:answer", args=[found.pk, case.pk]), {"answer": "present"})

    assert "set_not_in_state" in answer.content.decode()
    assert "This set is revealed" in answer.content.decode()


def test_a_set_that_is_not_open_yet_or_not_for_somebody_does_not_exist_for_them(taught):
    made = taught.make()
    found = taught.opened(taught.students[0])
    case = found.cases.first()

    assert as_user(taught.students[0]).get(reverse("classroom:set", args=[made.pk])).status_code == 404
    for name, args in (("set", [found.pk]), ("case", [found.pk, case.pk]), ("results", [found.pk])):
        assert as_user(taught.students[1]).get(reverse(f"classroom:{name}", args=args)).status_code == 404


def test_a_reader_who_lost_the_role_reads_no_more(taught):
    found, student = taught.opened(), taught.students[0]
    student.memberships.all().delete()

    assert as_user(student).get(reverse("classroom:set", args=[found.pk])).status_code == 404


def test_the_results_name_the_model_its_shortcut_and_the_case_it_did_not_assess(taught):
    taught.version.card = {"shortcut": {"verdict": "shortcut likely", "text": "AUC without lungs 0.98."}}
    taught.version.save()
    study = taught.studies[0]
    ExplanationFactory(
        screening=study.screenings.get(), drawn=True, altered={"original": 0.9, "no_lungs": 0.87, "border_only": 0.34}
    )
    found = taught.revealed()

    page = as_user(taught.teacher).get(reverse("classroom:results", args=[found.pk])).content.decode()

    for told in ("Shortcut likely", "AUC without lungs 0.98.", "Not assessed by the model", "0.870", "0.340"):
        assert told in page
    assert "12 of 13" in page
    assert page.count("the class</td>") == 2


def test_tables_are_for_the_teacher_and_begin_with_the_disclaimer(taught):
    found = taught.revealed()

    for name in ("figures_csv", "answers_csv"):
        told = as_user(taught.teacher).get(reverse(f"classroom:{name}", args=[found.pk]))
        assert told["Content-Type"].startswith("text/csv")
        assert "For education only" in told.content.decode().splitlines()[1]
        assert as_user(taught.students[0]).get(reverse(f"classroom:{name}", args=[found.pk])).status_code == 404
