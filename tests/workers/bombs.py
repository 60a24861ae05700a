"""Zips that a stranger might send, drawn byte by byte where `zipfile` is too honest."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping


def zip_of(files: Mapping[str, bytes], *, packed: bool = True) -> bytes:
    out = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", method) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return out.getvalue()


def zip_with(name: str, content: bytes = b"x", *, mode: int = 0, flags: int = 0, method: int | None = None) -> bytes:
    """One member with the given Unix mode, flag bits and packing in its headers."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.create_system = 3
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr(info, content)
    raw = bytearray(out.getvalue())
    central = raw.rindex(b"PK\x01\x02")
    for at in (6, central + 8):
        struct.pack_into("<H", raw, at, struct.unpack_from("<H", raw, at)[0] | flags)
    if method is not None:
        for at in (8, central + 10):
            struct.pack_into("<H", raw, at, method)
    return bytes(raw)


def lying_zip(claimed: int, mebibytes: int) -> bytes:
    """A member of zeros whose headers claim another size."""
    raw = bytearray(zip_of({"a.png": bytes(mebibytes * 1024 * 1024)}))
    central = raw.rindex(b"PK\x01\x02")
    for at in (22, central + 24):
        struct.pack_into("<I", raw, at, claimed)
    return bytes(raw)


def overlapping_zip(names: int) -> bytes:
    """Many names for one and the same packed member, as in Fifield's bombs."""
    content = b"the same bytes"
    packed = zlib.compress(content)[2:-4]
    crc = zlib.crc32(content)
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(packed), len(content), 1, 0)
    body = local + b"a" + packed
    central = b"".join(
        struct.pack(
            "<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, crc, len(packed), len(content), 1, 0, 0, 0, 0, 0, 0
        )
        + b"a"
        for _ in range(names)
    )
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, names, names, len(central), len(body), 0)
    return body + central + end


def understating_zip(entries: int) -> bytes:
    """More entries than its end record says."""
    raw = bytearray(zip_of({f"{number}.png": b"" for number in range(entries)}))
    end = raw.rindex(b"PK\x05\x06")
    struct.pack_into("<2H", raw, end + 8, 1, 1)
    return bytes(raw)
