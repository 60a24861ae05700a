"""Append to the audit, in the transaction of what it records, and prove afterwards that nothing was changed."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from screening.audit.actor import Actor
from screening.audit.chain import GENESIS, link
from screening.audit.models import AuditEvent, AuditHead, ChainKind
from screening.faultpoints import reach
from screening.upserting import insert_new, insert_rows, write_columns


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to be written: its place in the chain is not known yet."""

    kind: ChainKind
    subject: UUID
    site_id: UUID
    action: str
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def chain(self) -> str:
        return chain_key(self.kind, self.subject)


@dataclass(frozen=True, slots=True)
class ChainReport:
    """Whether a chain is whole."""

    chain: str
    events: int
    broken_at: int | None = None  # the first place that does not fit
    reason: str = ""

    @property
    def intact(self) -> bool:
        return self.broken_at is None


def chain_key(kind: ChainKind, subject: UUID) -> str:
    return f"{kind.value}:{subject}"


def record(actor: Actor, drafts: Sequence[Draft]) -> None:
    """Append the events to their chains, in the caller's transaction.

    Heads are locked in key order after every other row of the transaction; several events
    of one chain are folded in memory and written in one insert.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("Audit events are written in the transaction of what they record.")
    if not drafts:
        return
    pile = _PILE.get()
    if pile is None:
        _append([(actor, drafts)])
        return
    if transaction.get_connection().savepoint_ids != pile.savepoints:
        raise RuntimeError("What is gathered is written at the end: a savepoint that is undone could not undo it.")
    pile.told.append((actor, drafts))


@contextmanager
def gathered() -> Iterator[None]:
    """Write all that is recorded within at the end, at once: each chain is locked, read and moved on but once.

    Within one transaction, of which no part is undone by itself. What is raised within leaves nothing recorded.
    """
    if _PILE.get() is not None:
        yield
        return
    pile = _Pile(list(transaction.get_connection().savepoint_ids))
    token = _PILE.set(pile)
    try:
        yield
    finally:
        _PILE.reset(token)
    _append(pile.told)


@dataclass(slots=True)
class _Pile:
    """What waits to be written, and the savepoints within which all of it was told."""

    savepoints: list[str]
    told: list[tuple[Actor, Sequence[Draft]]] = field(default_factory=list)


_PILE: ContextVar[_Pile | None] = ContextVar("audit_pile", default=None)


def _append(told: Sequence[tuple[Actor, Sequence[Draft]]]) -> None:
    by_chain: dict[str, list[tuple[Actor, Draft]]] = defaultdict(list)
    for actor, drafts in told:
        for draft in drafts:
            by_chain[draft.chain].append((actor, draft))
    if not by_chain:
        return
    heads = _locked_heads(sorted(by_chain))
    reach("audit.locked")
    events = [event for head in heads for actor, draft in by_chain[head.chain] for event in fold(head, [draft], actor)]
    insert_rows(events)
    reach("audit.written")
    write_columns(heads, ["seq", "hash"])


def _locked_heads(keys: list[str]) -> list[AuditHead]:
    heads = {
        head.chain: head for head in AuditHead.objects.select_for_update().filter(chain__in=keys).order_by("chain")
    }
    missing = [AuditHead(chain=key, seq=0, hash=GENESIS) for key in keys if key not in heads]
    if missing:
        # Two writers that start the same chain: the second waits here, then reads the first one's head.
        ours = insert_new(missing)
        heads.update((head.chain, head) for head in missing if head.chain in ours)
        theirs = [key for key in keys if key not in heads]
        if theirs:
            late = AuditHead.objects.select_for_update().filter(chain__in=theirs).order_by("chain")
            heads.update((head.chain, head) for head in late)
    return [heads[key] for key in keys]


def fold(head: AuditHead, drafts: Sequence[Draft], actor: Actor, *, moment: datetime | None = None) -> list[AuditEvent]:
    """Give the unsaved events that follow a head, and move the head, in memory alone.

    `moment` is for rows of a demo, which happened at no time: all else happens now.
    """
    events = []
    for draft in drafts:
        at, previous = moment or timezone.now(), head.hash
        head.seq += 1
        head.hash = link(
            previous=previous,
            chain=head.chain,
            seq=head.seq,
            site_id=str(draft.site_id),
            at=at,
            action=draft.action,
            actor=actor.key,
            detail=draft.detail,
        )
        events.append(
            AuditEvent(
                chain=head.chain,
                seq=head.seq,
                site_id=draft.site_id,
                at=at,
                action=draft.action,
                actor=actor.key,
                detail=draft.detail,
                previous=previous,
                hash=head.hash,
            )
        )
    return events


def verify_chain(kind: ChainKind, subject: UUID) -> ChainReport:
    """Recompute one chain from its first event to its head."""
    key = chain_key(kind, subject)
    head = AuditHead.objects.filter(chain=key).first()
    return check_links(key, list(AuditEvent.objects.filter(chain=key).order_by("seq")), head)


def check_links(key: str, events: Sequence[AuditEvent], head: AuditHead | None) -> ChainReport:
    """Recompute the links of one chain: edits, gaps, insertions, a new order and a cut tail are found."""
    previous, count = GENESIS, 0
    for count, event in enumerate(events, start=1):
        if event.seq != count:
            return ChainReport(key, count, count, _("an event is missing or was inserted"))
        expected = link(
            previous=previous,
            chain=key,
            seq=count,
            site_id=str(event.site_id),
            at=event.at,
            action=event.action,
            actor=event.actor,
            detail=event.detail,
        )
        if event.previous != previous or event.hash != expected:
            return ChainReport(key, count, count, _("an event was changed"))
        previous = event.hash
    if head is None:
        return ChainReport(key, count, count or 1, _("the head of the chain is missing"))
    if (head.seq, head.hash) != (count, previous):
        return ChainReport(key, count, count + 1, _("the end of the chain was cut off"))
    return ChainReport(key, count)
