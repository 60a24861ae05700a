"""What a decoding child does: one file after another, until its link closes or a limit ends it."""

import base64
import errno
import hashlib
import socket
from pathlib import Path
from typing import Any, Final

from ml.images.correct import corrected
from ml.images.deep import make_deep
from ml.images.png import make_png
from ml.images.read import Limits, Options, Unreadable, process_file, rebuild_plane, whole_pixels
from ml.vocabulary import Modality
from workers.decoding import isolation, wire

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


def serve(link: socket.socket, mebibytes: int) -> None:
    """Answer requests until the link closes. Never returns anything of a file but through `ml.images.read`."""
    isolation.bound(mebibytes)
    wire.send(link, {"ready": True})
    while True:
        try:
            request = wire.receive(link)
        except wire.Gone:
            return
        isolation.give_time(int(request["seconds"]))
        answer = _answer(request)
        isolation.stop_clock()
        wire.send(link, answer)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return _DO[request["do"]](request)
    except Unreadable as refusal:
        return {"refused": refusal.code, "cause": refusal.cause}
    except MemoryError:
        return {"refused": "decoder_limit", "cause": "MemoryError"}
    except OSError as problem:
        full = problem.errno in NO_ROOM
        return {"failed": "storage_full" if full else "interrupted", "cause": type(problem).__name__}
    except Exception as bug:  # noqa: BLE001 - the child's boundary; the message may hold header values
        return {"failed": "interrupted", "cause": type(bug).__name__}


def _process(request: dict[str, Any]) -> dict[str, Any]:
    return {"processed": process_file(Path(request["source"]), Path(request["out"]), _options(request)).as_json()}


def _correct(request: dict[str, Any]) -> dict[str, Any]:
    """Make a file of the corrected picture, and read it as any file that was sent."""
    limits = Limits(**request["limits"])
    data = make_png(corrected(Path(request["source"]), int(request["frame"]), request["correction"], limits))
    made = Path(request["out"]) / ".made"
    made.write_bytes(data)
    processed = process_file(made, made.parent, _options(request))
    made.unlink()
    return {"processed": processed.as_json(), "sha256": hashlib.sha256(data).hexdigest()}


def _options(request: dict[str, Any]) -> Options:
    return Options(
        key=base64.b64decode(request["key"]),
        modality=Modality(request["modality"]) if request["modality"] else None,
        hold_burned_in=bool(request["hold_burned_in"]),
        mask_text=bool(request["mask_text"]),
        reduced=bool(request["reduced"]),
        limits=Limits(**request["limits"]),
    )


def _rebuild(request: dict[str, Any]) -> dict[str, Any]:
    limits = Limits(**request["limits"])
    plane = rebuild_plane(Path(request["source"]), int(request["frame"]), limits, str(request["pipeline"]))
    return {"plane": base64.b64encode(plane).decode()}


def _pixels(request: dict[str, Any]) -> dict[str, Any]:
    return {"pixels": whole_pixels(Path(request["source"]), Limits(**request["limits"]))}


def _deep(request: dict[str, Any]) -> dict[str, Any]:
    made = make_deep(Path(request["source"]), int(request["frame"]), Limits(**request["limits"]))
    return {"written": Path(request["out"]).write_bytes(made)}


_DO: Final = {"process": _process, "rebuild": _rebuild, "deep": _deep, "correct": _correct, "pixels": _pixels}
