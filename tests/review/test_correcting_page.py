"""The offer to have a picture that lies wrong corrected: where the gate said so, to those who read there."""

import pytest
from django.urls import reverse
from django.utils import timezone

from screening.results.models import ScreeningState
from screening.review.order import Place
from screening.review.rows import rows_of
from screening.studies.models import Image, Study
from screening.users.models import Role, Site
from tests.factories import ImageFactory, ScreeningFactory, SiteFactory, StudyFactory, UploadFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def image():
    study = StudyFactory(upload=UploadFactory(site=SiteFactory(), finished=True), incomplete=True)
    made = ImageFactory(study=study, not_assessed="orientation")
    ScreeningFactory(image=made, state=ScreeningState.INCONCLUSIVE, code="orientation")
    return made


def page_of(client, image, role):
    client.force_login(UserFactory(role_at=(image.site, role)))
    return client.get(reverse("review:study", args=[image.study_id])).text


def test_a_reader_is_offered_what_the_gate_called_for_and_others_are_not(client, image):
    words = ["Turn clockwise and screen again", "Turn upside down and screen again", "Invert and screen again"]

    seen = page_of(client, image, Role.REVIEWER)
    assert [one in seen for one in words] == [True, True, False]
    assert "and screen again" not in page_of(client, image, Role.STAFF)


def test_what_was_asked_for_is_said_on_the_page_and_not_offered_twice(client, image):
    page_of(client, image, Role.REVIEWER)

    client.post(reverse("review:correct", args=[image.pk]), {"correction": "turn_left"})
    seen = client.get(reverse("review:study", args=[image.study_id])).text

    assert Image.objects.get().asked_correction == "turn_left"
    assert "A corrected picture is being made." in seen
    assert "and screen again" not in seen


def test_the_corrected_picture_is_shown_and_the_one_that_was_sent_can_be_seen_beside_it(client, image):
    made = ImageFactory(study=image.study, corrects=image)
    ScreeningFactory(image=made, scored=True)
    Image.objects.filter(pk=image.pk).update(superseded=True)
    client.force_login(UserFactory(role_at=(image.site, Role.REVIEWER)))

    answer = client.get(reverse("review:study", args=[image.study_id]))

    assert [one["id"] for one in answer.context["slices"]] == [str(made.pk)]
    assert [[one["id"] for one in group] for group in answer.context["others"]] == [[str(image.pk)]]
    assert "As it was sent" in answer.text
    assert "Picture 1 was corrected here." in answer.text


def test_a_blinded_reader_is_not_told_that_a_picture_was_corrected(client, image):
    made = ImageFactory(study=image.study, corrects=image)
    ScreeningFactory(image=made, scored=True)
    Image.objects.filter(pk=image.pk).update(superseded=True)
    Study.objects.update(state="ready", not_assessed=False, flagged=True)
    Site.objects.update(blinded_since=timezone.now())
    client.force_login(UserFactory(role_at=(image.site, Role.REVIEWER)))

    page = client.get(reverse("review:study", args=[image.study_id]))
    listed = client.get(reverse("review:blinded"))

    assert [one["id"] for one in page.context["slices"]] == [str(made.pk)]
    assert page.context["others"] == []
    assert "As it was sent" not in page.text
    assert str(image.pk) not in page.text + listed.text
    assert str(made.pk) in listed.text


def test_a_tray_counts_and_shows_the_corrected_picture_alone(image):
    made = ImageFactory(study=image.study, corrects=image)
    Image.objects.filter(pk=image.pk).update(superseded=True)

    [row] = rows_of([Place(due=timezone.now(), top=0.0, study=image.study_id)])

    assert (row.pictures, row.cover) == (1, made.pk)
