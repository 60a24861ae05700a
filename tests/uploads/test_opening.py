import pytest

from screening.audit.models import AuditEvent
from screening.errors import KeyReused, UnknownModel
from screening.flows.offering import open_upload
from screening.results.models import ModelVersion
from screening.uploads.models import Upload, UploadState
from screening.users.models import Role
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def site():
    return SiteFactory()


@pytest.fixture
def user(site):
    return UserFactory(role_at=(site, Role.STAFF))


def opened(site, user, **changes):
    return open_upload(**{"site": site, "user": user, "name": "Monday", "models": [], **changes})


def test_an_upload_is_opened_with_the_newest_version_of_every_active_model(site, user):
    ModelVersionFactory(slug="a", version="1.0.0")
    ModelVersionFactory(slug="a", version="1.1.0")
    ModelVersionFactory(slug="b")
    ModelVersionFactory(slug="c", active=False)

    upload = opened(site, user)

    assert upload.state == UploadState.OPEN
    assert sorted(upload.models_chosen) == ["a@1.1.0", "b@1.0.0"]


def test_opening_is_audited_without_the_name_which_may_be_a_patients(site, user):
    upload = opened(site, user, name="Doe, Jane")

    event = AuditEvent.objects.get(chain=f"upload:{upload.pk}")
    assert (event.action, event.actor) == ("upload:opened", f"user:{user.pk}")
    assert "Doe" not in str(event.detail)


def test_an_unknown_model_opens_nothing(site, user):
    with pytest.raises(UnknownModel):
        opened(site, user, models=["none"])

    assert not Upload.objects.exists()
    assert not AuditEvent.objects.exists()


def test_the_same_key_gives_the_same_upload(site, user):
    first = opened(site, user, idempotency_key="k")

    again = opened(site, user, idempotency_key="k")

    assert again == first
    assert Upload.objects.count() == 1
    assert AuditEvent.objects.count() == 1


def test_the_same_key_with_another_request_is_refused(site, user):
    first = opened(site, user, idempotency_key="k")

    with pytest.raises(KeyReused, match="priority"):
        opened(site, user, idempotency_key="k", priority="urgent")

    assert Upload.objects.get() == first


@pytest.mark.parametrize("models", [[], ["a"]])
def test_the_same_request_gives_the_same_upload_also_once_other_models_would_be_chosen(site, user, models):
    ModelVersionFactory(slug="a", version="1.0.0")
    first = opened(site, user, idempotency_key="k", models=models)
    ModelVersionFactory(slug="a", version="1.1.0")
    assert opened(site, user, idempotency_key="k", models=models) == first

    ModelVersion.objects.update(active=False)

    assert opened(site, user, idempotency_key="k", models=models) == first
    with pytest.raises(KeyReused, match="models_asked"):
        opened(site, user, idempotency_key="k", models=["b"])


def test_the_same_key_of_another_person_is_another_key(site, user):
    opened(site, user, idempotency_key="k")

    opened(site, UserFactory(role_at=(site, Role.STAFF)), idempotency_key="k")

    assert Upload.objects.count() == 2


def test_without_a_key_every_request_opens_an_upload(site, user):
    opened(site, user)
    opened(site, user)

    assert Upload.objects.count() == 2
