"""Nothing of the truth, of models or of other readers leaks to who reads in a class: every address, walked.

As in tests/review/test_nothing_leaks.py: ask every address, exchange what is hidden, ask again. What differs, leaks.
"""

from dataclasses import replace

import pytest
from django.db import connection
from django.urls import reverse

from screening.audit.actor import Actor
from screening.classes.answering import record_answer
from screening.classes.labels import LabelRow
from screening.classes.models import Case, ReadingSet
from screening.classes.revealing import reveal_set
from screening.classes.services import choose_readers, make_set, open_set
from screening.classes.triggers import install_triggers, lift_triggers
from screening.classroom import case_sheet, reader_views
from screening.results.models import Screening
from screening.review.services import AnswerIn, record_review
from screening.studies.models import Study
from screening.uploads.models import Item
from screening.users.models import Role, User
from tests.factories import UserFactory
from tests.review.test_nothing_leaks import BLINDED, Scene, exchange_outcomes, scene_of, walk

pytestmark = pytest.mark.django_db
TRUTHS = ("covid", "normal", "covid")


@pytest.fixture(autouse=True)
def quick(settings):
    """Leave out what has no part in what is told: a look at every static file for each client."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "whitenoise" not in name]


def class_of(scene: Scene, *, is_open: bool = True) -> ReadingSet:
    """A set of all studies of a scene, read by its reviewer and by another student who has answered."""
    teacher = UserFactory(username="tea", role_at=(scene.site, Role.ADMIN))
    other = UserFactory(username="other", role_at=(scene.site, Role.REVIEWER))
    keys = Item.objects.filter(upload=scene.upload).values_list("path_digest", flat=True)
    rows = [LabelRow(line, "", TRUTHS[line - 1], key) for line, key in enumerate(keys, start=1)]
    made = make_set(upload=scene.upload, name="Monday", finding="covid", rows=rows, teacher=teacher)
    Study.objects.filter(upload=scene.upload).update(reference_label="covid")
    choose_readers(set_id=made.pk, reader_ids=[scene.reviewer.pk, other.pk], teacher=teacher)
    if is_open:
        made = open_set(set_id=made.pk, teacher=teacher)
        for case in made.cases.all():
            record_answer(case_id=case.pk, reader=other, answer="present")
    return made


def exchange_all(made: ReadingSet, scene: Scene) -> None:
    """Exchange outcomes, truth and reference labels, and let the other student change every answer."""
    exchange_outcomes(scene)
    lift_triggers(connection)
    for case in made.cases.all():
        case.present, case.truth = not case.present, "normal" if case.present else "covid"
        case.save()
    install_triggers(connection)
    Study.objects.filter(upload=scene.upload).update(reference_label="normal")
    if made.is_open:
        for case in made.cases.all():
            record_answer(case_id=case.pk, reader=User.objects.get(username="other"), answer="absent")


def leaks(made: ReadingSet, scene: Scene, only: str = "") -> set[str]:
    before = walk(scene, only)
    exchange_all(made, scene)
    after = walk(scene, only)
    return {address for address, text in before.items() if text != after[address] or "0.9137" in text}


@pytest.mark.parametrize("policy", [{}, BLINDED, {"second_share": 1.0}], ids=["open", "blinded", "read twice"])
def test_who_reads_in_a_class_finds_nothing_at_any_address(policy):
    scene = scene_of(**policy)

    assert leaks(class_of(scene), scene) == set()


def test_nothing_is_shown_from_the_moment_in_which_readers_are_chosen():
    scene = scene_of()

    assert leaks(class_of(scene, is_open=False), scene) == set()


def test_an_answer_on_the_worklist_opens_no_study_of_a_class():
    scene = scene_of()
    made = class_of(scene)
    for study in scene.studies.values():
        answers = {"covid": AnswerIn(answer="present")}
        actor = Actor.user(scene.reviewer)
        record_review(study_id=study.pk, reader=scene.reviewer, answers=answers, comment="", actor=actor)

    # The summary of a day counts from the last sign-in, and every walk is one.
    assert leaks(made, scene) <= {reverse("review:summary")}


def test_the_addresses_of_a_class_are_walked_and_the_others_do_not_know_its_studies():
    scene = scene_of()
    made = class_of(scene)
    study = scene.studies["flagged"]
    case = Case.objects.get(study=study)

    told = walk(scene)

    assert told[reverse("classroom:case", args=[made.pk, case.pk])].startswith("200")
    assert told[reverse("classroom:set", args=[made.pk])].startswith("200")
    assert told[reverse("classroom:results", args=[made.pk])].startswith("409")
    for name in ("review:study", "api:study", "api:audit", "api:report"):
        assert told[reverse(name, args=[study.pk])].startswith("404"), name
    assert str(study.pk) not in told[reverse("api:studies")]
    assert str(study.pk) not in told[reverse("api:results_ndjson")]


def test_the_reveal_opens_all_that_the_walk_looks_for():
    scene = scene_of()
    made = class_of(scene)
    study = scene.studies["flagged"]
    before = walk(scene)

    reveal_set(set_id=made.pk, teacher=User.objects.get(username="tea"))

    after = walk(scene)
    assert "0.9137" not in before[reverse("review:study", args=[study.pk])]
    assert "0.914" in after[reverse("review:study", args=[study.pk])]
    assert "0.9137" in after[reverse("api:study", args=[study.pk])]
    assert after[reverse("classroom:results", args=[made.pk])].startswith("200")


def test_a_member_who_does_not_read_in_the_class_works_on_as_ever():
    scene = scene_of()
    class_of(scene)
    scene.reviewer, scene.secret = UserFactory(username="col", role_at=(scene.site, Role.REVIEWER)), ""
    study = scene.studies["flagged"]

    told = walk(scene)

    assert "0.914" in told[reverse("review:study", args=[study.pk])]
    assert str(study.pk) in told[reverse("review:worklist")]


# What is planted, the walk has to find.
def planted(monkeypatch, scene: Scene, made: ReadingSet, word) -> set[str]:
    real = case_sheet.case_context
    note = lambda case, context: tuple(replace(one, notes=(word(case),)) for one in context["sheet"].pictures)  # noqa: E731

    def with_a_word(case, way):
        context = real(case, way)
        return {**context, "sheet": replace(context["sheet"], pictures=note(case, context)), "question": word(case)}

    monkeypatch.setattr(reader_views, "case_context", with_a_word)
    return leaks(made, scene, "classroom:case")


@pytest.mark.parametrize(
    "word",
    [
        lambda case: case.truth,
        lambda case: str(Screening.objects.filter(study=case.study, flagged=True).exists()),
        lambda case: case.answers.order_by("-seq").first().answer,
    ],
    ids=["the truth", "a flag", "an answer of another"],
)
def test_a_planted_word_on_a_case_is_found(monkeypatch, word):
    scene = scene_of()

    assert planted(monkeypatch, scene, class_of(scene), word) != set()


def test_a_planted_order_by_truth_is_found(monkeypatch):
    real = case_sheet.cases_in_order
    by_truth = lambda found, reader: sorted(real(found, reader), key=lambda case: case.present)  # noqa: E731
    monkeypatch.setattr(case_sheet, "cases_in_order", by_truth)
    scene = scene_of()
    made = class_of(scene)

    assert reverse("classroom:set", args=[made.pk]) in leaks(made, scene, "classroom:set")
