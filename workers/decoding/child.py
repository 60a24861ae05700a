"""What a decoding child does: one file after another, until its link closes or a limit ends it."""

import base64
import errno
import socket
from pathlib import Path
from typing import Any, Final

from ml.images.read import Limits, Options, Unreadable, process_file, rebuild_plane
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
    options = Options(
        key=base64.b64decode(request["key"]),
        modality=Modality(request["modality"]) if request["modality"] else None,
        hold_burned_in=bool(request["hold_burned_in"]),
        mask_text=bool(request["mask_text"]),
        limits=Limits(**request["limits"]),
    )
    return {"processed": process_file(Path(request["source"]), Path(request["out"]), options).as_json()}


def _rebuild(request: dict[str, Any]) -> dict[str, Any]:
    plane = rebuild_plane(Path(request["source"]), int(request["frame"]), Limits(**request["limits"]))
    return {"plane": base64.b64encode(plane).decode()}


_DO: Final = {"process": _process, "rebuild": _rebuild}
