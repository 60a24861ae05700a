"""Whose turn a read is: what kind of opinion an answer is, and which further reads it makes due.

All of it happens in the transaction that records the answer, under the lock of the study's row: of two who answer the
same read at once, the second finds it done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from screening.audit.models import ChainKind
from screening.audit.services import Draft
from screening.errors import AlreadyRead
from screening.review.blinding import BOUND, is_hidden
from screening.review.models import NOT_WITHDRAWN, Answer, Cause, FurtherRead, Kind, ReadState, Review, Stage
from screening.studies.draws import chance
from screening.studies.models import Sample, Study
from screening.users.models import Site, User
from screening.users.roles import holds

PURPOSE: Final = "second"
_KIND_OF: Final = {Cause.RANDOM: Kind.SECOND_RANDOM, Cause.DISAGREEMENT: Kind.ADJUDICATION}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What an answer that is about to be recorded is."""

    kind: Kind
    blinded: bool
    opens: bool  # whether it is the first that stands about these pictures, so that it makes a second read due
    reveals: bool  # whether it lifts a veil for its reader
    read: FurtherRead | None = None


def turn_of(study: Study, reader: User, *, read_id: UUID | None) -> Turn:
    """Tell what an answer of a reader about a locked study is. `read_id` names the read that they opened.

    Raises:
        AlreadyRead: that read is done, or is not for this reader.
    """
    mine = list(Review.objects.filter(study=study, reader=reader))
    read = waiting_read(study, reader) if not mine else None
    if read_id is not None and (read is None or read.pk != read_id):
        raise AlreadyRead(_("This study does not wait for this read of yours any more."))
    given = Review.objects.filter(study=study, revision=study.revision)
    opens = read is None and not given.filter(NOT_WITHDRAWN).exists()
    here = [review for review in mine if review.revision == study.revision]
    if here:
        changed = Kind.AFTER_UNBLINDING if any(review.blinded for review in here) else Kind.CHANGED
        return Turn(kind=changed, blinded=False, opens=opens, reveals=False)
    others = given.exists()
    hidden = is_hidden(reader, study)
    return Turn(
        kind=_kind(study, read, others=others),
        blinded=hidden and _was_closed(study, read),
        opens=opens,
        reveals=hidden,
        read=read,
    )


def waiting_read(study: Study, reader: User) -> FurtherRead | None:
    """The further read of a study that waits for somebody like this reader, if there is one."""
    if not holds(reader, study.site_id, BOUND) or Review.objects.filter(study=study, reader=reader).exists():
        return None
    waiting = FurtherRead.objects.filter(study=study, revision=study.revision, state=ReadState.WAITING)
    return waiting.exclude(Q(first=reader) | Q(second__isnull=False, second=reader)).first()


def _kind(study: Study, read: FurtherRead | None, *, others: bool) -> Kind:
    if read is not None:
        return _KIND_OF.get(Cause(read.cause), Kind.SECOND_TARGETED)
    if others:
        return Kind.ADDITIONAL
    drawn = Sample.objects.filter(study=study, revision=study.revision, drawn=True).exists()
    return Kind.SAMPLED if drawn else Kind.FIRST


def _was_closed(study: Study, read: FurtherRead | None) -> bool:
    """Whether a study that is hidden from a reader was so from its first picture on."""
    since = study.site.blinded_since
    if since is not None and study.created_at >= since:
        return True
    first = Sample.objects.filter(study=study, revision=1, drawn=True, open_before=False)
    return study.revision == 1 and first.exists() and not _was_opened(study, read)


def _was_opened(study: Study, read: FurtherRead | None) -> bool:
    """Whether somebody's answer showed a drawn study to others: not one that made a further read due at once."""
    given = Review.objects.filter(study=study)
    if read is not None:
        between = Q(reader=read.first_id) | Q(reader=read.second_id)
        given = given.exclude(between, NOT_WITHDRAWN)
    return given.exists()


def follow(study: Study, turn: Turn, reviews: Sequence[Review], scores: Mapping[str, float]) -> list[Draft]:
    """Write what follows from recorded answers: a read that is done, and reads that are due. The events are returned.

    `scores` are those of the findings that are flagged.
    """
    drafts = [_draft(study, "study:revealed", {"kind": turn.kind})] if turn.reveals else []
    if turn.opens:
        earlier = FurtherRead.objects.filter(study=study, revision__lt=study.revision)
        drafts += _withdraw(study, earlier) + _owe_second(study, reviews, scores)
    if turn.read is not None:
        drafts += _finish(study, turn.read, reviews)
    return drafts


def forget_second(study: Study, reader: User) -> list[Draft]:
    """Withdraw the second read that an answer made due, once that reader has taken it back. The events are returned."""
    mine = Review.objects.filter(study=study, revision=study.revision, reader=reader)
    if mine.filter(superseded_by__isnull=True).exists():
        return []
    made = FurtherRead.objects.filter(study=study, revision=study.revision, stage=Stage.SECOND, first=reader)
    return _withdraw(study, made)


def _withdraw(study: Study, reads: QuerySet[FurtherRead]) -> list[Draft]:
    old = reads.filter(state=ReadState.WAITING)
    told = list(old.order_by("created_at").values_list("stage", "revision"))
    old.update(state=ReadState.WITHDRAWN, done_at=timezone.now())
    return [_draft(study, "study:read_withdrawn", {"stage": stage, "revision": number}) for stage, number in told]


def _owe_second(study: Study, reviews: Sequence[Review], scores: Mapping[str, float]) -> list[Draft]:
    share = study.site.second_share
    drawn = chance(study.site.draw_key, PURPOSE, study.pk, study.revision) < share
    drafts = [] if drawn or not share else [_draft(study, "study:second_not_drawn", {"probability": share})]
    cause = Cause.RANDOM if drawn else _target(study.site, reviews, scores)
    if cause is not None:
        probability = share if drawn else None
        _owe(study, Stage.SECOND, cause, probability=probability, first_id=reviews[0].reader_id)
        drafts.append(_draft(study, "study:second_due", {"cause": cause, "probability": probability}))
    return drafts


def _target(site: Site, reviews: Sequence[Review], scores: Mapping[str, float]) -> Cause | None:
    if site.second_when_unsure and any(review.answer == Answer.UNSURE for review in reviews):
        return Cause.UNSURE
    least = site.second_dismissed_from
    dismissed = [scores[review.finding] for review in reviews if review.flagged and review.answer == Answer.ABSENT]
    return Cause.DISMISSED if least is not None and any(score >= least for score in dismissed) else None


def _owe(study: Study, stage: Stage, cause: Cause, **more: object) -> None:
    now = {"cause": cause, "state": ReadState.WAITING, "done_at": None, "created_at": timezone.now(), **more}
    # One that was withdrawn with its answer, which is given anew, waits again.
    FurtherRead.objects.update_or_create(
        study=study,
        revision=study.revision,
        stage=stage,
        defaults=now,
        create_defaults={"site_id": study.site_id, **now},
    )


def _finish(study: Study, read: FurtherRead, reviews: Sequence[Review]) -> list[Draft]:
    reader = reviews[0].reader_id
    read.state, read.done_by_id, read.done_at = ReadState.DONE, reader, timezone.now()
    read.save(update_fields=["state", "done_by", "done_at"])
    if read.stage == Stage.ADJUDICATION:
        decided = {review.finding: review.answer for review in reviews}
        return [_draft(study, "study:adjudicated", {"read": str(read.pk), "answers": decided})]
    first = opinion_of(study, read.first_id)
    apart = sorted(review.finding for review in reviews if _said(first, review.finding) != review.answer)
    drafts = [_draft(study, "study:second_read", {"read": str(read.pk), "disagrees_on": apart})]
    if apart:
        _owe(study, Stage.ADJUDICATION, Cause.DISAGREEMENT, first_id=read.first_id, second_id=reader)
        drafts.append(_draft(study, "study:adjudication_due", {"findings": apart}))
    return drafts


def opinion_of(study: Study, reader_id: int) -> dict[str, Review]:
    """What somebody first answered about this revision of a study, by finding; what they changed since is left out.

    What they took back is so too, where they answered anew.
    """
    given = Review.objects.filter(study=study, revision=study.revision, reader_id=reader_id).order_by("created_at")
    first: dict[str, Review] = {}
    for review in sorted(given, key=lambda one: one.is_withdrawn):
        first.setdefault(review.finding, review)
    return first


def _said(opinion: Mapping[str, Review], finding: str) -> str:
    return opinion[finding].answer if finding in opinion else ""


def _draft(study: Study, action: str, detail: dict[str, object]) -> Draft:
    return Draft(ChainKind.STUDY, study.pk, study.site_id, action, {"revision": study.revision} | detail)
