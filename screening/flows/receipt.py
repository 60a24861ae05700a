"""The receipt: every item of an upload, its one outcome, and what the models said. Page, JSON and CSV share it."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from ml.vocabulary import PIPELINES, REFUSALS
from screening.flows.naming import notes_on
from screening.flows.replacing import replacements_of
from screening.results.models import ModelVersion, Screening, ScreeningState
from screening.results.selectors import flag_word, why
from screening.studies.models import Image, Study
from screening.uploads.models import Archive, ArchiveState, Item, ItemState, Upload

AT_ONCE: Final = 500  # items whose pictures and results are read together
PENDING_RESULT: Final = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptResult:
    """What one model said about one picture."""

    model: str
    outcome: str  # scored, inconclusive, failed, quarantined, cancelled or waiting
    code: str | None
    flag: str  # one of the four words
    why: str
    scores: dict[str, float]
    thresholds: dict[str, float]
    flagged: bool
    model_sha256: str
    runtime: str
    precision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptImage:
    """One picture of a file, and what every model said about it."""

    image: UUID
    frame: int
    modality: str
    quality: list[str]
    results: list[ReceiptResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptItem:
    """One path that was offered, and what became of it."""

    item: UUID
    path: str | None  # None where the reader may not see paths, or it was purged
    size: int
    sha256: str
    outcome: str
    code: str | None
    message: str | None
    what_to_do: str | None
    duplicate_of: UUID | None
    study: UUID | None
    external_id: str | None
    notes: list[str] = field(default_factory=list)  # codes, beside the outcome: a row of a side table was not taken
    replaces: "Counterpart | None" = None
    replaced_by: "Counterpart | None" = None
    images: list[ReceiptImage] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterpart:
    """The file of another upload that a file replaces, or that replaced it."""

    item: UUID
    upload: UUID
    path: str | None  # as on the item itself
    outcome: str
    code: str | None


Hides = Callable[[Iterable[UUID]], Collection[UUID]]  # of these studies, those whose results are not told


def hides_nothing(_studies: Iterable[UUID]) -> Collection[UUID]:
    """For whoever sees every result."""
    return ()


def receipt(upload: Upload, *, with_paths: bool, hides: Hides = hides_nothing) -> Iterator[ReceiptItem]:
    """Give every item of an upload, a few hundred read at a time.

    Without paths the order tells nothing about them either. Of studies that are hidden no result is given.
    """
    order = ("path", "pk") if with_paths else ("pk",)
    keys = list(Item.objects.filter(upload=upload).order_by(*order).values_list("pk", flat=True))
    for start in range(0, len(keys), AT_ONCE):
        chunk = keys[start : start + AT_ONCE]
        items = Item.objects.in_bulk(chunk)
        yield from assemble(upload, [items[key] for key in chunk if key in items], with_paths=with_paths, hides=hides)


def assemble(
    upload: Upload, items: Sequence[Item], *, with_paths: bool, hides: Hides = hides_nothing
) -> list[ReceiptItem]:
    """Give the receipt of some of an upload's items, in their order. A fixed number of queries."""
    originals = Item.objects.in_bulk([item.duplicate_of_id for item in items if item.duplicate_of_id])
    images = _images_of(upload, items, originals)
    hidden = hides({image.study_id for group in images.values() for image in group})
    results = _results_of(upload, [one for group in images.values() for one in group if one.study_id not in hidden])
    studies = {item.pk: _study_of(item, images[item.pk]) for item in items}
    replaced = Item.objects.in_bulk([item.replaces_id for item in items if item.replaces_id])
    replacing = replacements_of([item.pk for item in items])
    found = Study.objects.in_bulk({key for key in studies.values() if key})
    studied = {item: found[key] for item, key in studies.items() if key and key in found}
    notes = notes_on(upload.site_id, items, studied)
    return [
        _receipt_item(
            item,
            path=(item.path or None) if with_paths else None,
            code=_code(item, originals, images),
            study=studies[item.pk],
            external_id=studied[item.pk].external_id if item.pk in studied else None,
            notes=[notes[item.pk]] if item.pk in notes else [],
            images=[_receipt_image(image, results[image.pk]) for image in images[item.pk]],
            replaces=_counterpart(replaced.get(item.replaces_id) if item.replaces_id else None, with_paths=with_paths),
            replaced_by=_counterpart(replacing.get(item.pk), with_paths=with_paths),
        )
        for item in items
    ]


def _images_of(upload: Upload, items: Sequence[Item], originals: Mapping[UUID, Item]) -> dict[UUID, list[Image]]:
    """By item: the pictures of its bytes, or of the item that it repeats under another header."""
    shown = [item for item in items if item.state in {ItemState.ACCEPTED, ItemState.DUPLICATE}]
    repeated = {item.pk: original.sha256 for item in shown if (original := _original(item, originals))}
    hashes = {item.sha256 for item in shown} | set(repeated.values())
    held: defaultdict[str, list[Image]] = defaultdict(list)
    for image in Image.objects.filter(site_id=upload.site_id, sha256__in=hashes).order_by("sha256", "frame"):
        held[image.sha256].append(image)
    found: dict[UUID, list[Image]] = {item.pk: [] for item in items}
    return found | {item.pk: held[item.sha256] or held[repeated.get(item.pk, "")] for item in shown}


def _original(item: Item, originals: Mapping[UUID, Item]) -> Item | None:
    return originals.get(item.duplicate_of_id) if item.duplicate_of_id else None


def _results_of(upload: Upload, images: Sequence[Image]) -> defaultdict[UUID, list[Screening]]:
    versions = list(ModelVersion.objects.defer("card"))
    chosen = [version.pk for version in versions if version.name in upload.models_chosen]
    rows = Screening.objects.filter(Q(model_version__in=chosen) | Q(upload=upload))
    return latest_results(rows, images, versions)


def latest_results(
    rows: QuerySet[Screening], images: Sequence[Image], known: Sequence[ModelVersion] | None = None
) -> defaultdict[UUID, list[Screening]]:
    """For each image, one row a model: at the present pipeline, else the last one before it.

    One query, and one for the versions where they are not known.
    """
    versions = {version.pk: version for version in (ModelVersion.objects.defer("card") if known is None else known)}
    by_key = {image.pk: image for image in images}
    latest: dict[tuple[UUID, UUID], Screening] = {}
    for row in rows.filter(image__in=by_key).defer("timings").order_by("created_at"):
        key = (row.image_id, row.model_version_id)
        if key not in latest or latest[key].pipeline not in PIPELINES:
            latest[key] = row
    found: defaultdict[UUID, list[Screening]] = defaultdict(list)
    for row in latest.values():
        row.image, row.model_version = by_key[row.image_id], versions[row.model_version_id]
        found[row.image_id].append(row)
    for group in found.values():
        group.sort(key=lambda row: row.model_version.name)
    return found


def _study_of(item: Item, images: Sequence[Image]) -> UUID | None:
    return item.study_id or next((image.study_id for image in images), None)


def _code(item: Item, originals: Mapping[UUID, Item], images: Mapping[UUID, Sequence[Image]]) -> str:
    """Say why there is nothing: a duplicate of a file that was itself refused carries that file's reason."""
    original = _original(item, originals)
    if item.state == ItemState.DUPLICATE and original is not None and not images[item.pk]:
        return original.code
    return item.code


def _counterpart(item: Item | None, *, with_paths: bool) -> Counterpart | None:
    if item is None:
        return None
    return Counterpart(
        item=item.pk,
        upload=item.upload_id,
        path=(item.path or None) if with_paths else None,
        outcome=_outcome(item),
        code=item.code or None,
    )


def _outcome(item: Item) -> str:
    return ItemState.RECEIVED if item.state == ItemState.DECODING else item.state


def _receipt_item(item: Item, *, code: str, **told: Any) -> ReceiptItem:
    refusal = REFUSALS.get(code)
    return ReceiptItem(
        item=item.pk,
        size=item.size,
        sha256=item.sha256,
        outcome=_outcome(item),
        code=code or None,
        message=_(refusal.message) if refusal else None,
        what_to_do=_(refusal.what_to_do) if refusal else None,
        duplicate_of=item.duplicate_of_id,
        **told,
    )


def _receipt_image(image: Image, rows: Sequence[Screening]) -> ReceiptImage:
    return ReceiptImage(
        image=image.pk,
        frame=image.frame,
        modality=image.modality,
        quality=list(image.notes),
        results=[result_of(row) for row in rows],
    )


def result_of(row: Screening) -> ReceiptResult:
    """Say what a model said about a picture, in the words of every place. The row's image and model are at hand."""
    waiting = row.state in {ScreeningState.WAITING, ScreeningState.LEASED}
    return ReceiptResult(
        model=row.model_version.name,
        outcome=PENDING_RESULT if waiting else row.state,
        code=row.code or None,
        flag=flag_word(row),
        why=why(row),
        scores=row.scores,
        thresholds=row.thresholds,
        flagged=row.flagged,
        model_sha256=row.model_sha256,
        runtime=row.runtime,
        precision=row.precision,
    )


def refused_archives(upload: Upload) -> list[Archive]:
    """Give archives of which no member became an item, or not every one."""
    ended = (ArchiveState.REJECTED, ArchiveState.CANCELLED)
    return list(Archive.objects.filter(upload=upload, state__in=ended))
