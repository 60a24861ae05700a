"""What an older backup takes away: the replaced database is read before, and compared after."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from django.db import DatabaseError

from screening.audit.models import AuditHead
from screening.backups.snapshots import ask

HEADS: Final = "SELECT chain, seq, hash FROM audit_audithead"
DELETIONS: Final = (
    "SELECT chain, max(seq) FROM audit_auditevent "
    "WHERE action IN ('study:deleted', 'study:pictures_deleted', 'upload:purged') GROUP BY chain"
)


class Difference(NamedTuple):
    """Something that is not as it was before the restore, or as it was when the backup was made."""

    what: str
    subject: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.what}"


class Head(NamedTuple):
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Before:
    """What the replaced database said happened: everything that happens is in a chain."""

    heads: Mapping[str, Head] = field(default_factory=dict)
    deletions: Mapping[str, int] = field(default_factory=dict)
    readable: bool = True


def look_before() -> Before:
    """Read the chains of the database that is about to be replaced, if it can be read."""
    try:
        heads = {str(chain): Head(int(seq), str(sha256)) for chain, seq, sha256 in ask(HEADS)}
        return Before(heads, {str(chain): int(seq) for chain, seq in ask(DELETIONS)})
    except DatabaseError:
        return Before(readable=False)


def compare(before: Before) -> Iterator[Difference]:
    """Name every chain of the replaced database that is shorter, longer or another one now."""
    if not before.readable:
        yield Difference("could not be read, so what it held is not compared", "the replaced database")
    now = {head.chain: Head(head.seq, head.hash) for head in AuditHead.objects.iterator(chunk_size=2000)}
    for chain, was in sorted(before.heads.items()):
        head = now.get(chain)
        if head == was:
            continue
        if head is None:
            yield Difference("came after the backup and is gone", chain)
        elif head.seq < was.seq and before.deletions.get(chain, 0) > head.seq:
            yield Difference("was deleted after the backup and is back: delete it again", chain)
        elif head.seq < was.seq:
            yield Difference(f"its last {was.seq - head.seq} events came after the backup and are gone", chain)
        else:
            yield Difference("has another history in the backup", chain)
    if before.heads:
        yield from (
            Difference("was not in the replaced database", chain) for chain in sorted(now.keys() - before.heads)
        )


def compare_rows(told: Mapping[str, int], found: Mapping[str, int]) -> Iterator[Difference]:
    """Name every table that holds another number of rows than when it was copied."""
    for word, count in told.items():
        if found.get(word) != count:
            yield Difference(f"{found.get(word)} instead of {count}", word)
