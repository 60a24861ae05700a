"""Where on a picture a finding is: what a box may be, what becomes of it, and who is told of it."""

from uuid import uuid4

import pytest
from django.urls import reverse

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import verify_chain
from screening.review.boxes import Box, read_box
from screening.review.errors import BoxElsewhere, BoxNotTaken, BoxOutOfRange
from screening.review.models import Review
from screening.review.services import AnswerIn, record_review
from screening.review.undo import undo_answer
from screening.studies.models import Image, StudyState
from screening.users.models import Role
from tests.factories import ImageFactory, UserFactory
from tests.review.test_claims import Desk, address
from tests.review.test_nothing_leaks import BLINDED, answer, read_before, scene_of, walk

PICTURE = "7d2f9c34-1f52-4c39-b7bd-5f1f6b0c3a77"
pytestmark = pytest.mark.django_db
SIDES = {"left": 0.25, "top": 0.125, "width": 0.5, "height": 0.3333}


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def study(desk):
    return desk.study(1)


def boxed(study, reader, *, value="present", image=None, box=True, **sides):
    drawn = Box(image=image or study.images.get().pk, **{**SIDES, **sides}) if box else None
    answers = {"covid": AnswerIn(answer=value, reason="cut off or rotated", box=drawn)}
    [review] = record_review(study_id=study.pk, reader=reader, answers=answers, comment="", actor=Actor.user(reader))
    return review


def told() -> list[object]:
    events = AuditEvent.objects.filter(action="study:answered").order_by("pk")
    return [event.detail.get("box", "none") for event in events]


@pytest.mark.parametrize("value", ["present", "unsure"])
def test_a_box_is_kept_with_its_answer_and_the_audit_tells_it_in_numbers_alone(desk, study, value):
    boxed(study, desk.one, value=value)

    review = Review.objects.get()
    assert review.box == {"image": str(study.images.get().pk), **SIDES}
    assert told() == [[0.25, 0.125, 0.5, 0.3333]]
    assert verify_chain(ChainKind.STUDY, study.pk).intact
    assert read_box(review.box_text).stored == review.box


def test_an_answer_without_a_box_is_kept_and_told_as_ever(desk, study):
    boxed(study, desk.one, box=False)

    assert Review.objects.get().box is None
    assert told() == ["none"]


def test_a_box_is_rounded_to_four_places_and_still_ends_on_the_picture(desk, study):
    review = boxed(study, desk.one, left=0.33336, width=0.66664, top=0.1 + 0.2, height=0.7)

    assert [review.box[side] for side in ("left", "top", "width", "height")] == [0.3334, 0.3, 0.6666, 0.7]


BAD = [
    {"left": -0.01},
    {"top": 1.2},
    {"width": 0.0},
    {"height": 0.00001},
    {"width": -0.1},
    {"left": 0.6, "width": 0.4001},
    {"top": float("nan")},
    {"height": float("inf")},
]


@pytest.mark.parametrize("sides", BAD, ids=str)
def test_a_box_that_is_not_on_its_picture_is_refused_and_nothing_is_written(desk, study, sides):
    with pytest.raises(BoxOutOfRange):
        boxed(study, desk.one, **sides)

    study.refresh_from_db()
    assert (study.state, Review.objects.count(), told()) == (StudyState.READY, 0, [])


@pytest.mark.parametrize("text", ["here", f"{PICTURE} 0 0 1", f"{PICTURE} 0 0 1 wide", "x 0 0 1 1"])
def test_what_is_no_box_at_all_is_refused(text):
    with pytest.raises(BoxOutOfRange):
        read_box(text)


def test_a_picture_of_another_study_or_one_that_was_corrected_takes_no_box(desk, study):
    other = desk.study(2).images.get()
    sent = ImageFactory(study=study, superseded=True)

    for image in (other.pk, sent.pk, uuid4()):
        with pytest.raises(BoxElsewhere):
            boxed(study, desk.one, image=image)

    assert not Review.objects.exists()


@pytest.mark.parametrize("value", ["absent", "not_assessable"])
def test_an_answer_that_nothing_is_there_takes_no_box(desk, study, value):
    with pytest.raises(BoxNotTaken):
        boxed(study, desk.one, value=value)

    assert not Review.objects.exists()


def test_a_later_answer_carries_its_own_box_or_none_and_the_first_keeps_its_own(desk, study):
    first = boxed(study, desk.one)
    second = boxed(study, desk.one, left=0.5)
    third = boxed(study, desk.one, value="absent", box=False)

    rows = [Review.objects.get(pk=one.pk) for one in (first, second, third)]

    assert [row.box and row.box["left"] for row in rows] == [0.25, 0.5, None]
    assert [row.superseded_by_id for row in rows] == [second.pk, third.pk, None]


def test_an_answer_taken_back_takes_its_box_along_and_the_one_before_stands_with_its_own(desk, study):
    boxed(study, desk.one)
    second = boxed(study, desk.one, left=0.5)

    undo_answer(study_id=study.pk, reader=desk.one, actor=Actor.user(desk.one))

    assert Review.objects.get(superseded_by__isnull=True).box["left"] == 0.25
    second.refresh_from_db()
    assert (second.is_withdrawn, second.box["left"]) == (True, 0.5)


def test_a_form_takes_a_box_and_the_page_shows_it_to_others_with_who_answered(client, desk, study):
    image = study.images.get()
    client.force_login(desk.one)
    form = {"answer-covid": "present", "box-covid": f"{image.pk} 0.25 0.125 0.5 0.3333"}
    client.post(address(study, "answer"), form)
    client.force_login(desk.two)

    page = client.get(address(study), headers={"Accept-Language": "de"}).content.decode()

    assert f'value="{image.pk} 0.25 0.125 0.5 0.3333" data-box' in page  # numbers of no language
    assert f", {desk.one.username}" in page
    assert 'name="box-covid" value=""' in page


def test_a_form_with_a_bad_box_says_so_and_keeps_it(client, desk, study):
    client.force_login(desk.one)

    page = client.post(address(study, "answer"), {"answer-covid": "present", "box-covid": "<b>"}).content.decode()

    assert "box_out_of_range" in page
    assert 'value="&lt;b&gt;"' in page
    assert not Review.objects.exists()


def put_boxes() -> None:
    for review in Review.objects.all():
        picture = Image.objects.filter(study=review.study_id).values_list("pk", flat=True).first()
        Review.objects.filter(pk=review.pk).update(box={"image": str(picture), **SIDES})


@pytest.mark.parametrize("stage", ["second", "adjudication"])
def test_neither_a_second_reader_nor_an_adjudicator_finds_a_box_anywhere(stage):
    scene = read_before(stage)
    before = walk(scene)

    put_boxes()

    assert walk(scene) == before


def test_who_is_blinded_finds_no_box_anywhere_until_they_answer():
    scene = scene_of(**BLINDED)
    other = UserFactory(role_at=(scene.site, Role.ADMIN))
    for study in scene.studies.values():
        answer(scene, study, other)
    before = walk(scene)
    put_boxes()
    assert walk(scene) == before
    study = scene.studies["flagged"]

    answer(scene, study, scene.reviewer)

    shown = walk(scene)
    assert "0.3333" in shown[reverse("review:study", args=[study.pk])]
    assert "0.3333" in shown[reverse("api:study", args=[study.pk])]
