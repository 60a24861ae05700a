"""What each offered file is to its upload: needed, known, or refused. Reads only; the caller writes the plan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self
from uuid import UUID

from django.utils.translation import gettext as _

from ml.vocabulary import REFUSALS
from screening.studies.models import Image
from screening.uploads.models import Item, ItemState, Upload
from screening.uploads.paths import PathRefused, clean_path, digest, shown
from screening.uploads.transitions import ItemMove

MISSING: Final = "missing"
RECEIVED: Final = "received"
DUPLICATE: Final = "duplicate"
REJECTED: Final = "rejected"
STATES: Final = (MISSING, RECEIVED, DUPLICATE, REJECTED)

# What a client hears about an item that the upload has already.
HEARD: Final = {
    ItemState.EXPECTED: MISSING,
    ItemState.DUPLICATE: DUPLICATE,
    ItemState.REJECTED: REJECTED,
}
ON_THEIR_WAY: Final = (ItemState.EXPECTED, ItemState.RECEIVED, ItemState.DECODING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A file that a client has: its path, its size in bytes and the SHA-256 of its bytes in hexadecimal.

    No hash: the client could not read it, or did not read what is over the limit. It is refused.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the service says about an offered file, under the path that the client gave."""

    path: str
    state: str  # one of STATES; only what is missing need be sent
    code: str = ""
    message: str = ""
    what_to_do: str = ""
    item: UUID | None = None  # none where the path belongs to another file's item

    @classmethod
    def of(cls, path: str, state: str, *, item: Item | None = None, code: str = "") -> Self:
        refusal = REFUSALS.get(code)
        return cls(
            path=path,
            state=state,
            code=code,
            message=_(refusal.message) if refusal else "",
            what_to_do=_(refusal.what_to_do) if refusal else "",
            item=item.pk if item else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An offered file once its path was read and its limits were checked."""

    raw: str  # the path as the client wrote it
    path: str
    digest: str
    size: int
    sha256: str
    code: str = ""  # why it is refused, if it is


@dataclass(slots=True)
class Plan:
    """What a chunk of offers will write."""

    answers: list[Checked] = field(default_factory=list)
    fresh: list[Item] = field(default_factory=list)
    moves: list[ItemMove] = field(default_factory=list)
    known: set[str] = field(default_factory=set)  # hashes that the site holds: their missing models are asked


def prepare(file: Offered, most_bytes: int) -> Offer:
    """Read one offer. A refused path keeps what can be shown of it, and a digest of what was sent."""
    try:
        path = clean_path(file.path)
    except PathRefused as refused:
        path, code = file.path, refused.code
    else:
        code = _code_of(file, most_bytes)
    return Offer(
        raw=file.path,
        path=shown(path),
        digest=digest(path),
        size=file.size,
        sha256=file.sha256.lower(),
        code=code,
    )


def _code_of(file: Offered, most_bytes: int) -> str:
    if file.size > most_bytes:
        return "too_large"
    if not file.sha256:
        return "not_readable"
    return "" if file.size else "empty_file"


@dataclass(slots=True)
class _Known:
    """What the database holds about a chunk of offers."""

    items: dict[str, Item]  # by path digest
    studies: dict[str, UUID]  # by hash, of stored pictures
    first: dict[str, Item]  # by hash, the item of this upload that brings the bytes


def decide(upload: Upload, offers: Sequence[Offer], ranks: Iterator[float]) -> Plan:
    """Plan what a chunk of offers brings about, in their order. The same path twice is one item."""
    known, plan = _look_up(upload, offers), Plan()
    for offer in offers:
        item = known.items.get(offer.digest)
        if item is None:
            _take(upload, offer, known, plan, next(ranks))
        elif (item.sha256, item.size) == (offer.sha256, offer.size):
            plan.answers.append(_heard(offer, item, plan))
        else:
            plan.answers.append(Checked.of(offer.raw, REJECTED, code=_conflict(offer, item)))
    return plan


def _conflict(offer: Offer, item: Item) -> str:
    """Why a path that the upload knows with other bytes is refused: one side may have had none to hash."""
    if not offer.sha256:
        return offer.code
    return item.code if not item.sha256 and item.code else "path_twice"


def _look_up(upload: Upload, offers: Sequence[Offer]) -> _Known:
    hashes = {offer.sha256 for offer in offers if not offer.code}
    ours = Item.objects.filter(upload=upload)
    items = ours.filter(path_digest__in=[offer.digest for offer in offers])
    coming = ours.filter(sha256__in=hashes, state__in=ON_THEIR_WAY).order_by("-created_at", "-pk")
    stored = Image.objects.filter(site_id=upload.site_id, sha256__in=hashes, frame=0)
    return _Known(
        items={item.path_digest: item for item in items},
        studies=dict(stored.values_list("sha256", "study_id")),
        first={item.sha256: item for item in coming},
    )


def _take(upload: Upload, offer: Offer, known: _Known, plan: Plan, rank: float) -> None:
    item = Item(
        upload=upload,
        path=offer.path,
        path_digest=offer.digest,
        size=offer.size,
        sha256=offer.sha256,
        rank=rank,
    )
    known.items[offer.digest] = item
    plan.fresh.append(item)
    state, move = MISSING, None
    if offer.code:
        state, move = REJECTED, ItemMove(item=item, to=ItemState.REJECTED, code=offer.code)
    elif offer.sha256 in known.studies:
        state, move = DUPLICATE, _repeat(item, study_id=known.studies[offer.sha256])
        plan.known.add(offer.sha256)
    elif offer.sha256 in known.first:
        state, move = DUPLICATE, _repeat(item, of=known.first[offer.sha256])
    else:
        known.first[offer.sha256] = item
    if move:
        plan.moves.append(move)
    plan.answers.append(Checked.of(offer.raw, state, item=item, code=offer.code))


def _repeat(item: Item, *, study_id: UUID | None = None, of: Item | None = None) -> ItemMove:
    return ItemMove(item=item, to=ItemState.DUPLICATE, study_id=study_id, duplicate_of_id=of.pk if of else None)


def _heard(offer: Offer, item: Item, plan: Plan) -> Checked:
    """Say what an earlier check or the file itself brought about."""
    planned = next((move for move in plan.moves if move.item is item), None)
    state, code = (planned.to, planned.code) if planned else (ItemState(item.state), item.code)
    return Checked.of(offer.raw, HEARD.get(state, RECEIVED), item=item, code=code)


def with_originals(moves: Sequence[ItemMove], site_id: UUID) -> list[ItemMove]:
    """Name, for files that the site holds, the item that first brought the bytes."""
    hashes = {move.item.sha256 for move in moves if move.study_id}
    rows = Item.objects.filter(upload__site_id=site_id, sha256__in=hashes, state=ItemState.ACCEPTED)
    first = dict(rows.order_by("-created_at").values_list("sha256", "pk")) if hashes else {}
    return [replace(move, duplicate_of_id=first.get(move.item.sha256)) if move.study_id else move for move in moves]
