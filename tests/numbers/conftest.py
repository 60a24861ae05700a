"""A site with two administrators and one model version."""

import pytest

from screening.users.models import Role
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory


@pytest.fixture
def site():
    return SiteFactory()


@pytest.fixture
def ada(site):
    return UserFactory(username="ada", role_at=(site, Role.ADMIN))


@pytest.fixture
def bea(site):
    return UserFactory(username="bea", role_at=(site, Role.ADMIN))


@pytest.fixture
def version():
    return ModelVersionFactory()
