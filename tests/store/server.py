"""A real S3-compatible server in a process of its own, and a gate in front of it that a test may close."""

import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final

import boto3
from botocore.config import Config

from screening.config import StoreAddress
from tests.client.service import free_port
from tests.workers.processes import until

BUCKET: Final = "pictures"
REGION: Final = "us-east-1"
KEYS: Final = {"AWS_ACCESS_KEY_ID": "a-key-of-this-test", "AWS_SECRET_ACCESS_KEY": "a-secret-of-this-test"}


@contextmanager
def s3_server() -> Iterator[str]:
    """Run moto's server and give its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env={**os.environ, **KEYS}, stdout=quiet, stderr=quiet)
    try:
        until(lambda: _listens(port), 60, "the S3 server did not start", every=0.1)
        client_of(f"http://127.0.0.1:{port}").create_bucket(Bucket=BUCKET)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@cache
def client_of(url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(s3={"addressing_style": "path"}),
    )


def empty(url: str) -> None:
    """Delete every object of the bucket."""
    client = client_of(url)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        if found := page.get("Contents"):
            client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": one["Key"]} for one in found]})


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


class Gate:
    """A way to a server on this machine: closed, connections are refused and those that stand are cut."""

    def __init__(self, server: str) -> None:
        self._server = int(server.rpartition(":")[2])
        self.port = free_port()
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self.open()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def address(self, prefix: str) -> StoreAddress:
        return StoreAddress(bucket=BUCKET, prefix=prefix, endpoint=self.url, region=REGION)

    def variables(self, prefix: str) -> Mapping[str, str]:
        return {"STORAGE_URL": f"s3://{BUCKET}/{prefix}?endpoint={self.url}&region={REGION}", **KEYS}

    def open(self) -> None:
        """Let connections through. One that is open stays so."""
        if self._listener is not None:
            return
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        listener, self._listener = self._listener, None
        for one in [*([listener] if listener else []), *self._open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._server))
            self._open += [near, far]
            threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, suppress(OSError, ValueError):
            while True:
                for one in select.select([near, far], [], [])[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    (far if one is near else near).sendall(data)
