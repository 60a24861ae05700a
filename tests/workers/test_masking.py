"""Burned-in text from the site's setting to what is kept: by real decoding children."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from screening.audit.actor import Actor
from screening.flows.integrity import find_violations
from screening.flows.purge import purge_upload
from screening.people.members import set_policy
from screening.results.models import ModelVersion, Screening
from screening.results.selectors import why
from screening.studies.models import Image
from screening.studies.values import ItemOutcome
from screening.uploads.models import Item, ItemState, Upload
from screening.uploads.storage import blob_folder
from screening.users.models import Site
from tests.phantoms import dicom_file, radiograph, with_text
from workers import ingest
from workers.crew import Stop
from workers.decoders import decode
from workers.ingest import ingest_chunk
from workers.planes import load_planes

pytestmark = pytest.mark.django_db(transaction=True)
Send = Callable[..., Upload]
CLEAN = (radiograph(512, 480) * 0.8).astype(np.uint8)
BURNED = with_text(CLEAN, size=18, at=(200, 100))
FILES = {"a.dcm": dicom_file(BURNED)}


def decide(site: Site, *, mask_text: bool, hold_burned_in: bool = False) -> None:
    set_policy(site_id=site.pk, hold_burned_in=hold_burned_in, mask_text=mask_text, actor=Actor.service("test"))


def ingest_all() -> None:
    while ingest_chunk(Stop()):
        pass


def states(upload: Upload) -> list[str]:
    return list(Item.objects.filter(upload=upload).values_list("state", flat=True))


def folder() -> Path:
    image = Image.objects.get()
    return blob_folder(image.site_id, image.sha256)


def kept_pixels() -> np.ndarray:
    return dcmread(folder() / "source.dcm").pixel_array


def holds_text() -> bool:
    return bool((kept_pixels()[np.abs(BURNED.astype(int) - CLEAN) > 40] > 200).any())


def test_by_default_text_is_noted_and_the_picture_stays_as_it_came(upload_of: Send, noop: ModelVersion) -> None:
    upload_of(FILES)

    ingest_all()

    assert np.array_equal(kept_pixels(), BURNED)
    assert "text_seen" in Image.objects.get().notes
    assert Screening.objects.get().state == "waiting"


def test_text_is_gone_where_the_site_says_so_and_the_note_says_how_much(
    upload_of: Send, noop: ModelVersion, site: Site
) -> None:
    decide(site, mask_text=True)
    upload_of(FILES)

    ingest_all()

    image = Image.objects.get()
    assert not holds_text()
    assert [note for note in image.notes if note.startswith("text")] == ["text_masked:3"]
    row = Screening.objects.get()
    row.state, row.scores, row.thresholds = "scored", {"covid": 0.1}, {"covid": 0.5}
    assert "Regions that seemed to hold burned-in text were filled with black: 3." in why(row)
    assert load_planes([image])[0] is not None
    assert list(find_violations()) == []


def test_a_picture_held_back_for_its_text_is_let_through_once_it_is_masked(
    upload_of: Send, noop: ModelVersion, site: Site
) -> None:
    decide(site, mask_text=False, hold_burned_in=True)
    upload_of(FILES)
    ingest_all()
    held = Image.objects.get().not_assessed

    decide(site, mask_text=True, hold_burned_in=True)
    purge_upload(upload_id=Upload.objects.get().pk, actor=Actor.service("test"))
    upload_of(FILES)
    ingest_all()

    assert (held, Image.objects.get().not_assessed) == ("burned_in_held_back", "")


def test_what_the_site_holds_stays_unmasked_when_sent_again_until_it_is_purged(
    upload_of: Send, noop: ModelVersion, site: Site
) -> None:
    first = upload_of(FILES)
    ingest_all()
    before = Image.objects.get()
    decide(site, mask_text=True)

    again = upload_of(FILES)
    ingest_all()

    image = Image.objects.get()
    assert states(again) == [ItemState.DUPLICATE]
    assert (image.pk, image.plane_sha256, image.notes) == (before.pk, before.plane_sha256, before.notes)
    assert holds_text()

    purge_upload(upload_id=first.pk, actor=Actor.service("test"))
    third = upload_of(FILES)
    ingest_all()

    assert states(third) == [ItemState.ACCEPTED]
    assert not holds_text()
    assert Image.objects.get().plane_sha256 != before.plane_sha256
    assert list(find_violations()) == []


def test_a_policy_that_changes_while_a_file_is_decoded_counts_for_it(
    upload_of: Send, noop: ModelVersion, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = upload_of(FILES)
    decoded: list[bool] = []

    def decode_and_decide(item: Item, out: Path) -> ItemOutcome:
        outcome = decode(item, out)
        decoded.append(item.upload.site.mask_text)
        decide(site, mask_text=True)
        return outcome

    monkeypatch.setattr(ingest, "decode", decode_and_decide)

    ingest_all()

    assert decoded == [False, True]
    assert states(upload) == [ItemState.ACCEPTED]
    assert not holds_text()
    assert list(find_violations()) == []


def test_bytes_that_another_worker_brought_meanwhile_are_not_replaced(
    upload_of: Send, noop: ModelVersion, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = upload_of(FILES, sealed=False), upload_of(FILES, sealed=False)
    late = Item.objects.get(upload=quick)
    Item.objects.filter(pk=late.pk).update(state=ItemState.EXPECTED)  # not yet there when the slow one is claimed
    inner: list[object] = []

    def overtaken(item: Item, out: Path) -> ItemOutcome:
        outcome = decode(item, out)
        if not inner:
            inner.append("once")
            Item.objects.filter(pk=late.pk).update(state=ItemState.RECEIVED)
            ingest_chunk(Stop())
            inner.append(folder().stat().st_ino)
        return outcome

    monkeypatch.setattr(ingest, "decode", overtaken)

    ingest_all()

    assert sorted(states(slow) + states(quick)) == [ItemState.ACCEPTED, ItemState.DUPLICATE]
    assert folder().stat().st_ino == inner[1]
    assert list(find_violations()) == []
