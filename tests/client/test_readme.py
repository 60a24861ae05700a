"""Every snippet of client/README.md does what it says, on the package as pip installs it."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from chest_client.command.exits import Exit
from screening.hooks.signing import signature
from tests.client.service import Door, free_port
from tests.client.test_package import installed
from tests.environment import ROOT
from tests.workers.processes import until

__all__ = ["installed"]
README = (ROOT / "client" / "README.md").read_text()
ADDRESS = "http://localhost:8000"


def snippets(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def place(installed: Path, door: Door, pictures, tmp_path: Path) -> dict[str, str]:
    """A working folder with `ward` in it, and an environment in which the package is installed."""
    pictures(2)
    return {
        "PATH": f"{installed / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(installed),
        "HOME": str(tmp_path),
        "CHEST_TOKEN": door.token,
    }


def run(environment: Mapping[str, str], folder: Path, *words: str) -> str:
    done = subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_first_hour_takes_fewer_than_ten_commands_and_each_works(
    place: dict[str, str], door: Door, tmp_path: Path
) -> None:
    [first_hour] = snippets("sh")
    install, *commands = first_hour.splitlines()
    said, upload = {}, ""
    for command in commands:
        line = command.replace(ADDRESS, door.url).replace("UPLOAD", upload)
        said[command] = run(place, tmp_path, "bash", "-c", line)
        if found := re.search(r"Upload (\S+): finished", said[command]):
            upload = found.group(1)

    assert install == "pip install ./client"  # done by the fixture
    assert len(commands) < 9
    assert "2 scored" in said["chestctl upload ward"]
    assert "inner/001.png" in said["chestctl receipt UPLOAD"]
    assert "Next: --since" in said["chestctl results --since 0"]
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 3


def test_every_piece_of_python_runs(place: dict[str, str], door: Door, tmp_path: Path) -> None:
    send, listen, export, refuse = (code.replace(ADDRESS, door.url) for code in snippets("python"))

    assert "finished" in run(place, tmp_path, sys.executable, "-c", send)
    assert len(run(place, tmp_path, sys.executable, "-c", listen).splitlines()) == 2
    assert run(place, tmp_path, sys.executable, "-c", export) == "2 studies on the first page\n"
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 3
    assert run(place, tmp_path, sys.executable, "-c", refuse).startswith("not_found ")


def test_every_exit_status_of_the_command_is_documented() -> None:
    documented = {int(number) for number in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}

    assert documented == {int(one) for one in Exit}


def test_the_receiver_takes_what_the_service_signs_once_and_refuses_what_was_tampered_with(
    installed: Path, tmp_path: Path
) -> None:
    [receiver] = snippets("receiver")
    port, secret, old = free_port(), "whsec_" + "a" * 64, "whsec_" + "b" * 64
    data = {"study": "s1", "links": {"study": "https://chest.example.org/api/v1/studies/s1/"}}
    told = {"id": "e1", "type": "study.ready", "site": "s", "created_at": "2026-11-21T12:00:00+00:00", "data": data}
    body, now = json.dumps(told).encode(), int(time.time())
    known = {"CHEST_WEBHOOK_SECRETS": f"{secret},{old}", "PORT": str(port)}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), **known}
    process = subprocess.Popen([sys.executable, "-c", receiver], env=environment, cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        until(lambda: listens(port), 30, "it does not listen")
        good = signature(body, at=now, secrets=[old])
        statuses = [
            hand_over(port, content, header)
            for content, header in (
                (body, good),
                (body, good),  # once more
                (body.replace(b"ready", b"readz"), good),
                (body, good.replace(f"t={now}", f"t={now + 1}")),
                (body, good[:-1] + ("0" if good[-1] != "0" else "1")),
                (body, signature(body, at=now - 301, secrets=[secret])),
                (body, signature(body, at=now, secrets=["whsec_other"])),
                (body, ""),
            )
        ]
    finally:
        process.terminate()
        said = process.communicate(timeout=10)[0].decode()

    assert statuses == [204, 204, 400, 400, 400, 400, 400, 400]
    assert said.splitlines() == [f"study.ready {data['links']}"]


def hand_over(port: int, body: bytes, header: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/hooks", body, {"Chest-Signature": header})
        return connection.getresponse().status
    finally:
        connection.close()


def listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0
