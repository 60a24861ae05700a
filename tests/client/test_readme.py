"""Every snippet of client/README.md does what it says, on the package as pip installs it."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from chest_client.command.exits import Exit
from tests.client.service import Door
from tests.client.test_package import installed
from tests.environment import ROOT

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
    assert len((tmp_path / "receipt.csv").read_text().splitlines()) == 3


def test_every_piece_of_python_runs(place: dict[str, str], door: Door, tmp_path: Path) -> None:
    send, listen, refuse = (code.replace(ADDRESS, door.url) for code in snippets("python"))

    assert "finished" in run(place, tmp_path, sys.executable, "-c", send)
    assert len(run(place, tmp_path, sys.executable, "-c", listen).splitlines()) == 2
    assert run(place, tmp_path, sys.executable, "-c", refuse).startswith("not_found ")


def test_every_exit_status_of_the_command_is_documented() -> None:
    documented = {int(number) for number in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}

    assert documented == {int(one) for one in Exit}
