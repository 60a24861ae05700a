import numpy as np
import pytest
from PIL import Image, ImageFilter
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from ml.images import masking
from ml.images.read import Limits, rebuild_plane
from ml.images.text import Region
from ml.vocabulary import NotAssessed, Note
from tests import phantoms

CLEAN = (phantoms.radiograph(512, 480) * 0.8).astype(np.uint8)
BURNED = phantoms.with_text(CLEAN, size=18, at=(200, 100))  # within what the plane shows
INK = np.abs(BURNED.astype(int) - CLEAN) > 40
BESIDE = np.asarray(Image.fromarray(INK.astype(np.uint8)).filter(ImageFilter.MaxFilter(5))).astype(bool) & ~INK


def readable(shown):
    """By how many gray values the letters still differ from what lies next to them."""
    return abs(float(shown[INK].mean() - shown[BESIDE].mean()))


def of_size(shown, size=(480, 512)):
    return np.asarray(Image.fromarray(shown).resize(size)).astype(int)


def on_plane(plane):
    """The plane at the size and place of the picture that it was made of."""
    shown = np.zeros((512, 480), int)
    top, left = round(512 * 0.06), round(480 * 0.06)
    shown[top : 512 - top, left : 480 - left] = of_size(plane, (480 - 2 * left, 512 - 2 * top))
    return shown


def codes_of(outcome):
    return {item.CodeValue for item in outcome.kept().DeidentificationMethodCodeSequence}


def as_16_bits(gray):
    return (gray.astype(np.uint16) << 4) | 5


PLAIN = {
    "png": phantoms.png_file,
    "rgb png": lambda gray: phantoms.png_file(gray, "rgb"),
    "16-bit png": lambda gray: phantoms.png_file(gray.astype(np.uint16) * 257, "gray16"),
    "12 bits in a 16-bit png": lambda gray: phantoms.png_file(as_16_bits(gray), "gray16"),
    "jpeg": phantoms.jpeg_file,
}
COLOUR = {"photometric": "RGB", "window": None}
DICOM = {
    "native": {},
    "implicit": {"syntax": ImplicitVRLittleEndian},
    "big endian, 12 bits": {"bits": 12, "window": (2048, 4096), "syntax": ExplicitVRBigEndian},
    "12 bits": {"bits": 12, "window": (2048, 4096)},
    "12 bits without a window": {"bits": 12, "window": None},
    "monochrome1": {"photometric": "MONOCHROME1"},
    "monochrome1, 12 bits": {"photometric": "MONOCHROME1", "bits": 12, "window": (2048, 4096)},
    "jpeg": {"syntax": JPEGBaseline8Bit},
    "jpeg 2000, 12 bits": {"bits": 12, "window": (2048, 4096), "syntax": JPEG2000Lossless},
    "jpeg-ls": {"syntax": JPEGLSLossless},
    "rle, 12 bits": {"bits": 12, "window": (2048, 4096), "syntax": RLELossless},
    "rgb": COLOUR,
    "rgb, jpeg 2000": COLOUR | {"syntax": JPEG2000Lossless},
}


def sent(gray, properties):
    stored = as_16_bits(gray) if properties.get("bits") == 12 else gray
    if properties.get("photometric") == "MONOCHROME1":
        stored = (4095 if stored.dtype == np.uint16 else 255) - stored
    if properties.get("photometric") == "RGB":
        stored = np.repeat(stored[:, :, None], 3, axis=2)
    return phantoms.dicom_file(stored.astype(stored.dtype), **properties)


def shown_of(outcome, properties):
    """The kept pixels in gray levels, as other programs decode them."""
    kept = outcome.kept().pixel_array.astype(float)
    kept = kept.mean(axis=2) if kept.ndim == 3 else kept
    kept = kept / 16 if properties.get("bits") == 12 else kept
    return 255 - kept if properties.get("photometric") == "MONOCHROME1" else kept


def assert_gone(outcome, kept):
    with Image.open(outcome.out / "0.jpg") as preview:
        shown = np.asarray(preview).astype(int)
    for picture in (kept, shown, on_plane(outcome.plane())):
        assert readable(picture) < 3
    assert Note.TEXT_MASKED in outcome.picture.notes
    assert Note.TEXT_SEEN not in outcome.picture.notes
    assert outcome.picture.masked == 3
    assert rebuild_plane(outcome.source, 0) == outcome.plane().tobytes()


@pytest.mark.parametrize("kind", PLAIN)
def test_name_in_the_pixels_of_a_plain_picture_is_gone_from_all_that_is_kept(kind, read):
    data = PLAIN[kind](BURNED)

    open_, masked = read(data), read(data, mask_text=True)

    assert readable(on_plane(open_.plane())) > 50
    assert (Note.TEXT_SEEN in open_.picture.notes, open_.picture.masked) == (True, 0)
    assert_gone(masked, of_size(np.asarray(Image.open(masked.source)).astype(np.float32)))
    assert masked.processed.pixels_sha256 == open_.processed.pixels_sha256
    assert masked.picture.plane_sha256 != open_.picture.plane_sha256


@pytest.mark.parametrize("kind", DICOM)
def test_name_in_the_pixels_of_a_dicom_file_is_gone_from_all_that_is_kept(kind, read):
    data = sent(BURNED, DICOM[kind])

    open_, masked = read(data), read(data, mask_text=True)

    assert readable(shown_of(open_, DICOM[kind])) > 50
    assert Note.TEXT_SEEN in open_.picture.notes
    assert_gone(masked, shown_of(masked, DICOM[kind]))
    assert (codes_of(open_), codes_of(masked)) == ({"113107"}, {"113101", "113107"})
    assert masked.processed.pixels_sha256 == open_.processed.pixels_sha256
    assert masked.picture.plane_sha256 != open_.picture.plane_sha256


def test_what_is_not_masked_stays_as_it_was(read):
    data = phantoms.dicom_file(as_16_bits(BURNED), bits=12, window=(2048, 4096), syntax=JPEG2000Lossless)

    kept = read(data, mask_text=True).kept()

    changed = kept.pixel_array != as_16_bits(BURNED)
    rows, columns = np.nonzero(changed)
    assert (rows.min() > 180, rows.max() < 290, columns.min() > 80, columns.max() < 420) == (True,) * 4
    assert kept.file_meta.TransferSyntaxUID == RLELossless
    assert np.all(kept.pixel_array[changed] == as_16_bits(BURNED).min())
    assert "LossyImageCompression" not in kept


def test_native_pixels_stay_in_their_syntax_and_lossy_ones_say_so_still(read):
    native = read(phantoms.dicom_file(BURNED, syntax=ExplicitVRBigEndian), mask_text=True).kept()
    lossy = read(phantoms.dicom_file(BURNED, syntax=JPEGBaseline8Bit), mask_text=True).kept()

    assert native.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
    assert (lossy.file_meta.TransferSyntaxUID, lossy.LossyImageCompression) == (RLELossless, "01")


def palette(colours):
    """Change a gray object to one of a palette, uint8, shape `(256, 3)`."""

    def change(made):
        made.SamplesPerPixel = 1
        made.PhotometricInterpretation = "PALETTE COLOR"
        for number, colour in enumerate(("Red", "Green", "Blue")):
            setattr(made, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 8])
            setattr(made, f"{colour}PaletteColorLookupTableData", colours[:, number].tobytes())

    return change


GRAYS = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, RLELossless])
def test_masked_picture_keeps_its_palette(syntax, read):
    data = phantoms.dicom_file(BURNED, window=None, change=palette(GRAYS), syntax=syntax)

    masked = read(data, mask_text=True)

    kept = masked.kept()
    assert_gone(masked, kept.pixel_array.astype(float))
    assert (kept.PhotometricInterpretation, kept.SamplesPerPixel, kept.BitsAllocated) == ("PALETTE COLOR", 1, 8)


def test_masked_frames_of_a_palette_are_not_refused_for_the_room_that_their_colours_would_take(read):
    def wide(made):
        palette(GRAYS)(made)
        for colour in ("Red", "Green", "Blue"):
            setattr(made, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
            setattr(made, f"{colour}PaletteColorLookupTableData", (np.arange(256, dtype="<u2") * 257).tobytes())

    data = phantoms.dicom_file(np.stack([BURNED] * 3), window=None, change=wide)

    masked = read(data, mask_text=True, limits=Limits(max_inflated_bytes=3 * BURNED.size))

    assert [picture.masked for picture in masked.processed.pictures] == [3, 3, 3]
    assert [readable(frame.astype(int)) for frame in masked.kept().pixel_array] == [0, 0, 0]


def test_text_of_one_frame_is_filled_in_all(read):
    frames = np.stack([CLEAN, BURNED, CLEAN])

    masked = read(phantoms.dicom_file(frames), mask_text=True)

    kept = masked.kept().pixel_array.astype(int)
    assert [readable(frame) for frame in kept] == [0, 0, 0]
    assert [picture.masked for picture in masked.processed.pictures] == [3, 3, 3]
    assert np.array_equal(kept[0][:150], frames[0][:150])
    assert [rebuild_plane(masked.source, frame) == masked.plane(frame).tobytes() for frame in range(3)] == [True] * 3


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, JPEG2000Lossless])
def test_signed_slices_of_an_enhanced_object_are_filled_with_their_own_darkest_value(syntax, read):
    clean = np.stack([phantoms.axial_slice(256, seed) for seed in range(2)])
    burned = np.stack([clean[0], phantoms.with_text(clean[1], size=12, at=(4, 30), value=3000)])
    ink = np.abs(burned[1].astype(int) - clean[1]) > 1000

    masked = read(phantoms.file_of(phantoms.enhanced_ct(burned, syntax=syntax)), mask_text=True)

    kept = masked.kept()
    changed = kept.pixel_array != burned
    assert kept.pixel_array.dtype.kind == "i"
    assert (changed[1] >= ink).all()
    filled = [set(kept.pixel_array[frame][changed[frame]].tolist()) for frame in (0, 1)]
    assert [(len(values), max(values) < -900) for values in filled] == [(1, True), (1, True)]
    assert changed.mean() < 0.3
    assert [rebuild_plane(masked.source, n) == masked.plane(n).tobytes() for n in (0, 1)] == [True, True]
    assert {"113101", "113107"} == codes_of(masked)


@pytest.mark.parametrize(
    "data",
    [
        phantoms.dicom_file(phantoms.with_text(CLEAN, ["R"], size=30, at=(20, 20)), syntax=JPEGBaseline8Bit),
        phantoms.dicom_file(as_16_bits(CLEAN), bits=12, window=None, photometric="MONOCHROME1"),
        phantoms.dicom_file(np.stack([CLEAN, CLEAN])),
        phantoms.png_file(phantoms.with_text(CLEAN, ["L"], size=24, at=(20, 400))),
        phantoms.png_file(as_16_bits(CLEAN), "gray16"),
        phantoms.jpeg_file(CLEAN),
    ],
    ids=["marker in jpeg", "12 bits", "two frames", "marker in png", "16-bit png", "jpeg file"],
)
def test_where_no_text_is_nothing_changes_byte_for_byte(data, read):
    open_, masked = read(data), read(data, mask_text=True)

    assert masked.all_bytes() == open_.all_bytes()
    assert masked.processed.pictures == open_.processed.pictures
    assert not {Note.TEXT_SEEN, Note.TEXT_MASKED} & set(masked.picture.notes)
    assert masked.processed.kind != "dicom" or codes_of(masked) == {"113107"}


def test_picture_that_seems_to_hold_text_is_held_back_where_the_site_says_so(read):
    for data in (phantoms.png_file(BURNED), phantoms.dicom_file(BURNED)):
        assert read(data).picture.not_assessed is None
        assert read(data, hold_burned_in=True).picture.not_assessed is NotAssessed.BURNED_IN_HELD
        assert read(data, hold_burned_in=True, mask_text=True).picture.not_assessed is None
    for data in (phantoms.png_file(CLEAN), phantoms.dicom_file(CLEAN)):
        assert read(data, hold_burned_in=True).picture.not_assessed is None


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_letters_that_the_window_hides_in_white_are_found_in_the_stored_values(photometric, read):
    stored = phantoms.with_text(CLEAN.astype(np.uint16), size=18, at=(200, 100), value=900)
    stored = 1000 - stored if photometric == "MONOCHROME1" else stored
    window = (960, 80) if photometric == "MONOCHROME1" else (40, 80)
    data = phantoms.dicom_file(stored, bits=12, window=window, photometric=photometric)

    open_, masked = read(data), read(data, mask_text=True)

    kept = masked.kept().pixel_array.astype(int)
    assert Note.TEXT_SEEN in open_.picture.notes
    assert (readable(open_.kept().pixel_array.astype(int)) > 200, readable(kept)) == (True, 0)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_letters_that_a_window_hides_in_eight_bits_are_gone_from_what_is_kept(photometric, read):
    stored = phantoms.with_text(CLEAN // 2, size=18, at=(200, 100), value=255)
    hidden, window = INK & (CLEAN > 80), (20, 20)
    if photometric == "MONOCHROME1":
        stored, window = 255 - stored, (235, 20)
    data = phantoms.dicom_file(stored, window=window, photometric=photometric)

    open_, masked = read(data), read(data, mask_text=True)

    assert (Note.TEXT_SEEN in open_.picture.notes, Note.TEXT_SEEN in masked.picture.notes) == (True, False)
    assert hidden.sum() > 100
    assert readable(masked.kept().pixel_array.astype(int)) < 3


@pytest.mark.parametrize("kind", ["rgb", "rgb, jpeg 2000", "palette"])
@pytest.mark.parametrize("letters", [(0, 0, 255), (200, 22, 22), (0, 110, 100)])
def test_letters_of_a_colour_as_light_as_what_lies_around_are_gone(letters, kind, read):
    around = np.array([0, 0, 0] if letters[2] == 255 else [76, 76, 76])
    part = phantoms.with_text(np.zeros((512, 480), np.uint8), size=18, at=(200, 100)).astype(float)[:, :, None] / 255
    picture = (around * (1 - part) + np.array(letters) * part).round().astype(np.uint8)
    if kind == "palette":
        levels = np.linspace(0, 1, 256)[:, None] * (np.array(letters) - around) + around
        data = phantoms.dicom_file(
            (part[:, :, 0] * 255).round().astype(np.uint8), window=None, change=palette(levels.round().astype(np.uint8))
        )
    else:
        data = phantoms.dicom_file(picture, **DICOM[kind])

    open_, masked = read(data), read(data, mask_text=True)

    kept = masked.kept().pixel_array.astype(int)
    assert Note.TEXT_SEEN in open_.picture.notes
    assert abs(kept[INK].mean(axis=0) - kept[BESIDE].mean(axis=0)).max() < 3


def test_what_counts_only_when_the_rest_is_filled_is_filled_too(monkeypatch):
    first, second = (Region(row=row, column=10, height=12, width=80, strength=4.0) for row in (10, 60))
    picture = np.full((100, 100), 90, np.uint8)
    picture[15, 20], picture[0, 0] = 200, 1
    looks = []

    def find(gray, _stored):
        looks.append(gray)
        return (second,) if gray[15, 20] == 1 else (first,)

    monkeypatch.setattr(masking, "find_hidden_text", find)

    assert masking.text_of(picture, picture.astype(np.uint16)) == {first, second}
    assert (len(looks), picture[15, 20]) == (3, 200)


def test_header_that_names_text_holds_a_masked_picture_back_all_the_same(read):
    held = read(phantoms.dicom_file(BURNED, burned_in="YES"), hold_burned_in=True, mask_text=True)

    assert held.picture.not_assessed is NotAssessed.BURNED_IN_HELD
    assert held.kept().BurnedInAnnotation == "YES"  # masking is help: nobody vouches that nothing is left


def test_damaged_frame_is_refused_and_not_masked_by_half(tmp_path, read):
    whole = phantoms.dicom_file(BURNED, syntax=JPEG2000Lossless)

    with pytest.raises(Exception, match="The file"):
        read(whole[: len(whole) - 3000], mask_text=True)
