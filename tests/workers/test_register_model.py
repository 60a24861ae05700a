import json
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ml.images import gate
from ml.models.bundle import list_bundles
from screening.results.models import ModelVersion, OperatingPoint
from tests.shipped import bundle_of, whole_copy
from workers.management.commands import register_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def bundle(settings) -> Path:
    return next(path for path in list_bundles(settings.CONFIG.model_root) if path.parent.name != "modality-gate")


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(register_model, "verify", lambda found: names.append(found.card.name))
    return names


def test_a_bundle_is_verified_once_and_passed_over_from_then_on(bundle: Path, verified: list[str]) -> None:
    call_command("register_model", str(bundle), stdout=StringIO())
    call_command("register_model", str(bundle), stdout=StringIO())

    version = ModelVersion.objects.get()
    assert verified == [version.name]
    assert OperatingPoint.objects.filter(model_version=version, site=None).count() == len(
        version.card["operating_points"]
    )


def test_a_bundle_that_fails_its_reference_scores_is_not_registered(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise register_model.BundleError("reference_differs", "It answers otherwise.", "Restore it.")

    monkeypatch.setattr(register_model, "verify", refuse)
    said = StringIO()

    with pytest.raises(CommandError, match="1 of 1"):
        call_command("register_model", str(bundle), stderr=said)

    assert "reference_differs" in said.getvalue()
    assert not ModelVersion.objects.exists()


def test_a_card_with_a_figure_that_json_does_not_know_is_refused(
    bundle: Path, verified: list[str], tmp_path: Path, settings
) -> None:
    copy = tmp_path / "some-model" / "1.0.0"
    shutil.copytree(bundle, copy)
    card = json.loads((copy / "card.json").read_text())
    card["metrics"] = {"auc": float("nan")}
    (copy / "card.json").write_text(json.dumps(card))
    said = StringIO()

    with pytest.raises(CommandError):
        call_command("register_model", str(copy), stderr=said)

    assert "card_not_finite" in said.getvalue()
    assert not ModelVersion.objects.exists()


def test_a_bundle_outside_the_model_root_is_refused(bundle: Path, verified: list[str], tmp_path: Path) -> None:
    copy = tmp_path / "some-model" / "1.0.0"
    shutil.copytree(bundle, copy)

    with pytest.raises(CommandError, match="model root"):
        call_command("register_model", str(copy))

    assert not ModelVersion.objects.exists()


def test_the_gate_is_no_model_and_stands_in_nobodys_way(bundle: Path, verified: list[str]) -> None:
    said = StringIO()

    call_command("register_model", str(gate.BUNDLE), str(bundle), stdout=said)

    assert "nothing to register" in said.getvalue()
    assert ModelVersion.objects.count() == 1


def test_a_version_whose_bundle_is_gone_is_retired_and_comes_back_with_it(
    verified: list[str], tmp_path: Path, settings
) -> None:
    kept, gone = (
        whole_copy(slug, tmp_path / slug / bundle_of(slug).name) for slug in ("ct-covid", "xray-covid-3class")
    )
    settings.CONFIG = replace(settings.CONFIG, model_root=tmp_path)
    call_command("register_model", str(kept), str(gone), stdout=StringIO())
    moved = shutil.move(gone, tmp_path / "elsewhere")
    said = StringIO()

    call_command("register_model", str(kept), stdout=said)

    assert f"{gone.parent.name}@{gone.name} is retired" in said.getvalue()
    assert [version.slug for version in ModelVersion.objects.active()] == [kept.parent.name]
    shutil.move(moved, gone)
    call_command("register_model", str(kept), str(gone), stdout=StringIO())
    assert ModelVersion.objects.active().count() == 2
