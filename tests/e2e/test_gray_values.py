"""The gray values on the screen are those that pydicom makes of the file, to one level: read back from the canvas."""

import base64
from pathlib import Path

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image as Picture
from playwright.sync_api import expect
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from ml.images.deep import make_deep
from ml.images.gray import to_bytes
from ml.images.read import Options, process_file
from screening.flows.deep import deep_path
from screening.uploads.storage import blob_folder
from screening.users.models import Role
from tests.factories import ImageFactory, SiteFactory, StudyFactory, UploadFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

READ = """() => { const c = document.querySelector('[data-viewer] canvas');
  const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
  let text = ''; for (let at = 0; at < data.length; at += 4) text += String.fromCharCode(data[at]);
  return [c.width, c.height, btoa(text)]; }"""


def study_of(name, **more):
    """Keep a file of pydicom's as ingest would, and give the picture."""
    source = Path(get_testdata_file(name, download=False))
    site = SiteFactory()
    made = StudyFactory(upload=UploadFactory(site=site, finished=True), ready=True, **more)
    image = ImageFactory(study=made, source_name="source.dcm", kind="dicom")
    folder = blob_folder(image.site_id, image.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    processed = process_file(source, folder, Options(key=b"k" * 32))
    picture = processed.pictures[0]
    image.rows, image.columns, image.facts = picture.rows, picture.columns, processed.facts
    image.save()
    return image, UserFactory(role_at=(site, Role.REVIEWER))


def make_deep_of(image):
    path = deep_path(image)
    path.with_name("made").write_bytes(make_deep(path.parent / image.source_name, 0))
    path.with_name("made").replace(path)


def open_deep(enter, reader, image):
    page = enter(reader, reverse("review:study", args=[image.study_id]))
    page.wait_for_selector('[data-stage][data-depth="16"]')
    return page


def on_screen(page, rows, columns):
    """The gray values of the canvas at 100 %, and those places of the picture that it shows."""
    page.keyboard.press("o")
    expect(page.locator("[data-zoom]")).to_have_text("100 %")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    width, height, text = page.evaluate(READ)
    canvas = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width)
    left, top = (int(np.floor((of - side) / 2 + 0.5)) for of, side in ((width, columns), (height, rows)))
    across = slice(max(0, -left), min(columns, width - left))
    down = slice(max(0, -top), min(rows, height - top))
    seen = canvas[down.start + top : down.stop + top, across.start + left : across.stop + left]
    assert seen.size > 10_000
    return seen.astype(int), (down, across)


def by_pydicom(dataset):
    """Modality LUT, VOI LUT, scaled by the nominal range of the output, inverted once; 0..255."""
    real = apply_modality_lut(dataset.pixel_array, dataset)
    low, high = 0, 2 ** int(dataset.BitsStored) - 1
    if "ModalityLUTSequence" in dataset:
        high = 2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
    elif "RescaleSlope" in dataset:
        if dataset.PixelRepresentation:
            low, high = -(2 ** (int(dataset.BitsStored) - 1)), 2 ** (int(dataset.BitsStored) - 1) - 1
        low, high = (end * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept) for end in (low, high))
    if "VOILUTSequence" in dataset:
        high = 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
    unit = (apply_voi_lut(real, dataset).astype(float) - low) / (high - low)
    return to_bytes(1 - unit if dataset.PhotometricInterpretation == "MONOCHROME1" else unit).astype(int)


@pytest.mark.parametrize("name", ["RG1_UNCR.dcm", "RG3_UNCR.dcm", "vlut_04.dcm", "mlut_18.dcm"])
def test_a_radiograph_and_files_with_tables_are_seen_as_pydicom_computes_them(enter, name):
    image, reader = study_of(name)
    make_deep_of(image)
    expected = by_pydicom(dcmread(get_testdata_file(name, download=False)))

    seen, where = on_screen(open_deep(enter, reader, image), *expected.shape)

    assert np.abs(seen - expected[where]).max() <= 1
    assert len(np.unique(seen)) > 16


def test_a_picture_in_colour_is_seen_as_its_luma(enter):
    name = "SC_rgb.dcm"
    image, reader = study_of(name)
    make_deep_of(image)
    expected = np.asarray(Picture.fromarray(dcmread(get_testdata_file(name, download=False)).pixel_array).convert("L"))
    page = open_deep(enter, reader, image)
    page.keyboard.press("o")

    seen, where = on_screen(page, *expected.shape) if expected.size > 10_000 else _small(page, expected)

    assert np.abs(seen - expected.astype(int)[where]).max() <= 1


def _small(page, expected):
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    width, height, text = page.evaluate(READ)
    canvas = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width).astype(int)
    rows, columns = expected.shape
    left, top = int(np.floor((width - columns) / 2 + 0.5)), int(np.floor((height - rows) / 2 + 0.5))
    return canvas[top : top + rows, left : left + columns], (slice(None), slice(None))


CT_WINDOWS = {"l": (-600, 1500), "m": (40, 400), "b": (400, 1800)}


@pytest.mark.parametrize("name", ["CT_small.dcm", "693_J2KI.dcm"])
def test_a_ct_slice_is_seen_through_every_window_as_pydicom_computes_it(enter, name):
    image, reader = study_of(name, modality="ct")
    make_deep_of(image)
    dataset = dcmread(get_testdata_file(name, download=False))
    windows = dict(CT_WINDOWS)
    if "WindowCenter" in dataset:
        windows["d"] = (float(dataset.WindowCenter), float(dataset.WindowWidth))
    page = open_deep(enter, reader, image)
    padding = dataset.pixel_array == dataset.get("PixelPaddingValue", 2**20)

    for key, (center, width) in windows.items():
        dataset.WindowCenter, dataset.WindowWidth = center, width
        page.keyboard.press(key)
        expected = np.where(padding, 0, by_pydicom(dataset))
        seen, where = on_screen(page, *expected.shape)

        assert np.abs(seen - expected[where]).max() <= 1, key


def test_turned_mirrored_and_inverted_the_values_stay_and_only_their_places_change(enter):
    image, reader = study_of("vlut_04.dcm")
    make_deep_of(image)
    page = open_deep(enter, reader, image)
    upright, _ = on_screen(page, 512, 512)

    for key in "tx":
        page.keyboard.press(key)
    turned, _ = on_screen(page, 512, 512)
    page.keyboard.press("i")
    inverted, _ = on_screen(page, 512, 512)

    assert np.array_equal(turned, np.rot90(upright, -1)[:, ::-1])
    assert np.array_equal(inverted, 255 - turned)


SHIFTS = """() => { window.shifts = 0;
  const add = (list) => { for (const entry of list.getEntries()) window.shifts += entry.value; };
  new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: true }); }"""


def test_the_preview_is_seen_at_once_and_all_gray_values_take_its_place_without_moving_anything(enter):
    image, reader = study_of("RG1_UNCR.dcm")
    deep_path(image).unlink(missing_ok=True)
    page = enter(reader, reverse("review:study", args=[image.study_id]))
    page.evaluate(SHIFTS)
    page.wait_for_selector("[data-viewer][data-ready]")
    expect(page.locator("[data-depth-word]")).to_have_text("preview, 8 bit")
    box = page.locator("[data-viewer] canvas").bounding_box()
    before = np.frombuffer(base64.b64decode(page.evaluate(READ)[2]), np.uint8).astype(int)

    make_deep_of(image)  # as the worker does when the page asks
    page.wait_for_selector('[data-stage][data-depth="16"]')
    expect(page.locator("[data-depth-word]")).to_have_text("all gray values")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    after = np.frombuffer(base64.b64decode(page.evaluate(READ)[2]), np.uint8).astype(int)

    assert page.locator("[data-viewer] canvas").bounding_box() == box
    assert np.abs(after - before).mean() < 3  # the same picture through the same window, finer
    assert page.evaluate("window.shifts") == 0
