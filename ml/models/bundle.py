"""A model on disk: `card.json` and the weights it names, checked by hash. Standard library only.

Architectures are code of this project, looked up by name; a bundle brings numbers, never code.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ml.models.card import BundleError, Card, parse_card
from ml.vocabulary import PIPELINE

CARD_FILE: Final = "card.json"
WEIGHTS_FILE: Final = "weights.safetensors"
TRUNK_FILE: Final = "trunk.safetensors"  # only where models share it: then the other file holds head and distance
STORE: Final = "trunks"  # beside the slugs: the files of shared trunks, each named by its SHA-256


@dataclass(frozen=True, slots=True)
class Bundle:
    """A card whose files were found, complete and unchanged, in `folder`."""

    folder: Path
    card: Card

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS_FILE

    @property
    def trunk(self) -> Path | None:
        """The file of the trunk, if it has one of its own."""
        sha256 = self.card.files.get(TRUNK_FILE)
        return None if sha256 is None else place_of(self.folder, TRUNK_FILE, sha256)


def read_card(folder: Path) -> Card:
    """Read a bundle's card without touching its weights.

    Raises:
        BundleError: `card_missing`, `card_unreadable` or `card_contradicts_itself`.
    """
    try:
        text = (folder / CARD_FILE).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise BundleError(
            "card_missing",
            f"There is no {CARD_FILE} in the bundle {folder.name!r}.",
            "Name a folder models/<slug>/<version>.",
        ) from problem
    return parse_card(text)


def load_bundle(folder: Path) -> Bundle:
    """Open a bundle after comparing every file's SHA-256 with the card.

    Raises:
        BundleError: one of `read_card`; `file_missing`, `file_changed`, or `other_pipeline` if the
            model was trained on planes that this version no longer makes.
    """
    card = read_card(folder)
    if card.pipeline != PIPELINE:
        raise BundleError(
            "other_pipeline",
            f"{card.name} reads planes of pipeline {card.pipeline!r}; this version makes {PIPELINE!r}.",
            "Install a version of the model made for this pipeline.",
        )
    if WEIGHTS_FILE not in card.files:
        raise BundleError("file_missing", f"The card of {card.name} names no {WEIGHTS_FILE}.", "Restore the bundle.")
    for name, expected in card.files.items():
        _check_file(folder, name, expected, card)
    return Bundle(folder, card)


def place_of(folder: Path, name: str, sha256: str) -> Path:
    """Return where a file of a bundle lies: beside the card, or a trunk in the store that bundles share."""
    beside = folder / name
    if name != TRUNK_FILE or beside.is_file():
        return beside
    return folder.parent.parent / STORE / f"{sha256}.safetensors"


def list_bundles(root: Path) -> list[Path]:
    """Return the folders `<slug>/<version>` under `root` that hold a card, in the order of their names."""
    return sorted(path.parent for path in root.glob(f"*/*/{CARD_FILE}"))


def file_sha256(path: Path) -> str:
    """Hash a file without reading it whole into memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_file(folder: Path, name: str, expected: str, card: Card) -> None:
    path = place_of(folder, name, expected)
    if Path(name).name != name or not path.is_file():
        raise BundleError(
            "file_missing", f"{card.name} lacks its file {name!r}.", "Restore the bundle from its release."
        )
    if file_sha256(path) != expected:
        raise BundleError(
            "file_changed",
            f"The file {name!r} of {card.name} is not the one that was released: its SHA-256 differs.",
            "Do not use it. Restore the bundle from its release and find out who changed it.",
        )
