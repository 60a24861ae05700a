"""A site with its administrators, and somebody who runs the installation."""

import json
from dataclasses import replace

import pytest

from screening.users.models import Role
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory


@pytest.fixture
def site():
    return SiteFactory(name="Ward 3")


@pytest.fixture
def ada(site):
    return UserFactory(username="ada", role_at=(site, Role.ADMIN))


@pytest.fixture
def bea(site):
    return UserFactory(username="bea", role_at=(site, Role.ADMIN))


@pytest.fixture
def operator():
    return UserFactory(username="otto", is_superuser=True)


@pytest.fixture
def version(settings, tmp_path):
    """A version whose bundle lies below the model root."""
    settings.CONFIG = replace(settings.CONFIG, model_root=tmp_path)
    made = ModelVersionFactory(slug="xray-test", folder="xray-test/1.0.0")
    folder = tmp_path / made.folder
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps({"model_sha256": made.sha256}))
    return made


@pytest.fixture
def newer(version):
    return ModelVersionFactory(slug=version.slug, version="1.1.0")
