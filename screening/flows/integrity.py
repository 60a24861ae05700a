"""Whether everything adds up: one question per promise, answered from the database and the blobs.

Every question lists violations; an empty list is the promise kept.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Final

from django.db.models import Count, Exists, F, OuterRef, Q

from screening.audit.models import AuditEvent, AuditHead
from screening.audit.services import check_links
from screening.flows.explained import files_of
from screening.leasing import RightNow, rows_of
from screening.outbox.models import Delivery, Letter
from screening.results.models import (
    NOT_ASSESSED,
    PENDING,
    Explanation,
    ExplanationState,
    Screening,
    ScreeningState,
)
from screening.studies.models import Image, Study, StudyState
from screening.uploads import storage
from screening.uploads.kept import at_hand, is_kept, names_in
from screening.uploads.models import (
    PENDING_ITEMS,
    TERMINAL_ITEMS,
    Archive,
    ArchiveState,
    Item,
    ItemState,
    Upload,
    UploadState,
)

AT_ONCE: Final = 2000
LONG_AGO: Final = timedelta(minutes=5)
LEASED: Final = (Screening, Item, Explanation, Archive, Delivery, Letter)
STORED: Final = Image.objects.filter(site_id=OuterRef("upload__site_id"), sha256=OuterRef("sha256"))  # of an item


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise broken by one row."""

    check: str
    subject: str
    what: str


def find_violations(*, blobs: bool = True) -> Iterator[Violation]:
    """Ask every question. `blobs` also reads the kept files of each picture, and looks for raw bytes."""
    for name, check in CHECKS.items():
        if name in ON_DISK and not blobs:
            continue
        for subject, what in check():
            yield Violation(name, subject, what)


Findings = Iterator[tuple[str, str]]


def _finished_uploads_are_terminal() -> Findings:
    ended = (UploadState.FINISHED, UploadState.CANCELLED)
    open_items = Item.objects.filter(upload__state__in=ended, state__in=PENDING_ITEMS)
    for upload_id, count in open_items.values_list("upload_id").annotate(n=Count("pk")).order_by():
        yield str(upload_id), f"{count} items are not terminal although the upload ended"
    waiting = Screening.objects.filter(upload__state__in=ended, state__in=PENDING)
    for upload_id, count in waiting.values_list("upload_id").annotate(n=Count("pk")).order_by():
        yield str(upload_id), f"{count} screenings wait although the upload ended"


def _accepted_items_have_images() -> Findings:
    accepted = Item.objects.filter(state=ItemState.ACCEPTED, upload__purged_at__isnull=True)
    purged = Study.objects.filter(state=StudyState.PURGED).values("pk")
    for pk in accepted.filter(~Exists(STORED)).exclude(study_id__in=purged).values_list("pk", flat=True):
        yield str(pk), "an accepted item has no image"
    rejected = Item.objects.filter(state=ItemState.REJECTED, code="").values_list("pk", flat=True)
    for pk in rejected:
        yield str(pk), "a rejected item has no code"


def _duplicates_lead_somewhere() -> Findings:
    """To a picture, a study, or an original that is on its way or says why there is none."""
    telling = (*PENDING_ITEMS, ItemState.REJECTED, ItemState.FAILED)
    leads = (
        Q(Exists(STORED))
        | Q(Exists(Study.objects.filter(pk=OuterRef("study_id"))))
        | Q(duplicate_of__state__in=telling)
        | Q(duplicate_of__study_id__isnull=False)
    )
    duplicates = Item.objects.filter(state=ItemState.DUPLICATE, upload__purged_at__isnull=True)
    for pk in duplicates.exclude(leads).values_list("pk", flat=True):
        yield str(pk), "a duplicate leads to no picture, no study and no reason"


def _images_have_screenings() -> Findings:
    for pk in Image.objects.filter(screenings__isnull=True, study__upload__models_chosen__isnull=False).values_list(
        "pk", flat=True
    ):
        yield str(pk), "an image has no screening"


def _nothing_is_doubled() -> Findings:
    """The database's keys forbid it; this holds where a key was lost, in a restored copy say."""
    rows = Screening.with_trials.order_by().values(*_SCREENED, "trial").annotate(n=Count("pk")).filter(n__gt=1)
    for image, slug, version, pipeline in rows.values_list(*_SCREENED):
        yield str(image), f"screened more than once by {slug}@{version} at pipeline {pipeline}"
    frames = Image.objects.order_by().values("site", "sha256", "frame").annotate(n=Count("pk")).filter(n__gt=1)
    for sha256, frame in frames.values_list("sha256", "frame"):
        yield f"{sha256}:{frame}", "kept as more than one picture of a site"


_SCREENED: Final = ("image", "model_version__slug", "model_version__version", "pipeline")


def _results_are_whole() -> Findings:
    scored = Screening.objects.filter(state=ScreeningState.SCORED)
    for pk in scored.filter(Q(scores={}) | Q(thresholds={}) | Q(model_sha256="")).values_list("pk", flat=True):
        yield str(pk), "a scored screening lacks scores, operating points or the model's hash"
    for pk in Screening.objects.filter(state__in=NOT_ASSESSED, flagged=True).values_list("pk", flat=True):
        yield str(pk), "a screening that was not assessed is flagged"


def _each_outcome_has_one_event() -> Findings:
    """Terminal screenings and items: events of outcome minus events of retry is one; pending ones have none left."""
    terminal: dict[str, int] = dict.fromkeys(ScreeningState.values, 1)
    terminal |= dict.fromkeys(PENDING, 0)
    yield from _balance("screening", dict(Screening.with_trials.values_list("pk", "state")), terminal)
    terminal = dict.fromkeys(TERMINAL_ITEMS, 1)
    terminal |= dict.fromkeys(PENDING_ITEMS, 0)
    yield from _balance("item", dict(Item.objects.values_list("pk", "state")), terminal)


def _balance(kind: str, states: Mapping[object, str], expected: Mapping[str, int]) -> Findings:
    counts: Counter[str] = Counter()
    events = AuditEvent.objects.filter(action__startswith=f"{kind}:")
    columns = events.values_list("action", f"detail__{kind}", "detail__before")
    for action, subject, before in columns.iterator(chunk_size=AT_ONCE):
        corrects = before == ItemState.DUPLICATE  # a duplicate of a file that never came: its outcome was counted
        step = {f"{kind}:retried": -1, f"{kind}:received": 0}.get(action, 0 if corrects else 1)
        counts[str(subject)] += step
    for key, state in states.items():
        if counts[str(key)] != expected[state]:
            yield str(key), f"{kind} is {state} but has {counts[str(key)]} events of an outcome"


def _nothing_is_stuck() -> Findings:
    """Leases far beyond their end: nobody reclaims them."""
    for model in LEASED:
        late = rows_of(model).filter(lease_until__lt=RightNow() - LONG_AGO)
        for pk in late.values_list("pk", flat=True):
            yield str(pk), "a lease ran out more than five minutes ago"


def _chains_are_whole() -> Findings:
    heads = {head.chain: head for head in AuditHead.objects.all()}
    ordered = AuditEvent.objects.order_by("chain", "seq").iterator(chunk_size=AT_ONCE)
    seen = set()
    for chain, events in groupby(ordered, key=attrgetter("chain")):
        seen.add(chain)
        report = check_links(chain, list(events), heads.get(chain))
        if not report.intact:
            yield chain, f"broken at {report.broken_at}: {report.reason}"
    for chain, head in heads.items():
        if chain not in seen and head.seq:
            yield chain, "every event of the chain is gone"


def _subjects_have_chains() -> Findings:
    studies = {f"study:{pk}" for pk in Study.objects.values_list("pk", flat=True)}
    uploads = {f"upload:{pk}" for pk in Upload.objects.exclude(state=UploadState.OPEN).values_list("pk", flat=True)}
    known = set(AuditHead.objects.values_list("chain", flat=True))
    for chain in sorted((studies | uploads) - known):
        yield chain, "its audit chain is missing"


def _studies_agree_with_rows() -> Findings:
    pending = Screening.objects.filter(state__in=PENDING).values("study_id")
    settled = (StudyState.READY, StudyState.INCOMPLETE, StudyState.REVIEWED)
    for pk in Study.objects.filter(state__in=settled, pk__in=pending).values_list("pk", flat=True):
        yield str(pk), "a settled study has screenings that wait"
    flagged = Screening.objects.filter(flagged=True, study__modality="xray", study__flagged=False)
    for pk in flagged.exclude(study__state=StudyState.PURGED).values_list("study_id", flat=True).distinct():
        yield str(pk), "a flagged screening did not flag its study"
    elsewhere = Screening.objects.exclude(study_id=F("image__study_id"))
    for pk in elsewhere.values_list("pk", flat=True):
        yield str(pk), "a screening belongs to another study than its image"


def _blobs_are_whole() -> Findings:
    """Sources and previews are there, and planes are those that were made; a plane that is gone can be made again."""
    rows = Image.objects.order_by("site_id", "sha256", "frame")
    columns = rows.values_list("site_id", "sha256", "source_name", "frame", "plane_sha256")
    for (site_id, sha256), group in groupby(columns.iterator(chunk_size=AT_ONCE), key=itemgetter(0, 1)):
        folder, pictures = storage.blob_folder(site_id, sha256), list(group)
        wanted = {source for _, _, source, _, _ in pictures} | {f"{frame}.jpg" for _, _, _, frame, _ in pictures}
        if missing := sorted(wanted - names_in(folder)):
            yield sha256, f"missing from the blob folder: {', '.join(missing)}"
        rotted = [frame for *_, frame, plane in pictures if _differs(folder / f"{frame}.plane", plane)]
        if rotted:
            yield sha256, f"planes that are not those that were made: {', '.join(map(str, rotted))}"


def _differs(path: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(at_hand(path).read_bytes()).hexdigest() != sha256
    except FileNotFoundError:
        return False


def _flags_are_explained() -> Findings:
    """Of every flagged study at least one heat map is drawn, waits, or failed with its reason."""
    settled = (StudyState.READY, StudyState.INCOMPLETE, StudyState.REVIEWED)
    flagged = Study.objects.filter(flagged=True, state__in=settled)
    explained = Explanation.objects.filter(screening__study_id=OuterRef("pk"))
    for pk in flagged.filter(~Exists(explained)).values_list("pk", flat=True):
        yield str(pk), "a flagged study has no heat map, and none waits to be drawn"
    for pk in Explanation.objects.filter(state=ExplanationState.FAILED, code="").values_list("pk", flat=True):
        yield str(pk), "a heat map failed without a reason"


def _heat_maps_are_there() -> Findings:
    drawn = Explanation.objects.filter(state=ExplanationState.DRAWN).select_related("screening__image").order_by("pk")
    for row in drawn.iterator(chunk_size=AT_ONCE):
        gone = not all(map(is_kept, files_of(row)))
        if gone and drawn.filter(pk=row.pk, key=row.key).exists():  # a purge or another drawing may have come between
            yield str(row.pk), "the files of a heat map are gone: asked for again, it is drawn again"


def _raw_bytes_are_there() -> Findings:
    """Of files and archives that wait for a worker, or for a retry. Asked again: one may just have been served."""
    waiting = (ItemState.RECEIVED, ItemState.DECODING)
    items = Item.objects.filter(Q(state__in=waiting) | Q(state=ItemState.FAILED) & ~Q(incoming=""))
    archives = Archive.objects.filter(state__in=(ArchiveState.RECEIVED, ArchiveState.EXPANDING))
    for rows in (items, archives):
        for pk, name in rows.order_by("pk").values_list("pk", "incoming").iterator(chunk_size=AT_ONCE):
            if not storage.incoming_is_kept(name) and rows.filter(pk=pk, incoming=name).exists():
                yield str(pk), "its raw bytes are gone"


CHECKS: Final[Mapping[str, Callable[[], Findings]]] = {
    "sums": _finished_uploads_are_terminal,
    "accepted": _accepted_items_have_images,
    "duplicates": _duplicates_lead_somewhere,
    "images": _images_have_screenings,
    "doubled": _nothing_is_doubled,
    "results": _results_are_whole,
    "outcomes": _each_outcome_has_one_event,
    "stuck": _nothing_is_stuck,
    "chains": _chains_are_whole,
    "subjects": _subjects_have_chains,
    "studies": _studies_agree_with_rows,
    "explained": _flags_are_explained,
    "blobs": _blobs_are_whole,
    "heat": _heat_maps_are_there,
    "incoming": _raw_bytes_are_there,
}
ON_DISK: Final = frozenset({"blobs", "heat", "incoming"})
