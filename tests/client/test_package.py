"""The package stands alone: two dependencies, nothing of the service, and an installation that runs."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.client.conftest import SOURCE
from tests.environment import ROOT

OURS = {"httpx", "rich"}
ABSENT = ("django", "rest_framework", "celery", "tensorflow", "keras", "numpy", "pydicom", "screening", "workers", "ml")
IMPORT_ALL = f"""
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
sys.path.insert(0, sys.argv[1])
import chest_client
for module in pkgutil.walk_packages(chest_client.__path__, "chest_client."):
    importlib.import_module(module.name)
"""


def test_every_module_can_be_imported_where_nothing_of_the_service_is_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", IMPORT_ALL, str(SOURCE)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_it_imports_the_standard_library_and_what_it_names_as_dependencies_alone() -> None:
    others = {
        (path.name, name)
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if name.partition(".")[0] not in {*sys.stdlib_module_names, *OURS, "chest_client"}
    }
    named = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())["project"]["dependencies"]

    assert others == set()
    assert {one.partition(">")[0] for one in named} == OURS


def test_the_library_alone_writes_nothing(tmp_path: Path) -> None:
    """Only the command keeps something: an import or a client leaves the user's folders alone."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import chest_client as c; c.Client('http://localhost', 't')"
    command = [sys.executable, "-I", "-c", code, str(SOURCE)]

    subprocess.run(command, check=True, env={"HOME": str(tmp_path)}, cwd=tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as pip installs it, in a folder of its own."""
    source, target = tmp_path_factory.mktemp("source") / "client", tmp_path_factory.mktemp("target")
    shutil.copytree(ROOT / "client", source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    words = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *words, "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_an_installation_has_the_command_its_types_and_its_version(installed: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}

    said = subprocess.run(
        [str(installed / "bin" / "chestctl"), "--version"], env=environment, capture_output=True, text=True, check=True
    )

    assert said.stdout == "chestctl 0.1.0\n"
    assert (installed / "chest_client" / "py.typed").exists()
    assert (installed / "chest_screening_client-0.1.0.dist-info" / "METADATA").exists()
    assert not (installed / "screening").exists()
