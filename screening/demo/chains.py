"""The audit of drawn studies: the events that the services write, at the moments that were drawn."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from screening.audit.actor import Actor
from screening.audit.chain import GENESIS
from screening.audit.models import AuditEvent, AuditHead, ChainKind
from screening.audit.services import Draft, chain_key, fold
from screening.demo.drawn import DemoStudy
from screening.demo.rows import READ_AFTER, TOOK
from screening.results.models import Screening
from screening.results.transitions import outcome_draft
from screening.review.models import Review
from screening.studies.models import Image, Study, StudyState
from screening.uploads.models import Item

DEMO = Actor.service("seed_demo")


def study_chain(
    drawn: DemoStudy, study: Study, images: Sequence[Image], screenings: Sequence[Screening], review: Review | None
) -> tuple[AuditHead, list[AuditEvent]]:
    """Give the chain of a study from its first event to its head."""
    head = AuditHead(chain=chain_key(ChainKind.STUDY, study.pk), seq=0, hash=GENESIS)
    events = fold(head, [_image(image) for image in images], DEMO, moment=drawn.done_at - TOOK)
    settled = StudyState.INCOMPLETE if study.not_assessed else StudyState.READY
    outcomes = [outcome_draft(row) for row in screenings]
    events += fold(head, [*outcomes, _moved(study, settled, StudyState.RECEIVING)], DEMO, moment=drawn.done_at)
    if review is not None:
        answered = [_answered(review, study.site_id), _moved(study, StudyState.REVIEWED, settled)]
        events += fold(head, answered, Actor(f"user:{review.reader_id}"), moment=drawn.done_at + READ_AFTER)
    return head, events


def item_events(head: AuditHead, items: Sequence[Item], site_id: UUID) -> Iterator[AuditEvent]:
    """Give the outcome of every item on the chain of its upload."""
    for item in items:
        yield from fold(head, [_item(item, site_id)], DEMO, moment=item.done_at)


def upload_event(head: AuditHead, upload_id: UUID, site_id: UUID, action: str, **detail: str | int) -> list[AuditEvent]:
    return fold(head, [Draft(ChainKind.UPLOAD, upload_id, site_id, action, dict(detail))], DEMO)


def _image(image: Image) -> Draft:
    detail = {"image": str(image.pk), "sha256": image.sha256, "frame": image.frame, "plane_sha256": image.plane_sha256}
    if image.not_assessed:
        detail["not_assessed"] = image.not_assessed
    return Draft(ChainKind.STUDY, image.study_id, image.site_id, "image:received", detail)


def _moved(study: Study, to: StudyState, before: StudyState) -> Draft:
    detail = {"before": before, "revision": 1, "flagged": study.flagged, "not_assessed": study.not_assessed}
    return Draft(ChainKind.STUDY, study.pk, study.site_id, f"study:{to}", detail)


def _answered(review: Review, site_id: UUID) -> Draft:
    detail = {
        "review": str(review.pk),
        "finding": review.finding,
        "answer": review.answer,
        "revision": review.revision,
        "flagged": review.flagged,
        "kind": review.kind,
        "blinded": review.blinded,
    }
    return Draft(ChainKind.STUDY, review.study_id, site_id, "study:answered", detail)


def _item(item: Item, site_id: UUID) -> Draft:
    detail = {"item": str(item.pk), "sha256": item.sha256}
    if item.code:
        detail["code"] = item.code
    if item.study_id:
        detail["study"] = str(item.study_id)
    return Draft(ChainKind.UPLOAD, item.upload_id, site_id, f"item:{item.state}", detail)
