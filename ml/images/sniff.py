"""What a file is, told by its bytes: names lie, and a name may identify a patient."""

from struct import unpack_from
from typing import Final, Literal

from ml.images.records import Unreadable

Kind = Literal["dicom", "png", "jpeg"]

PNG: Final = b"\x89PNG\r\n\x1a\n"
JPEG: Final = b"\xff\xd8\xff"
PREAMBLE: Final = 128  # bytes before "DICM"; may hold anything, even another program's header
FIRST_GROUPS: Final = (0x0002, 0x0008)  # with which a data set without preamble begins


def kind_of(data: bytes) -> Kind:
    """Tell what `data`, a whole file, is.

    Raises:
        Unreadable: `empty_file`, or `not_an_image_file` for everything else than the three kinds.
    """
    if not data:
        raise Unreadable("empty_file")
    if data[PREAMBLE : PREAMBLE + 4] == b"DICM":
        return "dicom"
    if data.startswith(PNG):
        return "png"
    if data.startswith(JPEG):
        return "jpeg"
    if _begins_like_a_data_set(data):
        return "dicom"
    raise Unreadable("not_an_image_file")


def _begins_like_a_data_set(data: bytes) -> bool:
    """Whether the bytes open with a plausible first DICOM element, as old archives write them."""
    if len(data) < 16:
        return False
    for order in "<>":
        group, element, length = unpack_from(f"{order}HHI", data)
        if group not in FIRST_GROUPS or element > 0x0100:
            continue
        explicit = data[4:6].isalpha() and data[4:6].isupper()
        if explicit or (order == "<" and length <= 64):
            return True
    return False
