"""The layouts that the `[data]` part of a configuration may name, and what a card keeps of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from ml.models.card import Card
from ml.training.data import DataError, read_manifest
from ml.training.layouts.collection import Collection
from ml.training.layouts.folders import FolderLayout
from ml.training.layouts.metadata import MetadataLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestLayout:
    """`manifest.csv` says everything: path, label, source, patient, split (docs/models.md)."""

    def read(self, data: Path, modality: str, labels: Sequence[str]) -> Collection:  # noqa: ARG002 - as the others
        """Read the manifest; see `read_manifest`."""
        return Collection(read_manifest(data))


Layout = ManifestLayout | FolderLayout | MetadataLayout
LAYOUTS: Final = {"manifest": ManifestLayout, "folders": FolderLayout, "metadata": MetadataLayout}


def read_layout(document: Mapping[str, Any]) -> Layout:
    """Read the `[data]` part of a configuration, or what a card keeps of it; none means a manifest.

    Raises:
        ValueError: no such layout, or a value that it does not take.
        TypeError: an option that it does not have, or lacks.
    """
    values = dict(document)
    name = values.pop("layout", "manifest")
    if name not in LAYOUTS:
        raise ValueError(f"layout {name!r}; known are {', '.join(LAYOUTS)}")
    if isinstance(told := values.get("held_out_after"), str):
        values["held_out_after"] = date.fromisoformat(told)
    layout: Layout = LAYOUTS[name](**values)
    return layout


def layout_told(layout: Layout) -> dict[str, Any]:
    """Return what `read_layout` reads back, as JSON takes it."""
    name = next(name for name, kind in LAYOUTS.items() if isinstance(layout, kind))
    values = {key: str(value) if isinstance(value, date) else value for key, value in asdict(layout).items()}
    return {"layout": name, **{key: value for key, value in values.items() if value is not None}}


def layout_of(card: Card) -> Layout:
    """Return how the training pictures of a model lay; other splits of theirs are read the same way.

    Raises:
        DataError: `layout_unreadable`.
    """
    try:
        return read_layout(card.training_data.get("layout", {}))
    except (TypeError, ValueError) as problem:
        raise DataError(
            "layout_unreadable",
            f"The card of {card.name} names a layout of data that cannot be understood: {problem}.",
            "Name a configuration with the right [data] part by --layout.",
        ) from problem
