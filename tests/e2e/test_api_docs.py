"""The page on which the API is tried, in a real browser under our content security policy."""

from pathlib import Path

import pytest

from ml.vocabulary import DISCLAIMER
from screening.users.models import Role
from tests.e2e.conftest import SHOTS, violations
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory

PATIENCE = 150_000  # milliseconds: the bundled script is large, and a busy machine takes long to read it

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_page_lists_every_operation_and_a_call_made_on_it_is_answered(enter):
    ModelVersionFactory(slug="xray-one")
    page = enter(UserFactory(role_at=(SiteFactory(), Role.INTEGRATOR)), "/")
    page.set_default_timeout(PATIENCE)
    page.goto("/api/v1/docs/", timeout=PATIENCE)

    page.get_by_text("Poll results: studies in the order of their changes").wait_for()
    page.locator("#operations-models-models_list button.opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    page.locator(".live-responses-table").get_by_text("xray-one@1.0.0").first.wait_for()

    assert page.get_by_text(DISCLAIMER).first.is_visible()
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/api-docs.png")
    assert violations(page) == []
