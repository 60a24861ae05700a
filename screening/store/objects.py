"""Objects of an S3-compatible store, by the address that STORAGE_URL names. Nothing here is used without one.

Every object carries the SHA-256 of its bytes, so that a copy is known to be whole. What the store cannot do at this
moment is `StoreAway`; what is not there is FileNotFoundError, as with files.
"""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog
from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from screening.config import StoreAddress
from screening.errors import StorageFull
from screening.store.errors import StoreAway, StoreRefused

log = structlog.get_logger(__name__)

BACKEND: Final = "storages.backends.s3.S3Storage"  # with boto3, of the extra `s3`
PART: Final = 1024 * 1024  # bytes read at a time
AT_ONCE: Final = 1000  # keys that one request deletes, by the protocol
MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})
TAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
REFUSED: Final = frozenset(
    {"NoSuchBucket", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "401"}
)
# A store that hangs must not hold a hand for long: its lease is renewed meanwhile, and others wait behind it.
CLIENT: Final = {
    "connect_timeout": 4,
    "read_timeout": 20,
    "retries": {"mode": "standard", "total_max_attempts": 3},
    "max_pool_connections": 32,
    "request_checksum_calculation": "when_required",  # stores that are not Amazon's know no others
    "response_checksum_validation": "when_required",
}


class Held(NamedTuple):
    """What is told of an object without reading it."""

    sha256: str
    size: int
    at: float  # seconds since 1970


class Listed(NamedTuple):
    """An object as a listing names it."""

    key: str
    at: float  # seconds since 1970


class Objects:
    """The objects under one address. Safe to use from several threads."""

    def __init__(self, address: StoreAddress) -> None:
        style = {"s3": {"addressing_style": "path" if address.endpoint else "auto"}}
        config = import_string("botocore.config.Config")(signature_version="s3v4", **CLIENT, **style)
        with _telling():
            storage = import_string(BACKEND)(
                bucket_name=address.bucket,
                endpoint_url=address.endpoint or None,
                region_name=address.region or None,
                client_config=config,
            )
            self._client: Any = storage.connection.meta.client
        self._bucket = address.bucket
        self._prefix = f"{address.prefix}/" if address.prefix else ""

    def put_file(self, key: str, path: Path) -> str:
        """Put a file, whole or not at all. Its SHA-256.

        Raises:
            StoreAway: the store does not take it now.
            StorageFull: it has no room.
        """
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            self._put(key, file, sha256)
        return sha256

    def put(self, key: str, data: bytes) -> None:
        """Put bytes in the place of an object, whole or not at all. Raises as `put_file` does."""
        self._put(key, data, hashlib.sha256(data).hexdigest())

    def put_first(self, key: str, data: bytes) -> bool:
        """Put bytes where no object is. False if there is one: the first of two makers wins."""
        try:
            self._put(key, data, hashlib.sha256(data).hexdigest(), IfNoneMatch="*")
        except FileExistsError:
            return False
        return True

    def _put(self, key: str, body: Any, sha256: str, **more: str) -> None:
        with _telling():
            self._client.put_object(
                Bucket=self._bucket, Key=self._prefix + key, Body=body, Metadata={"sha256": sha256}, **more
            )

    def held(self, key: str) -> Held | None:
        """What is told of an object, or None if there is none."""
        try:
            with _telling():
                answer = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
        except FileNotFoundError:
            return None
        told = answer["Metadata"].get("sha256", "")
        return Held(told, answer["ContentLength"], answer["LastModified"].timestamp())

    def fetch(self, key: str, to: Path) -> str:
        """Write an object to a fresh file that its owner alone reads. Its SHA-256.

        Raises:
            FileNotFoundError: there is no such object, or its bytes are not those that were put.
            OSError: it could not be written here.
        """
        try:
            told, found = self._copied(key, to)
        except BaseException:
            to.unlink(missing_ok=True)
            raise
        if told != found:
            to.unlink()
            log.error(
                "object_damaged", what_to_do="Bring it back from a copy of the bucket; verify_integrity names it."
            )
            raise _missing()
        return told

    def _copied(self, key: str, to: Path) -> tuple[str, str]:
        digest = hashlib.sha256()
        with _telling():
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for part in answer["Body"].iter_chunks(PART):
                    digest.update(part)
                    _write(file, part)
        return answer["Metadata"].get("sha256", ""), digest.hexdigest()

    def read(self, key: str) -> bytes:
        """The bytes of a small object.

        Raises:
            FileNotFoundError: as of `fetch`.
        """
        with _telling():
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            data: bytes = answer["Body"].read()
        if answer["Metadata"].get("sha256", "") != hashlib.sha256(data).hexdigest():
            raise _missing()
        return data

    def drop(self, keys: Iterable[str]) -> None:
        """Delete objects. One that is gone already is no error."""
        left = iter(keys)
        while chunk := list(islice(left, AT_ONCE)):
            with _telling():
                answer = self._client.delete_objects(
                    Bucket=self._bucket,
                    Delete={"Objects": [{"Key": self._prefix + key} for key in chunk], "Quiet": True},
                )
            if answer.get("Errors"):
                raise _refused(answer["Errors"][0].get("Code", ""))

    def listed(self, prefix: str) -> Iterator[Listed]:
        """Every object below a prefix, in the order of keys."""
        with _telling():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for found in page.get("Contents", ()):
                    yield Listed(found["Key"].removeprefix(self._prefix), found["LastModified"].timestamp())


_open: dict[tuple[StoreAddress, int], Objects] = {}


def objects() -> Objects | None:
    """The store that the settings name, or None where files lie in this machine's own folders."""
    address: StoreAddress | None = settings.STORE
    if address is None:
        return None
    key = (address, os.getpid())  # connections do not outlive a fork
    if key not in _open:
        _open[key] = Objects(address)
    return _open[key]


class _HereError(Exception):
    """What this machine's disk did, told apart from what the network did: both are OSErrors."""


def _write(file: Any, part: bytes) -> None:
    try:
        file.write(part)
    except OSError as error:
        raise _HereError from error


@contextmanager
def _telling() -> Iterator[None]:
    """Say in our words what the store said."""
    refused = import_string("botocore.exceptions.ClientError")
    failed = import_string("botocore.exceptions.BotoCoreError")
    no_rights = (
        import_string("botocore.exceptions.NoCredentialsError"),
        import_string("botocore.exceptions.PartialCredentialsError"),
    )
    unread = import_string("urllib3.exceptions.HTTPError")
    try:
        yield
    except _HereError as error:
        raise error.__cause__ or error from None
    except refused as error:
        raise _told(error) from error
    except no_rights as error:
        raise _refused(type(error).__name__) from error
    except (failed, unread) as error:
        log.warning("store_away", reason=type(error).__name__)
        raise StoreAway(_("The store of pictures does not answer.")) from error


def _told(error: Any) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in MISSING:
        return _missing()
    if code in TAKEN:
        return FileExistsError(errno.EEXIST, "There is such an object.")
    if status == 507:
        return StorageFull(_("There is no room left for this file."))
    if code in REFUSED or status in {401, 403}:
        return _refused(code)
    log.warning("store_away", reason=code)
    return StoreAway(_("The store of pictures does not answer."))


def _refused(code: str) -> StoreRefused:
    log.error(
        "store_refused", reason=code, what_to_do="Check STORAGE_URL, the AWS_ variables and the rights of the key."
    )
    return StoreRefused(_("The store of pictures refuses this service."))


def _missing() -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "There is no such object.")
