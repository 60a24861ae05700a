"""Put a trained bundle among those that are shipped, its trunk into the store that they share."""

from pathlib import Path
from shutil import copyfile

from ml.models.bundle import CARD_FILE, STORE, TRUNK_FILE, load_bundle
from ml.models.card import BundleError


def ship(bundle: Path, root: Path) -> Path:
    """Copy a bundle to `<slug>/<version>` below `root`; a trunk of its own goes to `trunks`, once for all on it.

    Returns:
        The folder it lies in now, checked.

    Raises:
        BundleError: `shipped_before` if another model of this name and version lies there; those of `load_bundle`.
    """
    card = load_bundle(bundle).card
    folder = root / card.slug / card.version
    if (folder / CARD_FILE).exists() and load_bundle(folder).card.model_sha256 != card.model_sha256:
        raise BundleError(
            "shipped_before",
            f"Another {card.name} was shipped before; a version never changes.",
            "Give the new model another version.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, sha256 in card.files.items():
        place = root / STORE / f"{sha256}.safetensors" if name == TRUNK_FILE else folder / name
        place.parent.mkdir(exist_ok=True)
        if not place.exists():
            part = place.with_suffix(".part")
            copyfile(bundle / name, part)
            part.replace(place)
    copyfile(bundle / CARD_FILE, folder / CARD_FILE)
    load_bundle(folder)
    return folder
