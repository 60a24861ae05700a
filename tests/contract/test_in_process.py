"""Two thousand requests that nobody thought of, as every kind of caller: each is answered as the file announces.

The whole, against the running service, is `make faults`.
"""

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections

from screening.api.throttling import RATES
from screening.api.views import studies
from screening.api.waiting import Watch
from screening.uploads.storage import blob_folder
from screening.users.models import Scope
from tests.contract.cases import Campaign
from tests.route_world import lay_preview, make_world, token_of
from tests.stores import stores
from tests.test_routes import undone

__all__ = ["stores"]
CASES = 2000
TAKING_FILES_AWAY = {"studies_purge", "uploads_purge"}
DJANGO = get_wsgi_application()
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]


def application(environ, start_response):
    """The service; every answer is read to its end and closed, as a server does."""
    answer = DJANGO(environ, start_response)
    try:
        return [b"".join(answer)]
    finally:
        answer.close()


@pytest.fixture(autouse=True)
def one_transaction():
    """Leave the connection of the test open between requests, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def test_two_thousand_drawn_requests_are_answered_as_the_schema_says(stores, monkeypatch):
    monkeypatch.setattr(studies, "WATCH", Watch(most=0))  # who waits is not what is asked here
    world = make_world()
    callers = {scope.value: [token_of(world, "admin", (scope,))] for scope in Scope} | {
        "all": [token_of(world, "admin", tuple(Scope))]
    }

    kept = blob_folder(world.site.pk, world.image.sha256) / "0.jpg"

    def known(operation: str) -> dict[str, str]:
        RATES.forget()
        if operation in TAKING_FILES_AWAY or not kept.exists():
            lay_preview(world.image)
        of_upload = {"upload_id": world.done.pk} if operation.endswith(("receipt", "retry", "csv")) else {}
        return {name: str(key) for name, key in (world.arguments | of_upload).items()}

    schema = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", application)
    campaign = Campaign(schema, callers, known, around=undone)
    campaign.run(CASES)

    assert campaign.failures == [], "\n\n".join(sorted(set(campaign.failures))[:20])
    assert campaign.cases >= CASES
    assert not [status for status in campaign.statuses if status >= 500 and status not in {503, 507}]
    assert set(campaign.by_caller) == {*Scope.values, "all", "nobody"}
    assert {200, 400, 401, 403, 404} <= set(campaign.statuses)
    assert len(campaign.by_operation) == len(list(campaign.operations()))
