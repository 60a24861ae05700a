"""Pictures for a run, and the way in for them: the services that browser, API and command use."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ml.vocabulary import Modality
from screening.audit.actor import Actor
from screening.flows.acts import seal_upload
from screening.flows.offering import Offered, check_files, open_upload
from screening.flows.receiving import Arrived, receive_stored
from screening.uploads.models import Upload
from screening.uploads.storage import store_incoming
from screening.users.models import Site, User

AT_ONCE = 50  # files of one request


def radiographs(folder: Path, count: int) -> list[bytes]:
    """The first radiographs of the real collection, in the order of their names."""
    paths = sorted((folder / Modality.XRAY.value).rglob("*.jpg"))[:count]
    assert len(paths) == count, f"{folder} holds {len(paths)} radiographs, {count} are needed"
    return [path.read_bytes() for path in paths]


def open_and_send(site: Site, user: User, files: Sequence[bytes], models: Sequence[str] = (), **options: str) -> Upload:
    """Open an upload and send every file, as a client does in its requests. Not sealed."""
    upload = open_upload(site=site, user=user, name="bench", models=list(models), **options)
    actor = Actor.user(user)
    named = [(f"picture{number:05d}", content) for number, content in enumerate(files)]
    for start in range(0, len(named), 1000):
        offered = [
            Offered(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())
            for path, content in named[start : start + 1000]
        ]
        check_files(upload_id=upload.pk, files=offered, actor=actor)
    for start in range(0, len(named), AT_ONCE):
        arrived = [
            Arrived(path=path, stored=store_incoming([content])) for path, content in named[start : start + AT_ONCE]
        ]
        receive_stored(upload_id=upload.pk, files=arrived, actor=actor)
    return upload


def send(site: Site, user: User, files: Sequence[bytes], models: Sequence[str] = (), **options: str) -> Upload:
    """Send every file and seal."""
    upload = open_and_send(site, user, files, models, **options)
    return seal_upload(upload_id=upload.pk, count=len(files), actor=Actor.user(user))
