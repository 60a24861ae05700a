"""What ingest did to the headers of an upload's files: noted by batch, told by attribute, never a value."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from ml.vocabulary import marked
from screening.studies.values import IngestedFile, ItemOutcome
from screening.uploads.models import Deidentification, Item, ItemState, Upload
from screening.upserting import insert_rows

METHODS: Final = {
    "113101": "Clean Pixel Data Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
}
SAID: Final = {
    "113101": marked("What seemed to be burned-in text was filled with black."),
    "113107": marked("Dates went back by a number of days of the patient's own."),
    "113108": marked("Age (above 90 told as 90) and sex stayed."),
}
DONE: Final = ("kept", "changed", "removed")
PLAIN: Final = marked("Of PNG and JPEG files the pixels alone are kept: EXIF, comments and other text do not stay.")


def note_headers(files: Iterable[tuple[Item, ItemOutcome]], *, accepted: Container[UUID]) -> None:
    """Write down, in the caller's transaction, what was done to headers of accepted files: one row an upload."""
    tallies: dict[UUID, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for item, outcome in files:
        if outcome.file is not None and item.pk in accepted:
            _add(tallies[item.upload_id], outcome.file)
    rows = [Deidentification(upload_id=pk, **{k: dict(v) for k, v in tally.items()}) for pk, tally in tallies.items()]
    if rows:
        insert_rows(rows)


def _add(tally: dict[str, Counter[str]], file: IngestedFile) -> None:
    tally["kinds"][file.kind] += 1
    tally["methods"].update(file.methods)
    for done in DONE:
        tally[done].update(file.deidentified.get(done, {}).keys())  # files, however often one holds the attribute


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute by keyword, and in how many files each thing was done to it."""

    keyword: str
    kept: int
    changed: int
    removed: int


@dataclass(frozen=True, slots=True)
class Method:
    """One of DICOM's options, and to how many files it was applied."""

    code: str
    meaning: str
    said: str
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """What became of the headers of an upload's files."""

    kinds: dict[str, int]
    accepted: int
    attributes: tuple[Attribute, ...]
    methods: tuple[Method, ...]
    plain: str = field(default=PLAIN)

    @property
    def noted(self) -> int:
        """How many files the report tells of."""
        return sum(self.kinds.values())

    @property
    def missing(self) -> int:
        """How many accepted files were read by a release that noted nothing."""
        return max(0, self.accepted - self.noted)


def headers_of(upload: Upload) -> Headers:
    """Add up what was noted of an upload."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    columns = ("kinds", *DONE, "methods")
    for row in upload.deidentifications.values_list(*columns).iterator():
        for name, counts in zip(columns, row, strict=True):
            sums[name].update(counts)
    keywords: Sequence[str] = sorted({keyword for done in DONE for keyword in sums[done]})
    return Headers(
        kinds=dict(sorted(sums["kinds"].items())),
        accepted=upload.items.filter(state=ItemState.ACCEPTED).count(),
        attributes=tuple(Attribute(keyword, *(sums[done][keyword] for done in DONE)) for keyword in keywords),
        methods=tuple(
            Method(code, METHODS.get(code, code), _(SAID[code]) if code in SAID else "", files)
            for code, files in sorted(sums["methods"].items())
        ),
    )
