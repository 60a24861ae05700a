"""The pages of model versions: what administrators see, and what only whoever runs the installation may do."""

import pytest
from django.test import Client
from django.urls import reverse

from screening.results.models import SiteVersion
from tests.factories import SiteFactory, UserFactory

pytestmark = pytest.mark.django_db


def of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_an_administrator_sees_versions_with_the_uses_of_their_own_site_and_no_act(site, ada, version):
    SiteFactory(name="Elsewhere")

    page = of(ada).get(reverse("housekeeping:versions")).content.decode()

    assert version.name in page
    assert "Ward 3" in page
    assert "Elsewhere" not in page
    assert reverse("housekeeping:version", args=[version.pk]) not in page


def test_whoever_runs_the_installation_sees_every_site_and_may_act_without_a_membership(site, operator, version):
    client = of(operator)

    page = client.get(reverse("housekeeping:versions")).content.decode()
    asked = client.get(reverse("housekeeping:version", args=[version.pk])).content.decode()
    answer = client.post(reverse("housekeeping:version", args=[version.pk]), {"act": "retire"})

    assert "Ward 3" in page
    assert "No other active model reads pictures of this kind" in asked
    assert answer.status_code == 302
    version.refresh_from_db()
    assert version.standing == "retired"


def test_a_form_that_is_sent_twice_does_not_undo_itself(operator, version):
    client = of(operator)
    for _ in range(2):
        client.post(reverse("housekeeping:version", args=[version.pk]), {"act": "retire"})

    version.refresh_from_db()
    assert version.standing == "retired"


def test_a_version_in_use_is_refused_with_what_to_do_until_it_is_said_to_be_meant(site, ada, operator, version):
    SiteVersion.objects.create(site=site, slug=version.slug, version=version, proposed_by=ada)
    client, address = of(operator), reverse("housekeeping:version", args=[version.pk])

    refused = client.post(address, {"act": "retire"})
    done = client.post(address, {"act": "retire", "all_the_same": "yes"})

    assert refused.status_code == 409
    assert "version_in_use" in refused.content.decode()
    assert done.status_code == 302


def test_running_the_installation_opens_no_site(site, operator):
    client = of(operator)

    assert client.get(reverse("admin_site", args=[site.pk])).status_code == 404
    assert client.get(reverse("numbers:numbers", args=[site.pk])).status_code == 404


def test_somebody_who_administers_nothing_sees_no_versions(site):
    assert of(UserFactory()).get(reverse("housekeeping:versions")).status_code == 404
