"""What the service answers. Fields that a newer service adds are left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

OVER: Final = frozenset({"finished", "cancelled"})
PENDING_ITEMS: Final = frozenset({"expected", "received"})
PENDING_SCREENINGS: Final = frozenset({"waiting", "leased"})
ITEMS_WITH_OUTCOME: Final = frozenset({"accepted", "duplicate", "rejected"})
SCREENINGS_WITH_OUTCOME: Final = frozenset({"scored", "inconclusive"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """An active model version and its card."""

    name: str  # slug@version
    title: str
    modality: str
    labels: tuple[str, ...]
    flag_labels: tuple[str, ...]  # those that raise a flag
    sha256: str
    default: bool  # screens what names no model
    card: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an upload may bring."""

    file_bytes: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload and how far it is. The counts are by state."""

    id: UUID
    site: UUID
    name: str | None  # none where the caller may not see it
    models: tuple[str, ...]
    state: str  # open, sealed, finished or cancelled
    offered: int
    items: Mapping[str, int]
    screenings: Mapping[str, int]
    images_per_second: float | None
    estimated_end: datetime | None
    limits: Limits

    @property
    def over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in OVER

    @property
    def items_done(self) -> int:
        return sum(number for state, number in self.items.items() if state not in PENDING_ITEMS)

    @property
    def screenings_done(self) -> int:
        return sum(number for state, number in self.screenings.items() if state not in PENDING_SCREENINGS)

    @property
    def without_outcome(self) -> int:
        """How many files and results have none: failed, not sent, cancelled, quarantined, or still waiting."""
        files = sum(number for state, number in self.items.items() if state not in ITEMS_WITH_OUTCOME)
        return files + sum(number for state, number in self.screenings.items() if state not in SCREENINGS_WITH_OUTCOME)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAnswer:
    """What the service says about one file that was offered or sent."""

    path: str
    state: str  # missing: send it; received, duplicate: it is there; rejected: `code` says why
    code: str
    message: str
    what_to_do: str
    item: UUID | None  # none where the path belongs to another file


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one model said about one picture. A score is not a probability."""

    model: str
    outcome: str
    code: str | None
    flag: str
    why: str
    scores: Mapping[str, float]
    thresholds: Mapping[str, float]
    flagged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of a file."""

    image: UUID
    frame: int
    modality: str
    quality: tuple[str, ...]
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One path that was offered, and what became of it."""

    path: str | None = None  # none where the caller may not see paths
    item: UUID
    size: int
    sha256: str
    outcome: str
    code: str | None
    message: str | None
    what_to_do: str | None
    duplicate_of: UUID | None
    study: UUID | None
    external_id: str | None
    notes: tuple[str, ...] = ()  # codes: where the row of a side table did not reach the study
    images: tuple[Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Every item of an upload, in one state each."""

    disclaimer: str
    upload: UUID
    state: str
    unmatched: int = 0  # rows of side tables for paths that no file has
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPicture(Picture):
    """One picture of a study."""

    sha256: str  # of the file as it was sent
    view: str
    rows: int
    columns: int
    position: float | None
    preview: str
    heat_maps: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesResult:
    """One model on a whole CT series. Not validated."""

    model: str
    series: str
    outcome: str
    code: str | None
    slices: int
    scores: Mapping[str, float]
    thresholds: Mapping[str, float]
    flagged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where on a picture a finding is: parts of its columns and rows, 0 to 1, from the left and the upper side."""

    image: UUID
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A reader's standing answer about one finding."""

    review: UUID
    finding: str
    answer: str
    reason: str
    comment: str
    box: Box | None = None
    reader: str
    revision: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study, its pictures, and what models and readers said."""

    id: UUID
    site: UUID
    upload: UUID
    external_id: str | None
    modality: str
    state: str
    revision: int
    flag: str | None  # this and the next two: none where you are to answer blindly first
    flagged: bool | None
    not_assessed: bool | None
    change_number: int
    created_at: datetime
    completed_at: datetime | None
    purged_at: datetime | None
    images: tuple[StudyPicture, ...]
    series_results: tuple[SeriesResult, ...]
    reviews: tuple[Review, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPage:
    """Studies in the order of their changes. `cursor` says where the page ends, also an empty one."""

    results: tuple[Study, ...]
    cursor: str
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address of your own that is told what happens."""

    id: UUID
    site: UUID
    url: str
    events: tuple[str, ...]
    enabled: bool
    waiting: int  # deliveries that are to be sent
    dead: int  # that were given up
    failing_since: datetime | None
    secret: str | None = None  # told once, when it is made


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Which study an original identifier belongs to."""

    uid: str
    study: UUID | None
    external_id: str | None
