"""Bring the weights of a Keras file in as a bundle whose card says what is not known."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ml.models.architectures import Architecture, architecture_named
from ml.models.bundle import WEIGHTS_FILE, Bundle, file_sha256, load_bundle
from ml.models.card import BundleError, Card, OperatingPoint, OutOfDistribution, Reference, model_hash
from ml.models.imported import refuse_unpublished, weights_of
from ml.models.keras_config import check_config
from ml.models.keras_file import KerasFile, read_keras_file
from ml.models.references import TOLERANCE, choose_references, write_card
from ml.models.verify import verify
from ml.models.weights import write_weights
from ml.vocabulary import PIPELINE, Modality

SIDE: Final = 224  # pixels, if neither the caller nor the file says
CANDIDATES: Final = 64  # phantoms to choose reference scores from; large trunks take a while
NAMES: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
UNKNOWN_LICENCE: Final = "Unknown: ask whoever trained it. Education and research only."
UNKNOWN: Final = {"known": "no", "text": "Imported from a file of weights, which does not tell."}
RULE: Final = "one half: chosen on no data, set yours"
LIMITS: Final = (
    "Imported from a file of weights. Which pictures it was trained on, how many, and how well it does are unknown.",
    "Whether pictures of one patient stood on both sides of its author's test is unknown: do not trust its figures.",
    "How its author cropped, resized and scaled pictures is not in the file; scores here may differ from the author's.",
    "It cannot recognise pictures unlike those it was trained on: every picture is scored.",
    "Scores are not probabilities, and the operating points are one half: provisional, set yours.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the caller says of a file."""

    architecture: str
    labels: tuple[str, ...]  # in the order of the file's outputs; with one output, the second is what 1 means
    flags: tuple[str, ...]
    slug: str
    version: str
    modality: Modality = Modality.XRAY
    side: int | None = None
    licence: str = UNKNOWN_LICENCE


def import_keras(path: Path, wanted: Wanted, out: Path, config: Path | None = None) -> Card:
    """Write `out/<slug>/<version>`, a bundle with the weights of a `.h5` file, and verify it.

    Args:
        path: What `model.save("x.h5")` or `model.save_weights("x.h5")` wrote.
        wanted: Architecture, names, labels.
        out: A folder of bundles.
        config: The JSON of `model.to_json()`; what the file itself holds of it is compared as well.

    Raises:
        BundleError: the reason why it is not what it is said to be, with a code; nothing is written.
    """
    folder = _new_folder(wanted, out)
    architecture = architecture_named(wanted.architecture)
    refuse_unpublished(architecture)
    file = read_keras_file(path)
    side = _checked_side(file, architecture, wanted, config)
    trunk, head = weights_of(file.layers, architecture, side, len(wanted.labels))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".import-") as place:  # whole and verified, or not at all
        part = Path(place) / "bundle"
        part.mkdir()
        write_weights(part / WEIGHTS_FILE, trunk, head)
        card = _card(wanted, architecture, side, file_sha256(part / WEIGHTS_FILE))
        card = replace(card, model_sha256=model_hash(card))
        card = replace(card, reference=choose_references(Bundle(part, card), CANDIDATES, rounds=1))
        write_card(part, card)
        verify(load_bundle(part))
        part.replace(folder)
    return card


def _checked_side(file: KerasFile, architecture: Architecture, wanted: Wanted, config: Path | None) -> int:
    told = [text for text in (file.config, _text(config)) if text is not None]
    sides = {described.side for text in told if (described := check_config(text, architecture, file.layers)).side}
    sides |= {wanted.side} if wanted.side else set()
    if len(sides) > 1:
        raise BundleError(
            "import_config_differs",
            f"The side of the pictures is told in different ways: {sorted(side for side in sides if side)}.",
            "Name the side that the model was trained with, or none.",
        )
    return sides.pop() or SIDE if sides else SIDE


def _text(config: Path | None) -> str | None:
    try:
        return None if config is None else config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise BundleError(
            "import_config_unreadable",
            f"The description of the layers cannot be read: {type(problem).__name__}.",
            "Name the JSON of model.to_json().",
        ) from problem


def _new_folder(wanted: Wanted, out: Path) -> Path:
    problems = [
        (
            len(set(wanted.labels)) != len(wanted.labels) or len(wanted.labels) < 2,
            "labels repeat or are under two",
        ),
        (not wanted.flags or not set(wanted.flags) <= set(wanted.labels), "a label that flags is not among the labels"),
        (not NAMES.fullmatch(wanted.slug) or not NAMES.fullmatch(wanted.version), "slug or version is no plain name"),
        (wanted.modality is Modality.UNKNOWN, "a model is for xray or ct"),
    ]
    for is_wrong, what in problems:
        if is_wrong:
            raise BundleError("import_names_wrong", f"It cannot be imported so: {what}.", "Correct the command.")
    folder = out / wanted.slug / wanted.version
    if folder.exists():
        raise BundleError("import_exists", f"{wanted.slug}@{wanted.version} exists already.", "Name another version.")
    return folder


def _card(wanted: Wanted, architecture: Architecture, side: int, weights_sha256: str) -> Card:
    unknown: dict[str, Any] = dict(UNKNOWN)
    return Card(
        slug=wanted.slug,
        version=wanted.version,
        title=f"Imported {architecture.name}: {', '.join(wanted.labels)}",
        modality=wanted.modality,
        labels=wanted.labels,
        flag_labels=wanted.flags,
        operating_points={name: OperatingPoint(value=0.5, rule=RULE, low=0.0, high=1.0) for name in wanted.flags},
        architecture=architecture.name,
        input_side=side,
        pipeline=PIPELINE,
        preprocessing=architecture.preprocessing(side),
        ood=OutOfDistribution(method="none: the pictures it was trained on are unknown", threshold=0.0),
        reference=Reference(tolerance=TOLERANCE, seeds=(), scores=()),
        files={WEIGHTS_FILE: weights_sha256},
        model_sha256="",
        licence=wanted.licence,
        training_data=unknown | {"patients_kept_apart": "unknown"},
        metrics=unknown,
        trivial_baselines=unknown,
        shortcut={"verdict": "not tested yet", "text": "Whether the model uses the lungs was not tested yet."},
        evaluations={"val": 0, "external": 0},
        limits=LIMITS,
    )
