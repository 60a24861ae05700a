import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping

import pytest
from django.core.exceptions import ImproperlyConfigured

from screening.config import StoreAddress, read_config
from tests.environment import ROOT, documented_variables

SECRETS = ("SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "ALLOWED_HOSTS")
ONLY_COMPOSE = {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}


class Asked(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, **values: str) -> None:
        self.values_ = values
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def test_documented_variables_are_exactly_those_that_are_read():
    env = Asked(SECRET_KEY="x")

    read_config(env)

    assert set(documented_variables()) == env.names | ONLY_COMPOSE
    assert len(documented_variables()) == len(set(documented_variables()))


def test_documented_defaults_are_the_true_ones(tmp_path):
    stated = dict(re.findall(r"^#([A-Z0-9_]+)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    common = {"SECRET_KEY": "x", "STATE_DIR": str(tmp_path)}

    assert len(stated) >= 15
    assert read_config({**stated, **common}) == read_config(common)


STORE = "s3://bucket/a/prefix/?endpoint=http://127.0.0.1:9000&region=eu-1"


def test_a_store_is_named_by_bucket_prefix_endpoint_and_region(tmp_path):
    common = {"SECRET_KEY": "x", "STATE_DIR": str(tmp_path)}

    assert read_config(common).store is None
    assert read_config({**common, "STORAGE_URL": "s3://bucket"}).store == StoreAddress("bucket", "", "", "")
    assert read_config({**common, "STORAGE_URL": STORE}).store == StoreAddress(
        "bucket", "a/prefix", "http://127.0.0.1:9000", "eu-1"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        *("http://bucket", "s3://", "s3:///prefix", "s3://bucket?endpoint=ftp://host", "s3://bucket?colour=blue"),
        *(
            "s3://key:hunter2@bucket",
            "s3://[",
            "s3://bucket?endpoint=http://[",
            "s3://bucket?endpoint=http://key:hunter2@host",
            "s3://bucket#part",
        ),
    ],
)
def test_an_address_of_a_store_that_is_none_or_holds_a_key_is_refused_and_not_repeated(wrong):
    with pytest.raises(ImproperlyConfigured, match="STORAGE_URL must be s3://bucket/prefix") as refused:
        read_config({"SECRET_KEY": "x", "STORAGE_URL": wrong})

    assert "hunter2" not in str(refused.value)


def test_a_store_without_its_packages_says_what_to_install(monkeypatch):
    monkeypatch.setattr("screening.config.find_spec", lambda name: None)

    with pytest.raises(ImproperlyConfigured, match=r"django-storages and boto3: pip install.*requirements/s3\.txt"):
        read_config({"SECRET_KEY": "x", "STORAGE_URL": STORE})
    assert read_config({"SECRET_KEY": "x"}).store is None


def test_every_wrong_variable_is_named_at_once():
    with pytest.raises(ImproperlyConfigured) as refused:
        read_config(
            {"PORT": "none", "DEBUG": "yes", "DATABASE_URL": "mysql://user:hunter2@host/x", "STATE_DIR": "/nonexistent"}
        )

    told = str(refused.value)
    assert [name in told for name in ("SECRET_KEY", "PORT", "DEBUG", "DATABASE_URL")] == [True] * 4
    assert "hunter2" not in told


@pytest.fixture
def compose(tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run docker compose, which checks a file without an engine. Skips where neither form is installed."""
    docker = shutil.which("docker")
    plugin = docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0
    command = [docker, "compose"] if plugin else [shutil.which("docker-compose")]
    if command[0] is None:
        pytest.skip("needs docker compose to check the production file")
    (tmp_path / "env").touch()  # instead of a .env of the checkout

    def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "--env-file", str(tmp_path / "env"), "-f", str(ROOT / "docker-compose.yml"), *words],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **env},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_production_file_is_valid_and_holds_every_process(compose):
    secrets = {name: f"{name.lower()}value" for name in SECRETS}

    checked = compose("--profile", "gpu", "--profile", "dicom", "config", "--services", **secrets)

    assert checked.returncode == 0, checked.stderr
    assert sorted(checked.stdout.split()) == [
        *("dicom", "inference", "inference-gpu", "ingest", "migrate", "postgres", "reconciler", "redis", "web"),
    ]


@pytest.mark.parametrize("missing", SECRETS)
def test_production_does_not_start_without_each_secret(compose, missing):
    secrets = {name: "value" for name in SECRETS if name != missing}

    checked = compose("config", **secrets)

    assert checked.returncode != 0
    assert f"set {missing}, see .env.example" in checked.stderr


def test_production_file_passes_on_every_documented_variable():
    text = (ROOT / "docker-compose.yml").read_text()
    # No error pages in production; the models of the image; a profile chooses the listener, which is bound to all.
    given_otherwise = {"DEBUG", "MODEL_ROOT", "DICOM_LISTENER", "DICOM_ADDRESS"}

    assert [name for name in documented_variables() if name not in text and name not in given_otherwise] == []


def test_no_password_stands_in_a_file_of_the_repository():
    text = (ROOT / "docker-compose.yml").read_text()

    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"):
        values = re.findall(rf"{name}: (.*)", text)
        assert values
        assert all(value.startswith(f"${{{name}:?") for value in values)


def test_lists_of_packages_name_no_index_and_hash_everything():
    for name in ("run.txt", "dev.txt", "gpu.txt", "s3.txt", "against.txt"):
        text = (ROOT / "requirements" / name).read_text()
        packages = re.findall(r"^[A-Za-z0-9].*(?:\n {4}.*)*", text, re.MULTILINE)
        assert "://" not in text
        assert "--index-url" not in text
        assert len(packages) > (10 if name == "s3.txt" else 50)
        assert all("--hash=sha256:" in package for package in packages)


def versions_in(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([A-Za-z0-9][^=\s]*)==(\S+)", text, re.MULTILINE))


def test_servers_that_are_compared_with_compute_by_the_versions_that_the_service_computes_by():
    theirs, ours = versions_in("against.txt"), versions_in("run.txt") | versions_in("openvino.txt")
    computing = ("tensorflow-cpu", "keras", "openvino", "numpy", "pillow", "safetensors")

    assert {name: theirs[name] for name in computing} == {name: ours[name] for name in computing}
    assert {"litserve", "bentoml"} <= theirs.keys()
    assert not {"litserve", "bentoml"} & (ours | versions_in("dev.txt")).keys()


def test_gpu_list_holds_no_second_tensorflow():
    text = (ROOT / "requirements" / "gpu.txt").read_text()

    assert re.findall(r"^tensorflow[a-z-]*==", text, re.MULTILINE) == ["tensorflow=="]
    assert "nvidia-cudnn" in text
