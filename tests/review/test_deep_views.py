"""The route of deep pictures: to members alone, kept by their browser alone, and checked each time."""

import pytest
from django.urls import reverse

from screening.flows.deep import deep_path
from screening.users.models import Role
from tests.factories import ImageFactory, SiteFactory, StudyFactory, UploadFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def image():
    site = SiteFactory()
    made = ImageFactory(study=StudyFactory(upload=UploadFactory(site=site, finished=True)))
    deep_path(made).parent.mkdir(parents=True, exist_ok=True)
    deep_path(made).write_bytes(b"all gray values")
    return made


@pytest.fixture
def reader(image):
    return UserFactory(role_at=(image.site, Role.REVIEWER))


def address(image):
    return reverse("review:deep", args=[image.pk])


def test_a_deep_picture_is_given_with_a_tag_and_not_sent_again(client, image, reader):
    client.force_login(reader)

    first = client.get(address(image))
    again = client.get(address(image), headers={"If-None-Match": first["ETag"]})

    assert b"".join(first.streaming_content) == b"all gray values"
    assert first["Cache-Control"] == "private, no-cache"
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert image.sha256 not in first["ETag"]


def test_who_may_no_longer_see_a_picture_gets_nothing_for_its_tag(client, image, reader):
    client.force_login(reader)
    given = client.get(address(image))
    tag, _ = given["ETag"], b"".join(given.streaming_content)
    reader.memberships.all().delete()

    assert client.get(address(image), headers={"If-None-Match": tag}).status_code == 404


def test_a_picture_that_was_not_made_is_no_error_and_one_without_a_source_is_said_to_be_gone(client, image, reader):
    deep_path(image).unlink()
    client.force_login(reader)

    assert client.get(address(image)).status_code == 204
    assert client.post(address(image)).json() == {"deep": "gone"}
