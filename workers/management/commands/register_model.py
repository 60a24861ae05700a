import json
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ml.images import gate
from ml.models.bundle import CARD_FILE, load_bundle, read_card
from ml.models.card import BundleError, Card
from ml.models.verify import verify
from screening.errors import ScreeningError
from screening.results.models import ModelVersion
from screening.results.services import register_model
from screening.results.versions import retire_gone

GATE: Final = gate.BUNDLE.parent.name


class Command(BaseCommand):
    requires_system_checks = []  # the pages are not needed, and take longer than passing over known models
    help = (
        "Check bundles (hashes, shapes, reference scores) and register them. Known ones are passed over quickly; "
        "those whose bundle is gone are retired."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="models/<slug>/<version>")

    def handle(self, *, folders: list[Path], **_: Any) -> None:
        refused = 0
        for folder in folders:
            try:
                self.stdout.write(_register(folder))
            except (BundleError, ScreeningError) as refusal:
                refused += 1
                self.stderr.write(f"refused {folder.name}: {refusal} ({refusal.code})")
        for version in _retire_what_is_gone():
            self.stdout.write(f"{version.name} is retired: its bundle is gone; its results stay")
        if refused:
            raise CommandError(f"{refused} of {len(folders)} bundles were refused.")


def _register(folder: Path) -> str:
    if folder.parent.name == GATE:
        return f"{GATE} is a part of reading pictures, checked when it is loaded; there is nothing to register"
    card = read_card(folder)
    document, place = _storable(card), _below_root(folder)
    if not _is_known(card):
        verify(load_bundle(folder))  # imports TensorFlow: seconds, once per version
    version = register_model(card=document, folder=place)
    standing = "registered" if version.active else "registered, and stays retired on the page Model versions"
    return f"{version.name} is {standing} ({version.sha256[:12]})"


def _retire_what_is_gone() -> list[ModelVersion]:
    root = Path(settings.CONFIG.model_root)
    gone = [version for version in ModelVersion.objects.active() if not (root / version.folder / CARD_FILE).exists()]
    retire_gone(versions=gone)
    return gone


def _storable(card: Card) -> dict[str, Any]:
    """The card as databases take JSON: lists for tuples, and no NaN, which JSON does not know."""
    try:
        document: dict[str, Any] = json.loads(json.dumps(card.as_json(), allow_nan=False))
    except ValueError as not_finite:
        raise BundleError(
            "card_not_finite",
            f"The card of {card.name} holds NaN or infinity, which JSON does not know.",
            "Write null for a figure that could not be computed.",
        ) from not_finite
    return document


def _is_known(card: Card) -> bool:
    """Whether this very model was verified before. Its files are hashed again each time a worker loads it."""
    return ModelVersion.objects.filter(slug=card.slug, version=card.version, sha256=card.model_sha256).exists()


def _below_root(folder: Path) -> str:
    root = Path(settings.CONFIG.model_root).resolve()
    try:
        return str(folder.resolve().relative_to(root))
    except ValueError:
        raise CommandError(
            f"The bundle lies outside the model root {root}. Move it there, or set MODEL_ROOT."
        ) from None
