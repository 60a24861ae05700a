"""Who reads which study just now, and what comes next.

A claim keeps two people from reading the same study at once, and frees itself when somebody walks away. Two who open a
study meet at the lock of its row: one claims it, the other is told who reads it. Claims and releases are no events:
nothing was decided.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID, uuid4

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from screening.errors import IllegalTransition
from screening.leasing import RightNow, until
from screening.prepared import Prepared
from screening.retrying import again_on_conflict
from screening.review.blinding import Veil
from screening.review.errors import StudyTaken
from screening.review.models import Bookmark, Claim, Review
from screening.review.order import Line
from screening.review.reading import lines_of
from screening.studies.models import Study, StudyState
from screening.users.models import Site, User

SECONDS: Final = 180  # of a claim; the page renews it every minute while somebody works on it
PASSED: Final = 50  # studies passed over that a reader is not given again
WAITING: Final = (StudyState.READY, StudyState.INCOMPLETE)


def standing() -> Q:
    """Of claims: those that hold. One that ends later than any can is of a time when the clock was wrong."""
    return Q(until__gt=RightNow(), until__lt=until(2 * SECONDS))


@again_on_conflict
@transaction.atomic
def claim_study(*, study_id: UUID, reader: User, line: Line | None = None, waiting_only: bool = False) -> Claim:
    """Take a study for a reader, or prolong what they hold, and note that they stopped here.

    Raises:
        StudyTaken: another reader has it; nothing changed.
        IllegalTransition: `waiting_only`, and somebody has answered it meanwhile.
    """
    study = Study.objects.select_for_update().get(pk=study_id)
    if waiting_only and study.state not in WAITING:
        raise IllegalTransition(_("A study that is %(state)s does not wait to be read.") % {"state": _(study.state)})
    refuse_taken(study, reader)
    claim, _made = Claim.objects.update_or_create(
        study=study,
        defaults={"reader": reader, "token": uuid4(), "until": until(SECONDS), "since": timezone.now()},
    )
    if study.state not in WAITING:
        return claim
    line = line or (Line.URGENT if study.flagged or study.not_assessed else Line.REST)
    Bookmark.objects.update_or_create(reader=reader, defaults={"study": study, "line": line, "at": timezone.now()})
    return claim


@again_on_conflict
@transaction.atomic
def claim_on_opening(*, study_id: UUID, reader: User) -> Claim | None:
    """Take a study for a reader who has its page open, unless they have answered it: then they only look.

    A page stays open after the answer, and what it asks late must not keep the next reader out.

    Raises:
        StudyTaken: another reader has it; nothing changed.
    """
    study = Study.objects.select_for_update().get(pk=study_id)
    given = Review.objects.filter(study=study, revision=study.revision, reader=reader, superseded_by__isnull=True)
    return None if given.exists() else claim_study(study_id=study_id, reader=reader)


@again_on_conflict
def renew_claim(*, study_id: UUID, reader: User, token: UUID) -> bool:
    """Prolong a claim that the page still holds. Whether it did."""
    with transaction.atomic():
        return bool(Claim.objects.filter(study=study_id, reader=reader, token=token).update(until=until(SECONDS)))


@again_on_conflict
def release_claim(*, study_id: UUID, reader: User, token: UUID) -> bool:
    """Give a study back that this page holds. Whether it did."""
    with transaction.atomic():
        return bool(Claim.objects.filter(study=study_id, reader=reader, token=token).delete()[0])


def refuse_taken(study: Study, reader: User) -> None:
    """Raise StudyTaken where another reader holds a locked study."""
    held = Claim.objects.filter(standing(), study=study).exclude(reader=reader)
    other = held.select_related("reader").first()
    if other is not None:
        raise StudyTaken(_("%(name)s is reading this study.") % {"name": other.reader.username})


def held_by_others(user: User | AnonymousUser, sites: Iterable[Site]) -> dict[UUID, str]:
    """Studies of these sites that other readers have open, and who."""
    return dict(_HELD([site.pk for site in sites], user.pk)) if user.pk else {}


def _held(site_ids: Sequence[UUID], user_id: int) -> QuerySet[Claim, tuple[UUID, str]]:
    held = Claim.objects.filter(standing(), study__site__in=site_ids).exclude(reader_id=user_id)
    return held.values_list("study_id", "reader__username")


_HELD: Final = Prepared(_held)


def bookmark_of(reader: User) -> Bookmark | None:
    return next(iter(_BOOKMARK(reader.pk)), None)


_BOOKMARK: Final = Prepared(lambda user_id: Bookmark.objects.filter(reader_id=user_id).select_related("study"))


def look_ahead(reader: User, *, leaving: UUID | None) -> tuple[UUID, Line] | None:
    """The study that `take_next` would take now, and its line. Nothing is changed."""
    mark = bookmark_of(reader)
    last = Line(mark.line) if mark and mark.line else None
    passed = [UUID(key) for key in mark.passed] if mark else []
    veil = Veil(reader)
    here = {leaving} if leaving else set()
    lines, held = lines_of(veil), set(held_by_others(reader, veil.reading))
    now = timezone.now()
    stop = lines.first(but=here | held | set(passed), now=now, last=last)
    if stop is None and passed:  # all that is left was passed over: what was so longest ago comes back first
        left = lines.ahead(but=here | held, size=len(passed), now=now, last=last)
        order = {key: place for place, key in enumerate(passed)}
        stop = min(left, key=lambda stop: order.get(stop.place.study, -1), default=None)  # -1: came a moment ago
    return (stop.place.study, stop.line) if stop else None


def take_next(*, reader: User, leaving: UUID | None) -> Claim | None:
    """Claim the study that comes next in the order of reading, and give back the one that is left.

    The order is asked without a lock; of two who find the same study first, one claims it and the other looks again.
    """
    if leaving is not None:
        _leave(study_id=leaving, reader=reader)
    while (found := look_ahead(reader, leaving=leaving)) is not None:
        study_id, line = found
        try:
            return claim_study(study_id=study_id, reader=reader, line=line, waiting_only=True)
        except (StudyTaken, IllegalTransition):
            continue
    return None


@again_on_conflict
def _leave(*, study_id: UUID, reader: User) -> None:
    """Give a study back; where it still waits, it was passed over."""
    with transaction.atomic():
        Claim.objects.filter(study=study_id, reader=reader).delete()
        mark = Bookmark.objects.select_for_update().filter(reader=reader).first()
        if mark is None or not Study.objects.filter(pk=study_id, state__in=WAITING).exists():
            return
        key = str(study_id)
        mark.passed = [*(one for one in mark.passed if one != key), key][-PASSED:]
        mark.save(update_fields=["passed"])
