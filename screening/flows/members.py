"""The members of an archive that a worker has unpacked become items, fenced by the worker's lease."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from screening import leasing
from screening.audit.actor import Actor
from screening.errors import LeaseLost
from screening.flows.duplicates import settle_duplicates
from screening.flows.offers import Offer, Offered, prepare, with_originals
from screening.flows.replacing import name_replaced
from screening.flows.settle import settle_upload
from screening.leasing import Lease
from screening.queue import Call, call_after_commit
from screening.retrying import again_on_conflict
from screening.studies.models import Image
from screening.uploads import storage
from screening.uploads.models import Archive, ArchiveState, Item, ItemState, Upload
from screening.uploads.paths import digest
from screening.uploads.ranks import next_ranks
from screening.uploads.transitions import ItemMove, move_archive, move_items
from screening.upserting import insert_rows

AT_ONCE: Final = 200  # members in one transaction
ARRIVED: Final = (ItemState.RECEIVED, ItemState.DECODING)
EXPANDER: Final = Actor.service("archives")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of an archive: its bytes under incoming/, or the code with which it is refused."""

    path: str
    size: int
    sha256: str = ""
    incoming: str = ""
    code: str = ""


@dataclass(slots=True)
class _Plan:
    fresh: list[Item] = field(default_factory=list)
    moves: list[ItemMove] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)  # incoming names that an item now owns


@dataclass(frozen=True, slots=True)
class _Held:
    """What the database holds about a chunk of members."""

    items: dict[str, Item]  # by path digest
    studies: dict[str, UUID]  # by hash, of stored pictures
    first: dict[str, Item]  # by hash, the item of this upload that brings the bytes
    room: int  # how many more items the upload takes


def admit_members(*, lease: Lease, archive_id: UUID, members: Sequence[Member], actor: Actor = EXPANDER) -> None:
    """Make items of members; bytes that none of them needs are deleted. Safe to call again with the same ones.

    Every member becomes an item: also a refused one, and one whose path another file of the
    upload has taken with other bytes.

    Raises:
        LeaseLost: the archive is no longer held, or was cancelled; the members' bytes are deleted.
    """
    for start in range(0, len(members), AT_ONCE):
        chunk = members[start : start + AT_ONCE]
        try:
            used = _admit(lease, archive_id, chunk, actor)
        except BaseException:
            storage.drop_incoming(member.incoming for member in members[start:])
            raise
        storage.drop_incoming(member.incoming for member in chunk if member.incoming not in used)


@again_on_conflict
def _admit(lease: Lease, archive_id: UUID, members: Sequence[Member], actor: Actor) -> set[str]:
    archive = _held_archive(lease, archive_id, lock=False)
    upload = archive.upload
    plan = _decide(archive, members)
    moves = with_originals(plan.moves, upload.site_id)
    name_replaced(upload, plan.fresh)
    if plan.known:
        settle_duplicates(upload_id=upload.pk, hashes=sorted(plan.known), rank=timezone.now().timestamp(), actor=actor)
    with transaction.atomic():
        Upload.objects.select_for_update().get(pk=upload.pk)
        _held_archive(lease, archive_id, lock=True)
        moves = _without_served(moves, plan)
        insert_rows(plan.fresh)
        move_items(moves, site_id=upload.site_id, actor=actor)
        if any(move.to == ItemState.RECEIVED for move in moves):
            call_after_commit(Call.INGEST_NEXT_BATCH)
    return plan.used


def _without_served(moves: Sequence[ItemMove], plan: _Plan) -> list[ItemMove]:
    """Leave out items that got their bytes from the client between our reading and the lock."""
    fresh = {item.pk for item in plan.fresh}
    older = [move.item.pk for move in moves if move.item.pk not in fresh]
    if not older:
        return list(moves)
    served = set(Item.objects.filter(pk__in=older).exclude(state=ItemState.EXPECTED).values_list("pk", flat=True))
    plan.used -= {move.item.incoming for move in moves if move.item.pk in served}
    return [move for move in moves if move.item.pk not in served]


def _held_archive(lease: Lease, archive_id: UUID, *, lock: bool) -> Archive:
    rows = leasing.held(Archive, lease).filter(pk=archive_id).select_related("upload")
    archive = (rows.select_for_update(of=("self",)) if lock else rows).first()
    if archive is None:
        raise LeaseLost("The lease on this archive ran out, or the upload was cancelled.")
    return archive


def _decide(archive: Archive, members: Sequence[Member]) -> _Plan:
    offers = [_offer(member) for member in members]
    held, plan = _look_up(archive.upload, offers), _Plan()
    ranks = next_ranks(archive.upload, timezone.now())
    for member, offer in zip(members, offers, strict=True):
        item = held.items.get(offer.digest)
        if item is None:
            fresh = _new_item(archive, offer, offer.digest, next(ranks))
            held.items[offer.digest] = fresh
            _take(fresh, member, offer.code or _room_code(held, plan), held, plan)
        elif (item.sha256, item.size) != (offer.sha256, offer.size):
            _refuse_path(archive, offer, held, plan)
        elif item.state == ItemState.EXPECTED and all(move.item is not item for move in plan.moves):
            _bring(item, member, plan)
    return plan


def _offer(member: Member) -> Offer:
    offer = prepare(
        Offered(path=member.path, size=member.size, sha256=member.sha256), settings.CONFIG.limits.file_bytes
    )
    if not member.code:
        return offer
    return Offer(
        raw=offer.raw, path=offer.path, digest=offer.digest, size=offer.size, sha256=offer.sha256, code=member.code
    )


def _look_up(upload: Upload, offers: Sequence[Offer]) -> _Held:
    hashes = {offer.sha256 for offer in offers if offer.sha256}
    ours = Item.objects.filter(upload=upload)
    # Not those that are only expected: the bytes are here now, and the others may never come.
    coming = ours.filter(sha256__in=hashes, state__in=ARRIVED).order_by("-created_at", "-pk")
    keys = [key for offer in offers for key in (offer.digest, _second_key(offer))]
    return _Held(
        items={item.path_digest: item for item in ours.filter(path_digest__in=keys)},
        studies=dict(
            Image.objects.filter(site_id=upload.site_id, sha256__in=hashes, frame=0).values_list("sha256", "study_id")
        ),
        first={item.sha256: item for item in coming},
        room=settings.CONFIG.limits.files - ours.count(),
    )


def _room_code(held: _Held, plan: _Plan) -> str:
    return "archive_too_many_entries" if len(plan.fresh) >= held.room else ""


def _second_key(offer: Offer) -> str:
    """The key of a member whose path is taken: it must be on the receipt all the same."""
    return digest(f"{offer.path}\n{offer.sha256}")


def _new_item(archive: Archive, offer: Offer, key: str, rank: float) -> Item:
    return Item(
        upload=archive.upload,
        archive=archive,
        path=offer.path,
        path_digest=key,
        size=offer.size,
        sha256=offer.sha256,
        rank=rank,
    )


def _take(item: Item, member: Member, code: str, held: _Held, plan: _Plan) -> None:
    plan.fresh.append(item)
    if code:
        plan.moves.append(ItemMove(item=item, to=ItemState.REJECTED, code=code))
    elif item.sha256 in held.studies:
        plan.known.add(item.sha256)
        plan.moves.append(ItemMove(item=item, to=ItemState.DUPLICATE, study_id=held.studies[item.sha256]))
    elif item.sha256 in held.first:
        plan.moves.append(ItemMove(item=item, to=ItemState.DUPLICATE, duplicate_of_id=held.first[item.sha256].pk))
    else:
        held.first[item.sha256] = item
        _bring(item, member, plan)


def _bring(item: Item, member: Member, plan: _Plan) -> None:
    item.incoming = member.incoming
    plan.used.add(member.incoming)
    plan.moves.append(ItemMove(item=item, to=ItemState.RECEIVED))


def _refuse_path(archive: Archive, offer: Offer, held: _Held, plan: _Plan) -> None:
    key = _second_key(offer)
    if key not in held.items:
        item = _new_item(archive, offer, key, 0.0)
        held.items[key] = item
        plan.fresh.append(item)
        plan.moves.append(ItemMove(item=item, to=ItemState.REJECTED, code="path_twice"))


@again_on_conflict
def finish_archive(*, lease: Lease, archive_id: UUID, code: str = "", actor: Actor = EXPANDER) -> None:
    """Note that every member was admitted, or with a code why the archive was refused; then delete its bytes.

    Raises:
        LeaseLost: the archive is no longer held, or was cancelled; nothing changed.
    """
    with transaction.atomic():
        archive = _held_archive(lease, archive_id, lock=False)
        Upload.objects.select_for_update().get(pk=archive.upload_id)
        archive = _held_archive(lease, archive_id, lock=True)
        to = ArchiveState.REJECTED if code else ArchiveState.EXPANDED
        move_archive(archive, to=to, site_id=archive.upload.site_id, actor=actor, code=code)
    storage.drop_incoming([archive.incoming])
    settle_upload(archive.upload_id)
