"""What ingest hands over about one file, free of numpy: plain values that cross from workers to services."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ml.vocabulary import PIPELINE


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestedPicture:
    """One frame that was decoded, with its preview and plane stored."""

    frame: int
    modality: str
    view: str
    rows: int
    columns: int
    notes: tuple[str, ...]
    not_assessed: str  # a value of ml.vocabulary.NotAssessed, or empty
    plane_sha256: str
    position: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestedFile:
    """One file that was decoded, its identifiers pseudonymised already."""

    kind: str
    source_name: str
    pixels_sha256: str
    pictures: tuple[IngestedPicture, ...]
    study_uid: str = ""
    series_uid: str = ""
    instance_uid: str = ""
    patient: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    deidentified: dict[str, dict[str, int]] = field(default_factory=dict)  # see `ml.images.records.Processed`
    methods: tuple[str, ...] = ()
    pipeline: str = PIPELINE


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOutcome:
    """What became of one leased item: a file, a refusal code, or a crash of its decoder."""

    item_id: UUID
    file: IngestedFile | None = None
    code: str = ""  # a key of ml.vocabulary.REFUSALS
    crashed: bool = False  # the child was killed by a signal: try again, three times at most
    retryable: bool = False  # the service's own fault (disk full, say): `failed`, not `rejected`


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """Which model spoke, and on what."""

    name: str
    sha256: str
    runtime: str
    precision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenOutcome:
    """What a model said about one picture."""

    kind: str  # scored | inconclusive | failed
    scores: dict[str, float] = field(default_factory=dict)
    code: str = ""
    distance: float | None = None


JSON = dict[str, Any]
