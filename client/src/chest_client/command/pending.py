"""An upload that was begun and is not over: kept, so that the next call goes on with it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from chest_client.answers import Upload
from chest_client.client import Client
from chest_client.command.places import config_folder, read_json, write_json
from chest_client.errors import Conflict, NotFound
from chest_client.local import LocalFile


class Pending:
    """The key under which an upload was opened, and the upload once it is known.

    The key is on disk before the service hears of it: killed in between, the next call opens the same upload.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        kept = read_json(place) or {}
        self._key = str(kept.get("key") or uuid4())
        self._upload: str | None = kept.get("upload")
        self._sealed_of: str | None = kept.get("sealed_of")

    @classmethod
    def of(cls, url: str, folder: Path, purpose: str, chosen: Mapping[str, Any]) -> Self:
        """Give what is kept for a folder, sent to this address with these choices. Its name is in no file."""
        return cls(place_of("upload", url, str(folder.resolve()), purpose, dict(chosen)))

    @property
    def begun(self) -> bool:
        """Whether an earlier call opened an upload that is not over."""
        return self._upload is not None

    def open(self, client: Client, chosen: Mapping[str, Any], files: Sequence[LocalFile]) -> Upload:
        """Open an upload, or give the one that was begun: still open, or sealed with exactly these files."""
        begun = self._begun(client)
        if begun and (begun.state == "open" or self._is_sealed_with(begun, files)):
            return begun
        if begun or self._upload:
            self._forget()
        self._keep()
        upload = self._opened(client, chosen)
        self._upload = str(upload.id)
        self._keep()
        return upload

    def _is_sealed_with(self, begun: Upload, files: Sequence[LocalFile]) -> bool:
        return begun.state in {"sealed", "finished"} and self._sealed_of == digest_of(files)

    def _begun(self, client: Client) -> Upload | None:
        try:
            return client.upload(self._upload) if self._upload else None
        except NotFound:
            return None

    def _opened(self, client: Client, chosen: Mapping[str, Any]) -> Upload:
        try:
            upload = client.open_upload(key=self._key, **chosen)
        except Conflict as refusal:
            # The defaults may be other models than when the key was first used.
            if refusal.code != "idempotency_key_reused":
                raise
        else:
            if upload.state == "open":
                return upload
        self._forget()
        self._keep()
        return client.open_upload(key=self._key, **chosen)

    def sealing(self, files: Sequence[LocalFile]) -> None:
        """Note with which files the upload is about to be sealed."""
        self._sealed_of = digest_of(files)
        self._keep()

    def over(self) -> None:
        """Forget it: the next call begins another upload."""
        self._place.unlink(missing_ok=True)
        self._forget()

    def _forget(self) -> None:
        self._key, self._upload, self._sealed_of = str(uuid4()), None, None

    def _keep(self) -> None:
        write_json(self._place, {"key": self._key, "upload": self._upload, "sealed_of": self._sealed_of})


def place_of(kind: str, *about: object) -> Path:
    """Give the file that is kept about something; its name says nothing."""
    text = json.dumps(about, sort_keys=True)
    return config_folder() / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def digest_of(files: Sequence[LocalFile]) -> str:
    """Name a set of files by their paths and bytes."""
    text = json.dumps(sorted((one.path, one.sha256) for one in files))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
