"""The words that every layer shares. Standard library only: the web side imports this module."""

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


def marked(text: str) -> str:
    """Mark a text that people read in their own language. Here it stays English: the web side translates it."""
    return text


DISCLAIMER: Final = marked("For education only, not a medical device.")
DISCLAIMER_VERSION: Final = "1"

# Changes whenever a plane of the same file would hold other bytes; stored with every screening.
PIPELINE: Final = "plane-1"
# The same of JPEG 2000 read at a half, a quarter or an eighth of its size (docs/adr/0021): close to it, never equal.
REDUCED_PIPELINE: Final = "plane-1r"
PIPELINES: Final = (PIPELINE, REDUCED_PIPELINE)  # a picture is made by one of them; models take planes of both
PLANE_SIDE: Final = 512  # pixels; a plane is PLANE_SIDE x PLANE_SIDE uint8, row by row
PLANE_BORDER: Final = 0.06  # part of each side of a picture that its plane leaves out
LARGE_SIDE: Final = 2048  # pixels: no picture whose longest side is shorter is read at a part of its size
DEEP_FORMAT: Final = 1  # of the file that the viewer reads: ml/images/deep.py; part of the file's name


class Modality(StrEnum):
    """What a picture shows, as far as models care."""

    XRAY = "xray"
    CT = "ct"
    UNKNOWN = "unknown"  # neither could be told; such a picture is never scored


class Note(StrEnum):
    """Something about a picture that a reader should know. Never a reason to leave it out."""

    WINDOW_GUESSED = "window_guessed"
    WINDOW_UNKNOWN = "window_unknown"
    SECONDARY_CAPTURE = "secondary_capture"
    MODALITY_GUESSED = "modality_guessed"
    MODALITY_CORRECTED = "modality_corrected"
    BURNED_IN_UNKNOWN = "burned_in_annotation_unknown"
    BURNED_IN_YES = "burned_in_annotation"
    TEXT_SEEN = "text_seen"
    TEXT_MASKED = "text_masked"  # stored with how many regions: text_masked:3
    PAEDIATRIC = "paediatric_outside_training"
    COLOUR = "colour_made_gray"
    SAME_PICTURE_IN_TWO_STUDIES = "same_picture_in_two_studies"
    LOW_CONTRAST = "low_contrast"
    SMALL = "small_picture"


class NotAssessed(StrEnum):
    """Why a picture has no score. Never to be read as "not flagged"."""

    NOT_CHEST = "not_chest"
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    ORIENTATION = "orientation"
    POLARITY = "polarity"
    WRONG_MODALITY = "wrong_modality"
    WRONG_BODY_PART = "wrong_body_part"
    WRONG_VIEW = "wrong_view"
    RAW_DETECTOR = "raw_detector_image"
    LOCALIZER = "ct_localizer"
    NOT_AXIAL = "ct_not_axial"
    REFORMAT = "ct_reformat"
    BLANK = "blank_picture"
    BURNED_IN_HELD = "burned_in_held_back"


# What a reader may ask for where the gate says that a picture lies wrong; the keys are stable.
CORRECTIONS: Final[dict[NotAssessed, tuple[str, ...]]] = {
    NotAssessed.ORIENTATION: ("turn_right", "turn_around", "turn_left"),
    NotAssessed.POLARITY: ("invert",),
}

NOT_ASSESSED_TEXT: Final[dict[NotAssessed, str]] = {
    NotAssessed.NOT_CHEST: marked("it does not look like a chest radiograph or an axial chest CT slice"),
    NotAssessed.OUT_OF_DISTRIBUTION: marked("it is unlike the pictures that the model was trained on"),
    NotAssessed.ORIENTATION: marked("it seems to lie on its side or upside down; turn it upright and send it again"),
    NotAssessed.POLARITY: marked(
        "black and white seem to be exchanged; invert it, so that air is dark, and send it again"
    ),
    NotAssessed.WRONG_MODALITY: marked("no chosen model is made for this modality"),
    NotAssessed.WRONG_BODY_PART: marked("its header names a body part other than the chest"),
    NotAssessed.WRONG_VIEW: marked("it is not a frontal view"),
    NotAssessed.RAW_DETECTOR: marked("it is raw detector data, not for presentation"),
    NotAssessed.LOCALIZER: marked("it is a CT localizer or a dose report, not an axial slice"),
    NotAssessed.NOT_AXIAL: marked("the slice is more than 20 degrees from axial"),
    NotAssessed.REFORMAT: marked("it is a reformatted or projected CT picture, not a slice as acquired"),
    NotAssessed.BLANK: marked("it is nearly one single gray value"),
    NotAssessed.BURNED_IN_HELD: marked("text may be burned in, and this site holds such pictures back"),
}

NOTE_TEXT: Final[dict[Note, str]] = {
    Note.WINDOW_GUESSED: marked("No display window was stored; gray values were scaled by percentiles."),
    Note.WINDOW_UNKNOWN: marked("The CT window of this picture is unknown."),
    Note.SECONDARY_CAPTURE: marked("A secondary capture, not an original acquisition."),
    Note.MODALITY_GUESSED: marked("The modality was guessed from the picture."),
    Note.MODALITY_CORRECTED: marked("The upload named another modality; the picture was taken for what it is."),
    Note.BURNED_IN_UNKNOWN: marked("The header does not say whether text is burned in."),
    Note.BURNED_IN_YES: marked("Text is burned into the picture."),
    Note.TEXT_SEEN: marked("The picture seems to hold burned-in text."),
    Note.TEXT_MASKED: marked("Regions that seemed to hold burned-in text were filled with black."),
    Note.PAEDIATRIC: marked("A patient under 16: outside what the covid models were trained on."),
    Note.COLOUR: marked("The file was in colour and was turned into gray values."),
    Note.SAME_PICTURE_IN_TWO_STUDIES: marked("The same picture was sent under more than one study."),
    Note.LOW_CONTRAST: marked("Very little contrast."),
    Note.SMALL: marked("The picture is small; detail is missing."),
}


def note_text(code: str) -> str | None:
    """Give the words of a stored note, or None for one that this release does not know.

    Example:
        >>> note_text("text_masked:3")
        'Regions that seemed to hold burned-in text were filled with black: 3.'
    """
    name, _, count = code.partition(":")
    if name not in set(Note):
        return None
    text = NOTE_TEXT[Note(name)]
    return f"{text[:-1]}: {count}." if count else text


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file was not taken, in words for the person who sent it."""

    message: str
    what_to_do: str


# Codes are stable: integrators match on them. An unknown decoder failure is `unreadable`.
REFUSALS: Final[dict[str, Refusal]] = {
    "empty_file": Refusal(marked("The file is empty."), marked("Send it again from the source.")),
    "too_large": Refusal(
        marked("The file is larger than this service accepts."),
        marked("Send a smaller file or ask the operator to raise the limit."),
    ),
    "not_readable": Refusal(
        marked("The sender could not read the file."),
        marked("Check that it is still there and may be read, then send it with another upload."),
    ),
    "not_an_image_file": Refusal(
        marked("The file is not DICOM, PNG or JPEG."), marked("Export the picture as DICOM, PNG or JPEG.")
    ),
    "unreadable": Refusal(
        marked("The file is damaged or holds something that cannot be decoded."),
        marked("Export it again from the source."),
    ),
    "truncated": Refusal(marked("The file ends before its pixels do."), marked("Copy or export it again.")),
    "not_an_image": Refusal(
        marked("The DICOM object holds no picture (a report, a directory, a segmentation or the like)."),
        marked("Leave it out; send the images of the study."),
    ),
    "no_pixels": Refusal(marked("The DICOM object has no pixel data."), marked("Send the images of the study.")),
    "too_many_pixels": Refusal(
        marked("The picture has more pixels than this service accepts."), marked("Send it at a lower resolution.")
    ),
    "too_many_frames": Refusal(
        marked("The file holds more frames than this service accepts."),
        marked("Send the frames of interest as files of their own."),
    ),
    "unsupported_transfer_syntax": Refusal(
        marked("The pixels are compressed in a way that is not supported."),
        marked("Export the file as explicit VR little endian or JPEG 2000."),
    ),
    "unsupported_pixels": Refusal(
        marked("The pixel format is not supported."), marked("Export the file as 8 or 16 bit grayscale.")
    ),
    "inconsistent_pixels": Refusal(
        marked("Rows, columns and frames do not fit the amount of pixel data."),
        marked("Export the file again from the source."),
    ),
    "enhanced_unsupported": Refusal(
        marked("The enhanced multi-frame object lacks what is needed to read its frames."),
        marked("Export the series as single-frame CT."),
    ),
    "uid_conflict": Refusal(
        marked("Another picture with the same SOP Instance UID is stored already."),
        marked("Check the sender: one UID must name one picture."),
    ),
    "decoder_crashed": Refusal(
        marked("Decoding this file ended the decoder three times."), marked("Export the file again from the source.")
    ),
    "decoder_limit": Refusal(
        marked("Decoding this file took more time or memory than is allowed."),
        marked("Send a smaller or uncompressed file."),
    ),
    "hash_mismatch": Refusal(
        marked("The bytes that arrived are not those that were announced."), marked("Send the file again.")
    ),
    "archive_unreadable": Refusal(marked("The archive is damaged or not a zip file."), marked("Make the zip again.")),
    "archive_too_many_entries": Refusal(
        marked("The archive holds more entries than are allowed."), marked("Split it.")
    ),
    "archive_too_large": Refusal(
        marked("The archive expands to more than is allowed."), marked("Split it, or send the folder itself.")
    ),
    "archive_ratio": Refusal(
        marked("A member of the archive expands far beyond its size, as a zip bomb does."),
        marked("Send the files themselves."),
    ),
    "archive_link": Refusal(
        marked("The archive member is a link or a device, not a file."), marked("Replace links by the files they name.")
    ),
    "archive_nested": Refusal(
        marked("Archives inside archives are not opened."), marked("Unpack the inner archive first.")
    ),
    "archive_compression": Refusal(
        marked("The archive member is packed in a way that is not supported."),
        marked("Make the zip with the usual deflate packing."),
    ),
    "archive_encrypted": Refusal(
        marked("The archive member is encrypted."), marked("Make the zip without a password.")
    ),
    "path_unsafe": Refusal(
        marked("The path is absolute, climbs out of its folder or holds a forbidden character."),
        marked("Rename it to a plain relative path."),
    ),
    "path_too_long": Refusal(
        marked("The path is longer than 1,024 characters."), marked("Shorten folder or file names.")
    ),
    "path_twice": Refusal(
        marked("The same path was offered with other bytes."), marked("Rename one of the two files.")
    ),
    "blob_missing": Refusal(marked("The stored bytes of this file are gone."), marked("Send the file again.")),
    "storage_full": Refusal(
        marked("The service had no room left for this file."), marked("Try again later; tell the operator.")
    ),
    "interrupted": Refusal(marked("The service could not finish with this file."), marked("Press retry.")),
}


_UUID_VERSION: Final = 8 << 76  # custom, RFC 9562
_UUID_VARIANT: Final = 2 << 62


def keyed_digest(key: bytes, purpose: str, *parts: str) -> bytes:
    """Give 32 bytes that only a holder of the key can compute for these parts. One purpose never meets another."""
    # Lengths go in, so that ("a", "bc") and ("ab", "c") differ.
    text = "".join(f"{len(part)}:{part}" for part in (purpose, *parts))
    return hmac.new(key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()


def pseudonymous_uid(key: bytes, original: str) -> str:
    """Give a valid UID (`2.25.` and a UUID) for a DICOM UID, whatever the original looks like.

    Here, not with the pictures: ingest writes it, and the web side looks studies up by it.
    """
    number = int.from_bytes(keyed_digest(key, "uid", original.strip(" \0"))[:16], "big")
    number &= ~(0xF << 76) & ~(0x3 << 62)
    return f"2.25.{number | _UUID_VERSION | _UUID_VARIANT}"
