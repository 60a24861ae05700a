"""What administrators keep in order, in a real browser: versions, retention, deleting, and reads for nobody."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from screening.housekeeping.model_acts import retire_version
from screening.results.models import SiteVersion
from screening.review.models import Cause, FurtherRead, Stage
from screening.studies.models import Study, StudyState
from screening.users.models import Role
from tests.e2e.conftest import faults_seen, follow
from tests.e2e.scene import a_site_at_work
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene():
    return a_site_at_work()


@pytest.fixture
def operator(scene):
    return UserFactory(username="otto", is_superuser=True, role_at=(scene.site, Role.ADMIN))


def test_a_version_is_retired_with_what_it_means_in_view_and_comes_back(scene, operator, enter, settings, tmp_path):
    settings.CONFIG = replace(settings.CONFIG, model_root=tmp_path)
    ModelVersionFactory(slug=scene.xray.slug, version="1.1.0", title=scene.xray.title, card={"default": False})
    gone = ModelVersionFactory(
        slug="ct-covid", version="0.9.0", modality="ct", title="An earlier one", active=False, folder="elsewhere"
    )
    SiteVersion.objects.create(
        site=scene.site, slug=scene.xray.slug, version=scene.xray, proposed_by=operator, approved_by=scene.admin
    )
    SiteFactory(name="Outpatients")
    (tmp_path / scene.ct.folder).mkdir()
    (tmp_path / scene.ct.folder / "card.json").write_text(json.dumps({"model_sha256": scene.ct.sha256}))
    page = enter(operator, reverse("review:models"))
    page.get_by_role("link", name="Versions and where they are used").click()
    expect(page.get_by_role("heading", name="Model versions")).to_be_visible()
    found = faults_seen(page, "versions")

    page.goto(reverse("housekeeping:version", args=[scene.xray.pk]))
    found += faults_seen(page, "version-held")
    page.goto(reverse("housekeeping:version", args=[scene.ct.pk]))
    found += faults_seen(page, "version-retire")
    page.get_by_role("button", name="Retire").click()
    expect(page.locator("#notices")).to_contain_text(f"{scene.ct.name} is retired")
    found += faults_seen(page, "versions-retired")
    page.goto(reverse("housekeeping:version", args=[gone.pk]))
    found += faults_seen(page, "version-gone") if retire_version(version_id=gone.pk, user=operator) else []
    page.goto(reverse("housekeeping:version", args=[scene.ct.pk]))
    found += faults_seen(page, "version-activate")
    page.get_by_role("button", name="Activate").click()
    expect(page.locator("#notices")).to_contain_text("may be chosen again")

    assert found == []


def test_retention_is_tried_read_and_stored_against_the_name_of_the_site(scene, enter):
    long_ago = timezone.now() - timedelta(days=500)
    Study.objects.filter(pk=scene.flagged[0].pk).update(completed_at=long_ago, state=StudyState.REVIEWED)
    Study.objects.filter(pk=scene.flagged[1].pk).update(completed_at=long_ago)
    page = enter(scene.admin, reverse("admin_site", args=[scene.site.pk]))
    follow(page, "Retention")
    found = faults_seen(page, "retention-off")

    page.get_by_label("Delete studies after, days").fill("365")
    page.get_by_role("button", name="Try it").click()
    expect(page.locator(".stat").nth(0)).to_have_text("1studies go now")
    expect(page.locator(".stat").nth(1)).to_have_text("1as old, kept for a reader")
    found += faults_seen(page, "retention-tried")
    page.get_by_label("To be sure, the name of the site").fill(scene.site.name)
    page.get_by_role("button", name="Store").click()
    expect(page.locator("#notices")).to_contain_text("deleted bit by bit")
    found += faults_seen(page, "retention-on")

    scene.site.refresh_from_db()
    assert (found, scene.site.study_days) == ([], 365)


def test_one_study_is_deleted_from_its_page(scene, enter):
    study = scene.flagged[0]
    page = enter(scene.staff, reverse("review:study", args=[study.pk]))
    follow(page, "Delete this study")
    expect(page.get_by_text("This study waits for a reader")).to_be_visible()
    found = faults_seen(page, "delete-a-st")

    page.get_by_label("To be sure").fill(str(study.pk)[:8])
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator("#notices")).to_contain_text("is deleted")

    study.refresh_from_db()
    assert (found, study.state) == ([], StudyState.PURGED)


def test_an_administrator_is_told_of_reads_that_nobody_may_give(scene, enter):
    for study, stage in ((scene.flagged[0], Stage.SECOND), (scene.flagged[1], Stage.ADJUDICATION)):
        Study.objects.filter(pk=study.pk).update(state=StudyState.REVIEWED)
        second = UserFactory() if stage == Stage.ADJUDICATION else None
        cause = Cause.UNSURE if stage == Stage.SECOND else Cause.DISAGREEMENT
        told = {"stage": stage, "cause": cause, "first": scene.reader, "second": second}
        FurtherRead.objects.create(site=scene.site, study=study, revision=1, **told)
    page = enter(scene.admin, reverse("review:worklist"))
    expect(page.locator("[data-stranded]")).to_contain_text("1 study waits for a second reader")
    found = faults_seen(page, "stranded-worklist")
    page.goto(reverse("numbers:numbers", args=[scene.site.pk]))
    found += faults_seen(page, "stranded-numbers")

    page.get_by_role("link", name="Invite another reviewer").click()
    expect(page.get_by_role("heading", name="Invite somebody")).to_be_visible()
    assert found == []
