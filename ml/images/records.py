"""What reading a file takes and gives: plain values that cross a process boundary as JSON."""

from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from ml.vocabulary import PIPELINE, REFUSALS, Modality, NotAssessed, Note

MiB: Final = 1024 * 1024


class Unreadable(Exception):
    """A file that cannot be taken; `code` is a key of `ml.vocabulary.REFUSALS`."""

    def __init__(self, code: str, *, cause: str = "") -> None:
        self.code = code
        self.cause = cause  # the name of the decoder's exception; its message may hold header values
        refusal = REFUSALS[code]  # an unknown code is a bug and surfaces as KeyError
        super().__init__(f"{refusal.message} {refusal.what_to_do}")

    def __reduce__(self) -> tuple[Any, ...]:
        # The message is not the argument: without this, sending it to another process fails.
        return _unreadable, (type(self), self.code, self.cause)


def _unreadable(kind: type[Unreadable], code: str, cause: str) -> Unreadable:
    return kind(code, cause=cause)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a file is read at most. What exceeds them is refused before it is decoded."""

    max_file_bytes: int = 512 * MiB
    max_pixels: int = 60_000_000  # rows x columns of one frame
    max_frames: int = 512
    max_inflated_bytes: int = 1024 * MiB  # of a deflated DICOM data set, and of all its frames decoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a file is read for one site."""

    key: bytes = field(repr=False)  # the site's pseudonym key, 32 bytes; never in a log
    modality: Modality | None = None  # what the uploader said; None: tell from the file
    hold_burned_in: bool = False  # do not assess pictures into which text may be burned, by header or by look
    mask_text: bool = False  # fill what seems to be text, before anything is kept
    reduced: bool = False  # read large JPEG 2000 at a part of its size; where text is to be filled, never
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if len(self.key) != 32:
            raise ValueError(f"the pseudonym key must have 32 bytes, got {len(self.key)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One frame: what it shows, and why it is not assessed if it is not."""

    frame: int  # from 0
    modality: Modality
    view: str  # "PA", "AP", "L", "axial" or "unknown"
    rows: int
    columns: int
    notes: tuple[Note, ...]
    not_assessed: NotAssessed | None
    plane_sha256: str
    position: float | None  # mm along the normal of the slice; None unless CT with a position
    masked: int = 0  # regions that were filled because they seemed to hold text


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """A file that was read: nothing in it identifies the patient to one without the site's key."""

    kind: str  # "dicom", "png" or "jpeg"
    study_uid: str | None  # pseudonymised, as are the next three
    series_uid: str | None
    instance_uid: str | None
    patient: str | None
    pixels_sha256: str  # of the stored values, or of compressed frames: equal for equal pictures of a kind and pipeline
    source_name: str  # "source.dcm" or "source.png"
    facts: dict[str, str]
    pictures: tuple[Picture, ...]
    timings: dict[str, float]  # milliseconds
    deidentified: dict[str, dict[str, int]]  # {"kept" | "changed" | "removed": {keyword: how often}}
    methods: tuple[str, ...] = ()  # DICOM's codes of what was truly applied to the header
    pipeline: str = PIPELINE  # one of ml.vocabulary.PIPELINES

    def as_json(self) -> dict[str, Any]:
        """Give the same as values that `json.dumps` takes: not copies, which `asdict` takes longest for."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        pictures = [{each.name: getattr(one, each.name) for each in fields(one)} for one in self.pictures]
        return values | {"pictures": pictures}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Rebuild what `as_json` gave, also after a round trip through JSON text."""
        pictures = tuple(
            Picture(
                **picture
                | {
                    "modality": Modality(picture["modality"]),
                    "notes": tuple(Note(note) for note in picture["notes"]),
                    "not_assessed": picture["not_assessed"] and NotAssessed(picture["not_assessed"]),
                }
            )
            for picture in values["pictures"]
        )
        return cls(**values | {"pictures": pictures, "methods": tuple(values.get("methods", ()))})
