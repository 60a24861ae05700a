import hashlib

import pytest

from tests.environment import ROOT

VENDOR = ROOT / "static" / "vendor"
HASHES = dict(reversed(line.split()) for line in (VENDOR / "HASHES").read_text().splitlines())


@pytest.mark.parametrize("name", sorted(HASHES))
def test_vendored_file_is_the_one_whose_hash_was_written_down(name):
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == HASHES[name]


def test_no_vendored_file_is_without_a_hash():
    files = {f"./{path.relative_to(VENDOR)}" for path in VENDOR.rglob("*") if path.is_file()}

    assert files - set(HASHES) == {"./HASHES", "./README.md"}


def test_every_vendored_folder_has_its_licence_and_its_line():
    told = (VENDOR / "README.md").read_text()

    for folder in sorted(path for path in VENDOR.iterdir() if path.is_dir()):
        assert (folder / "LICENSE").stat().st_size > 200
        assert f"| `{folder.name}/` |" in told


def test_no_vendored_file_asks_for_a_source_map_that_is_not_there():
    assert [path.name for path in VENDOR.rglob("*.*s") if "sourceMappingURL" in path.read_text()] == []
