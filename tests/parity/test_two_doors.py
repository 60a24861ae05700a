"""The same pictures through the browser and through the API, into two sites: the same scores."""

import csv
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse

from ml.vocabulary import DISCLAIMER_VERSION
from screening.results.models import Screening, ScreeningState
from screening.studies.models import Image
from screening.uploads.models import Upload, UploadState
from screening.users.models import ApiToken, Role, Scope
from tests.e2e.conftest import PATIENCE, browser
from tests.e2e.test_folder_to_answer import PASSWORD, sign_in, workers
from tests.factories import SiteFactory, UserFactory
from tests.faults.service import say
from tests.workers.processes import until

__all__ = ["browser", "workers"]
pytestmark = [pytest.mark.campaign, pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]
SPLITS = ("val", "external")
FP32 = 1e-6


@pytest.fixture
def folder(real_pictures: Path, tmp_path: Path) -> Path:
    """Every radiograph of the splits that no model was trained on, in folders as they lie."""
    folder = tmp_path / "ward"
    with (real_pictures / "manifest.csv").open(newline="", encoding="utf-8") as manifest:
        for row in csv.DictReader(manifest):
            if row["modality"] == "xray" and row["split"] in SPLITS:
                copy = folder / row["path"]
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes((real_pictures / row["path"]).read_bytes())
    return folder


def test_a_folder_gets_the_same_scores_through_the_browser_and_through_the_api(workers, browser, live_server, folder):
    by_browser = sent_by_browser(browser, live_server, folder)
    by_api = sent_by_api(live_server, folder)

    differences = [
        abs(by_browser[key]["scores"][label] - score)
        for key, result in by_api.items()
        for label, score in result["scores"].items()
    ]
    say(
        figure="two_doors",
        results=len(by_api),
        scored=sum(result["outcome"] == "scored" for result in by_api.values()),
        flagged=sum(result["flagged"] for result in by_api.values()),
        largest_difference=max(differences),
        precision=sorted(set(Screening.objects.exclude(precision="").values_list("precision", flat=True))),
    )
    assert by_browser.keys() == by_api.keys()
    assert {sha256 for sha256, _ in by_api} == digests(folder)
    assert all(told(by_browser[key]) == told(by_api[key]) for key in by_api)
    assert max(differences) <= FP32
    assert Counter(Screening.objects.values_list("state", flat=True)).keys() <= {
        ScreeningState.SCORED,
        ScreeningState.INCONCLUSIVE,
    }


def told(result: dict[str, object]) -> tuple[object, ...]:
    return (result["outcome"], result["code"], result["flagged"])


def digests(folder: Path) -> set[str]:
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.*")}


def sent_by_browser(browser, live_server, folder: Path) -> dict[tuple[str, str], dict[str, object]]:
    site = SiteFactory(name="browser")
    user = UserFactory(username="ada", role_at=(site, Role.STAFF))
    user.set_password(PASSWORD)
    user.save()
    context = browser.new_context(base_url=live_server.url, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    sign_in(page, user)
    page.goto(reverse("desk:upload"))
    page.set_input_files("#pick-folder", folder)
    page.get_by_role("button", name=re.compile(r"Send [\d,]+ files")).click()
    page.wait_for_url("**/uploads/*/")
    upload = Upload.objects.get(site=site)
    until(Upload.objects.filter(pk=upload.pk, state=UploadState.FINISHED).exists, 900, "not finished", every=0.5)
    context.close()
    rows = Screening.objects.filter(image__study__site=site).select_related("image", "model_version")
    return {
        (row.image.sha256, row.model_version.name): {
            "outcome": row.state,
            "code": row.code or None,
            "flagged": row.flagged,
            "scores": row.scores,
        }
        for row in rows
    }


def sent_by_api(live_server, folder: Path) -> dict[tuple[str, str], dict[str, object]]:
    site = SiteFactory(name="api")
    user = UserFactory(username="grace", role_at=(site, Role.INTEGRATOR))
    _, token = ApiToken.objects.create(
        user=user,
        name="a script",
        site=site,
        scopes=[Scope.READ, Scope.UPLOAD],
        disclaimer_version=DISCLAIMER_VERSION,
        expiry=timedelta(days=1),
    )
    script = Path(__file__).with_name("by_api.py")
    schema = live_server.url + reverse("api:schema")
    done = subprocess.run(
        [sys.executable, str(script), schema, token, str(folder)],
        cwd=folder,
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == Image.objects.filter(study__site=site).count()  # one model
    return {(line["sha256"], line["model"]): line for line in lines}
