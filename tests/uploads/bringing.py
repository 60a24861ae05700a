"""Offer and send files through the services, as every way in does."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from screening.audit.actor import Actor
from screening.flows.offering import Checked, Offered, check_files
from screening.flows.receiving import Received, receive_file
from screening.uploads.models import Item, Upload

STAFF = Actor("user:1")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def offered(path: str, data: bytes) -> Offered:
    return Offered(path=path, size=len(data), sha256=sha256(data))


def offer(upload: Upload, files: Mapping[str, bytes]) -> list[Checked]:
    return check_files(upload_id=upload.pk, files=[offered(path, data) for path, data in files.items()])


def send(upload: Upload, path: str, data: bytes) -> Received:
    return receive_file(upload_id=upload.pk, path=path, parts=[data], actor=STAFF)


def states(upload: Upload) -> dict[str, str]:
    return dict(Item.objects.filter(upload=upload).order_by("path").values_list("path", "state"))


def limit(settings, **limits: int) -> None:
    """Set limits for one test."""
    settings.CONFIG = replace(settings.CONFIG, limits=replace(settings.CONFIG.limits, **limits))
