"""The same drawn objects by C-STORE, by STOW-RS and as a folder: the same scores, and given back valid.

The short form belongs to every test run, with a model that does nothing; the whole one is `make faults`.
"""

import json
import math
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from dicomweb_client import DICOMwebClient
from django.core.management import call_command
from django.db.models import QuerySet
from pydicom import Dataset, dcmread, dcmwrite

from ml.models.card import model_hash
from ml.vocabulary import pseudonymous_uid
from screening.audit.actor import Actor
from screening.dicomweb.models import DicomHeader
from screening.dicomweb.senders import add_sender
from screening.flows.integrity import find_violations
from screening.results.models import Screening, ScreeningState
from screening.studies.models import Image
from screening.uploads.models import Item, ItemState, Upload, UploadState
from screening.users.keys import site_key
from screening.users.models import Role, Scope, Site, User
from tests.benchmarks.sending import send
from tests.dicomweb.conftest import object_of
from tests.dicomweb.test_listener_process import listening, needs_dcmtk
from tests.dicomweb.test_server import session_of, token_of, web_of
from tests.factories import SiteFactory, UserFactory
from tests.faults.service import noop_model, say, service_of, wait_until_finished
from tests.shipped import MODELS, twin
from tests.workers.processes import until

Build = Callable[..., dict[str, str]]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800), needs_dcmtk]
FP32 = 1e-6  # of a score, between batches of other sizes
QUIET = "4"  # seconds, in place of a minute
BY_C_STORE, BY_STOW = "C-STORE DCMTK", "STOW-RS"  # names of uploads
DCIODVFY = shutil.which("dciodvfy")


def drawn(count: int, side: int) -> list[bytes]:
    """Drawn radiographs, two in each study."""
    return [object_of(number, study=number // 2, side=side) for number in range(count)]


def results(site: Site) -> dict[tuple[str, str], Screening]:
    """What every model said, by the pixels that it said it of."""
    rows = Screening.objects.filter(site=site).select_related("image", "model_version")
    return {(row.image.pixels_sha256, row.model_version.name): row for row in rows}


def largest_difference(network: Site, beside: Site) -> float:
    """How far the scores of the same pixels lie apart; infinitely where a model answered otherwise at all."""
    here, there = results(network), results(beside)
    same = here.keys() == there.keys() and all(
        (row.state, row.flagged, row.code) == (there[key].state, there[key].flagged, there[key].code)
        for key, row in here.items()
    )
    apart = [abs(row.scores[label] - there[key].scores[label]) for key, row in here.items() for label in row.scores]
    return max(apart, default=0.0) if same else math.inf


def items(site: Site, door: str) -> QuerySet[Item]:
    """What came in by one door. It is one upload, or two where a turn of senders fell into it."""
    return Item.objects.filter(upload__site=site, upload__name=door)


def finished(site: Site, door: str, count: int) -> Callable[[], bool]:
    """Whether so many files came in by a door, and each upload of it was sealed by its quiet period and is finished."""
    going = Upload.objects.filter(site=site, name=door).exclude(state=UploadState.FINISHED)
    return lambda: items(site, door).count() == count and not going.exists()


def errors_of(content: bytes, folder: Path) -> set[str]:
    """What dciodvfy calls an error, without the values."""
    path = folder / "checked.dcm"
    path.write_bytes(content)
    said = subprocess.run([str(DCIODVFY), str(path)], capture_output=True, text=True, check=False)
    lines = (said.stdout + said.stderr).splitlines()
    return {re.sub(r"[= ]?[<{(].*", "", line) for line in lines if line.startswith("Error")}


def bytes_of(dataset: Dataset) -> bytes:
    out = BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def through_three_doors(
    build: Build, folder: Path, *, count: int, side: int, patience: float, **variables: str
) -> dict[str, object]:
    """Send by C-STORE, then by STOW-RS, then as a folder to another site; ask all of it back. What was found."""
    network, beside = SiteFactory(), SiteFactory()
    user: User = UserFactory(role_at=(network, Role.INTEGRATOR))
    add_sender(site=network, user=user, ae_title="DCMTK", network="127.0.0.1", actor=Actor.service("test"))
    objects = drawn(count, side)
    files = []
    (folder / "sent").mkdir()
    for number, content in enumerate(objects):
        files.append(folder / "sent" / f"{number:03}.dcm")
        files[-1].write_bytes(content)

    with service_of(build, folder, DICOM_QUIET_SECONDS=QUIET, **variables) as service:
        service.start()

        def build_beside(**more: str) -> dict[str, str]:
            return build(REDIS_URL=service.broker.url, DICOM_QUIET_SECONDS=QUIET, **more)

        with listening(build_beside, folder) as listener, web_of(build_beside, folder) as address:
            started = time.monotonic()
            sent = listener.send(*files)
            seconds = [time.monotonic() - started]
            until(
                finished(network, BY_C_STORE, count), patience, f"C-STORE not finished:\n{service.tails()}", every=0.2
            )
            client = DICOMwebClient(
                f"{address}/dicomweb", session=session_of(token_of(user, network, Scope.UPLOAD, Scope.READ))
            )
            started = time.monotonic()
            answer = client.store_instances([dcmread(BytesIO(content)) for content in objects])
            seconds.append(time.monotonic() - started)
            until(finished(network, BY_STOW, count), patience, f"STOW-RS not finished:\n{service.tails()}", every=0.2)
            upload = send(beside, UserFactory(role_at=(beside, Role.STAFF)), objects)
            wait_until_finished(service, upload, patience)
            until(lambda: DicomHeader.objects.filter(site=network).count() == count, 120, "no headers", every=0.2)
            found = client.search_for_studies(limit=1000)
            back = [one for study in found for one in client.retrieve_study(study["0020000D"]["Value"][0])]
            metadata = [one for study in found for one in client.retrieve_study_metadata(study["0020000D"]["Value"][0])]

    say(figure="dicom_sent", objects=count, c_store_s=round(seconds[0], 1), stow_s=round(seconds[1], 1))
    return {
        "storescu": sent.returncode,
        "stored": len(answer.ReferencedSOPSequence),
        "failed": len(getattr(answer, "FailedSOPSequence", [])),
        "by_c_store": dict(Counter(items(network, BY_C_STORE).values_list("state", flat=True))),
        "by_stow": dict(Counter(items(network, BY_STOW).values_list("state", flat=True))),
        "pictures": Image.objects.filter(site=network).count(),
        "scored": Screening.objects.filter(site=network, state=ScreeningState.SCORED).count(),
        "distinct_scores": len({str(row) for row in Screening.objects.filter(site=network).values_list("scores")}),
        "largest_difference": largest_difference(network, beside),
        "studies": len(found),
        "same_metadata": sorted(str(one["00080018"]["Value"]) for one in metadata)
        == sorted(str([one.SOPInstanceUID]) for one in back),
        "violations": len(list(find_violations())),
        **given_back(network, objects, back, folder),
    }


def given_back(site: Site, objects: list[bytes], back: list[Dataset], folder: Path) -> dict[str, object]:
    """Hold what came back against what was sent."""
    key = site_key(site.pk)
    by_uid = {str(one.SOPInstanceUID): one for one in back}
    same, new_errors = 0, set()
    for content in objects:
        original = dcmread(BytesIO(content))
        kept = by_uid[pseudonymous_uid(key, str(original.SOPInstanceUID))]
        same += np.array_equal(original.pixel_array, kept.pixel_array)
        if DCIODVFY:
            new_errors |= errors_of(bytes_of(kept), folder) - errors_of(content, folder)
    return {"given_back": len(back), "same_pixels": same, "new_errors": sorted(new_errors)}


def expected(count: int, models: int) -> dict[str, object]:
    return {
        "storescu": 0,
        "stored": count,
        "failed": 0,
        "by_c_store": {ItemState.ACCEPTED: count},
        "by_stow": {ItemState.DUPLICATE: count},
        "pictures": count,
        "scored": count * models,
        "studies": count // 2,
        "same_metadata": True,
        "violations": 0,
        "given_back": count,
        "same_pixels": count,
        "new_errors": [],
    }


def test_twelve_objects_by_three_doors_are_screened_once_and_come_back(
    child_environment: Build, tmp_path: Path
) -> None:
    noop_model()

    found = through_three_doors(child_environment, tmp_path, count=12, side=64, patience=240, FAULT_NOOP="0.001")

    assert found.pop("distinct_scores") == 1  # of a model that does nothing
    assert found.pop("largest_difference") == 0.0
    assert found == expected(12, models=1)


def unrefusing_model(root: Path) -> None:
    """Register a shipped model without its refusal of strange pictures, which drawn ones all are."""
    folder = twin("xray-covid-3class", root, "xray-drawn")
    copytree(MODELS / "modality-gate", root / "modality-gate")
    card = json.loads((folder / "card.json").read_text())
    card["ood"]["threshold"] = 1e9
    (folder / "card.json").write_text(json.dumps(card | {"model_sha256": model_hash(card)}))
    call_command("register_model", str(folder))


@pytest.mark.campaign
def test_two_hundred_objects_by_three_doors_get_the_same_scores_and_come_back(
    child_environment: Build, tmp_path: Path, settings
) -> None:
    root = tmp_path / "models"
    settings.CONFIG = replace(settings.CONFIG, model_root=root)
    unrefusing_model(root)

    found = through_three_doors(child_environment, tmp_path, count=200, side=256, patience=900, MODEL_ROOT=str(root))

    say(figure="dicom_doors", **found)
    distinct, difference = found.pop("distinct_scores"), found.pop("largest_difference")
    assert isinstance(distinct, int)
    assert isinstance(difference, float)
    assert distinct > 100
    assert difference <= FP32
    assert found == expected(200, models=1)
