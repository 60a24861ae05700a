"""Deep pictures: what a viewer reads from them is what pydicom makes of the file."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from ml.images.deep import MAGIC, make_deep
from ml.images.gray import LUNG, Lut, Window, apply_window, look_up, to_bytes
from ml.images.read import Unreadable
from tests import phantoms


def unpacked(data):
    """Read a file as the viewer does."""
    assert data[:4] == MAGIC
    start = 8 + struct.unpack("<I", data[4:8])[0]
    told, body = json.loads(data[8:start]), zlib.decompress(data[start:])
    voi, body = _table(body, told["voi"]["length"] if told["voi"] else 0)
    modality, body = _table(body, told["modality"])
    count, planes = told["rows"] * told["columns"], np.frombuffer(body, np.uint8).astype(np.int64)
    folded = planes if told["bytes"] == 1 else planes[:count] + (planes[count:] << 8)
    change = (folded >> 1) ^ -(folded & 1)
    pixels = np.cumsum(change) % (1 << 8 * told["bytes"])
    return told, pixels.reshape(told["rows"], told["columns"]), voi, modality


def _table(body, length):
    return np.frombuffer(body, "<u2", length), body[2 * length :]


def shown(data, window):
    told, pixels, voi, modality = unpacked(data)
    levels = told["first"] + told["step"] * np.arange(told["levels"])
    real = modality if told["modality"] else levels * told["slope"] + told["intercept"]
    if voi.size:
        lut = Lut(first=told["voi"]["first"], bits=told["voi"]["bits"], entries=voi)
        unit = look_up(real, lut) / lut.largest
    else:
        [named] = [one for one in told["windows"] if one["name"] == window]
        unit = apply_window(real, Window(named["center"], named["width"], named["function"]))
    return to_bytes(1 - unit if told["inverted"] else unit)[pixels]


def by_pydicom(dataset):
    """Modality LUT, VOI LUT, scaled by the nominal range of the output, inverted once."""
    real = apply_modality_lut(dataset.pixel_array, dataset)
    if "VOILUTSequence" not in dataset:
        return real
    top = 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
    return to_bytes(apply_voi_lut(real, dataset) / top)


@pytest.mark.parametrize("name", ["RG1_UNCR.dcm", "RG3_UNCR.dcm", "CT_small.dcm", "mlut_18.dcm"])
def test_a_deep_picture_holds_what_the_modality_transform_of_pydicom_gives(name):
    path = Path(get_testdata_file(name, download=False))
    told, pixels, _, modality = unpacked(make_deep(path, 0))

    real = modality[pixels] if told["modality"] else (told["first"] + pixels) * told["slope"] + told["intercept"]

    assert np.array_equal(real, by_pydicom(dcmread(path)))


def test_the_table_of_a_file_gives_the_gray_values_that_pydicom_gives():
    path = Path(get_testdata_file("vlut_04.dcm", download=False))

    told = np.abs(shown(make_deep(path, 0), "").astype(int) - by_pydicom(dcmread(path)))

    assert told.max() == 0


def test_ct_begins_with_the_lung_window_and_offers_its_own(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(phantoms.dicom_file(phantoms.axial_slice(), modality="CT", rescale=(1, 0), window=(40, 400)))

    told, *_ = unpacked(make_deep(path, 0))

    assert told["units"] == "HU"
    assert [one["name"] for one in told["windows"]] == ["lung", "file", "auto"]
    assert (told["windows"][0]["center"], told["windows"][0]["width"]) == (LUNG.center, LUNG.width)


def test_padding_is_told_in_pixels_and_counts_in_no_window(tmp_path):
    stored = np.full((40, 40), 100, np.uint16)
    stored[:, :20] = 4000
    stored[0] = 60
    path = tmp_path / "a"
    path.write_bytes(phantoms.dicom_file(stored, bits=12, padding=4000))

    told, pixels, *_ = unpacked(make_deep(path, 0))

    assert told["padding"] == [3940, 3940]
    assert (pixels[5, 0], pixels[5, 30], told["first"]) == (3940, 40, 60)
    assert told["windows"][-1] == {"name": "auto", "center": 80, "width": 40, "function": "LINEAR_EXACT"}


def test_a_plain_picture_keeps_every_value(tmp_path):
    stored = np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16
    path = tmp_path / "a"
    path.write_bytes(phantoms.png_file(stored, "gray16"))

    told, pixels, *_ = unpacked(make_deep(path, 0))

    assert np.array_equal(pixels, stored)
    assert told["windows"][0] == {"name": "file", "center": 32767.5, "width": 65535, "function": "LINEAR_EXACT"}


def test_a_frame_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(phantoms.dicom_file())

    with pytest.raises(Unreadable):
        make_deep(path, 1)
