"""Fill a site with the rows of drawn studies: block by block, each in one transaction, and go on where a run ended.

Rows are written as they end, not by the services that bring them there, which take a lease and several updates a row.
`manage.py verify_integrity --no-blobs` judges what was written. There are no files: checks of blobs fail on a demo,
pages show no picture, and a worker finds nothing to look at.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final
from uuid import UUID

from django.db import transaction

from screening.audit.models import AuditEvent, AuditHead, ChainKind
from screening.audit.services import Draft, chain_key, record
from screening.demo import rows
from screening.demo.chains import DEMO, item_events, study_chain
from screening.demo.drawn import BEGAN, BETWEEN_COMMITS, COMMIT, DemoStudy, draw, key
from screening.demo.world import World, make_world
from screening.errors import NotADemoSite
from screening.results.models import Explanation, Screening
from screening.review.models import Review
from screening.studies.models import Image, SiteChange, Study
from screening.uploads.models import Item, Upload, UploadState
from screening.uploads.transitions import move_upload
from screening.upserting import insert_rows, write_columns
from screening.users.models import Site

BLOCK: Final = 512  # studies in one transaction: about 5,000 rows
OF_AN_UPLOAD: Final = 18_800  # studies; with what lies beside them close to the 20,000 files that an upload may hold
KEY: Final = "demo:"


@dataclass(slots=True)
class Block:
    """The rows of some studies, table by table."""

    studies: list[Study] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    screenings: list[Screening] = field(default_factory=list)
    explanations: list[Explanation] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    heads: list[AuditHead] = field(default_factory=list)
    events: list[AuditEvent] = field(default_factory=list)


def seed_demo(*, name: str, seed: int, studies: int) -> Iterator[int]:
    """Bring a demo site to so many studies. Gives after each block how many it holds.

    Raises:
        NotADemoSite: the site holds what this command, with this seed, did not write; nothing was changed.
    """
    refuse_real(name, seed)
    world = make_world(name=name, actor=DEMO)
    held = Study.objects.filter(site=world.site).count()
    yield held
    while held < studies:
        upload, began = _upload(world, seed, held)
        ends = min(began + OF_AN_UPLOAD, max(studies, held))
        for start in range(held, ends, BLOCK):
            held = min(start + BLOCK, ends)
            _write(world, upload, [draw(seed, name, number) for number in range(start, held)])
            yield held
        _finish(upload)


def refuse_real(name: str, seed: int) -> None:
    """Raise NotADemoSite where the site has an upload or a study that this command, with this seed, did not make."""
    site = Site.objects.filter(name=name).first()
    if site is None:
        return
    keys = dict(Upload.objects.filter(site=site).values_list("pk", "idempotency_key"))
    foreign = [pk for pk, asked in keys.items() if not asked or pk != _upload_key(name, asked) or _seed(asked) != seed]
    if foreign:
        raise NotADemoSite(f"The site {name!r} holds {len(foreign)} uploads that are not of this demo.")


def _upload_key(name: str, asked: str) -> UUID:
    return key(Random(f"{name}/{asked}"))  # noqa: S311 - a demo is repeated, not kept secret


def _seed(asked: str) -> int | None:
    parts = asked.removeprefix(KEY).split(":")
    return int(parts[0]) if asked.startswith(KEY) and len(parts) == 2 else None


def _upload(world: World, seed: int, held: int) -> tuple[Upload, int]:
    """Give the upload that the next studies come with, and its first study: one that a run left, or a new one."""
    left = Upload.objects.filter(site=world.site, state=UploadState.SEALED).order_by("-created_at").first()
    if left is not None:
        return left, int(str(left.idempotency_key).rpartition(":")[2])
    asked = f"{KEY}{seed}:{held}"
    came = BEGAN + held // COMMIT * BETWEEN_COMMITS - rows.TOOK
    upload = Upload(
        id=_upload_key(world.site.name, asked),
        site=world.site,
        created_by=world.admin,
        name=f"Demo from study {held}",
        models_chosen=[version.name for version in world.versions.values()],
        idempotency_key=asked,
        created_at=came,
        last_seen_at=came,
        sealed_at=came,
    )
    with transaction.atomic():
        upload.save(force_insert=True)
        opened = Draft(ChainKind.UPLOAD, upload.pk, world.site.pk, "upload:opened", {"demo": True})
        record(DEMO, [opened])
        move_upload(upload, to=UploadState.SEALED, actor=DEMO)
    return upload, held


@transaction.atomic
def _finish(upload: Upload) -> None:
    locked = Upload.objects.select_for_update().get(pk=upload.pk)
    if locked.state == UploadState.SEALED:  # else the reconciler found it settled
        move_upload(locked, to=UploadState.FINISHED, actor=DEMO)


@transaction.atomic
def _write(world: World, upload: Upload, drawn: Sequence[DemoStudy]) -> None:
    block = Block()
    head = AuditHead.objects.select_for_update().get(chain=chain_key(ChainKind.UPLOAD, upload.pk))
    for one in drawn:
        _add(block, world, upload, one)
    block.events += item_events(head, block.items, upload.site_id)
    _number(world.site, block.studies, drawn)
    for table in (
        block.studies,
        sorted(block.items, key=lambda item: item.duplicate_of_id is not None),
        block.images,
        block.screenings,
        block.explanations,
        block.reviews,
        block.heads,
        block.events,
    ):
        insert_rows(table)
    write_columns([head], ["seq", "hash"])


def _add(block: Block, world: World, upload: Upload, drawn: DemoStudy) -> None:
    study, review = rows.study_row(drawn, upload), rows.review_row(drawn, world.reader)
    images = [rows.image_row(drawn, picture, upload) for picture in drawn.pictures]
    screenings = [
        row for picture in drawn.pictures for row in rows.screening_rows(drawn, picture, upload, world.versions)
    ]
    head, events = study_chain(drawn, study, images, screenings, review)
    block.studies.append(study)
    block.items += rows.item_rows(drawn, upload)
    block.images += images
    block.screenings += screenings
    block.explanations += [rows.explanation_row(drawn, row) for row in screenings if row.flagged]
    block.reviews += [review] if review else []
    block.heads.append(head)
    block.events += events


def _number(site: Site, studies: Iterable[Study], drawn: Sequence[DemoStudy]) -> None:
    """Give the studies change numbers: one for each commit, and a last one for those that were answered since."""
    SiteChange.objects.get_or_create(site=site)
    change = SiteChange.objects.select_for_update().get(site=site)
    first = drawn[0].number // COMMIT
    last = change.number + 1 + drawn[-1].number // COMMIT - first + 1
    for study, one in zip(studies, drawn, strict=True):
        study.change_number = last if one.answer else change.number + 1 + one.number // COMMIT - first
    change.number = last
    change.save(update_fields=["number"])
