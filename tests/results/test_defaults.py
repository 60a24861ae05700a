"""Which models are asked where nobody names one."""

import json
import re
import shutil
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse

from ml.models.bundle import list_bundles
from screening.flows.offering import open_upload
from screening.results.models import ModelVersion
from screening.results.selectors import chosen_models, still_active
from screening.users.models import Role
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory
from tests.shipped import bundle_of, name_of
from workers.management.commands import register_model

pytestmark = pytest.mark.django_db

SHIPPED_DEFAULTS = [name_of("ct-covid"), name_of("xray-covid-3class")]


def known(slug: str, **changes: object) -> ModelVersion:
    version = str(changes.pop("version", "1.0.0"))
    card = {"slug": slug, "version": version, "limits": [], **changes.pop("said", {})}
    return ModelVersionFactory(slug=slug, version=version, card=card, **changes)


def names(chosen: list[ModelVersion]) -> list[str]:
    return sorted(version.slug for version in chosen)


@pytest.fixture
def shipped(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register_model, "verify", lambda _: None)  # each is verified in tests/models
    folders = [str(folder) for folder in list_bundles(settings.CONFIG.model_root)]
    call_command("register_model", *folders, stdout=StringIO())


@pytest.fixture
def user():
    return UserFactory(role_at=(SiteFactory(), Role.STAFF))


def test_a_model_that_is_no_default_is_chosen_by_its_name_alone():
    known("three")
    known("two", said={"default": False})

    assert names(chosen_models([])) == ["three"]
    assert names(chosen_models(["two"])) == ["two"]


def test_a_modality_without_a_default_gets_all_of_its_models():
    known("slices", modality="ct")
    known("one", said={"default": False})
    known("two", said={"default": False})
    known("retired", active=False)

    assert names(chosen_models([])) == ["one", "slices", "two"]


def test_an_upload_under_way_goes_on_with_the_newest_version_of_a_model_that_was_retired():
    known("slices", modality="ct")
    known("three", version="1.0.0", active=False)
    known("three", version="1.1.0")
    known("three", version="1.2.0")
    known("gone", active=False)

    asked = still_active(["slices@1.0.0", "three@1.0.0", "gone@1.0.0"])

    assert [version.name for version in asked] == ["slices@1.0.0", "three@1.2.0"]
    assert [version.name for version in still_active(["three@1.1.0"])] == ["three@1.1.0"]


def test_the_newest_version_decides_whether_a_model_is_a_default():
    known("other")
    known("three", version="1.0.0")
    known("three", version="1.1.0", said={"default": False})

    assert names(chosen_models([])) == ["other"]


def test_the_shipped_models_are_asked_as_before_where_nobody_names_one(shipped, user):
    upload = open_upload(site=user.memberships.get().site, user=user, name="Monday", models=[])

    assert sorted(upload.models_chosen) == SHIPPED_DEFAULTS
    assert ModelVersion.objects.count() == 4


def test_the_upload_page_offers_every_model_and_ticks_the_defaults(shipped, user, client):
    client.force_login(user)

    page = client.get(reverse("desk:upload")).content.decode()

    boxes = re.findall(r'<input type="checkbox" name="models" value="([^"]+)"( checked)?', page)
    assert sorted(name for name, ticked in boxes if ticked) == SHIPPED_DEFAULTS
    assert len(boxes) == 4


def test_the_page_of_models_says_which_are_asked_only_where_chosen(shipped, user, client):
    client.force_login(user)

    assert client.get(reverse("review:models")).content.decode().count("only where chosen") == 2


def test_registering_a_corrected_card_changes_what_is_a_default(
    settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(register_model, "verify", lambda _: None)
    monkeypatch.setattr(register_model, "_below_root", lambda folder: folder.name)
    folder = tmp_path / "ct-covid" / "1.0.0"
    shutil.copytree(bundle_of("ct-covid"), folder)
    call_command("register_model", str(folder), stdout=StringIO())
    before = ModelVersion.objects.get()
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"default": False}))

    call_command("register_model", str(folder), stdout=StringIO())

    after = ModelVersion.objects.get()
    assert (before.is_default, after.is_default) == (True, False)
    assert after.sha256 == before.sha256
