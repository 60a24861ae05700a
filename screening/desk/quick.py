"""One picture, answered on the page: an urgent upload of a single file, sealed at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from ml.vocabulary import REFUSALS
from screening.audit.actor import Actor
from screening.desk.selectors import Reason
from screening.flows.acts import seal_upload
from screening.flows.offering import Offered, check_files, open_upload
from screening.flows.receiving import receive_file
from screening.results.models import Screening
from screening.results.opinions import Opinion, of_study
from screening.studies.models import Image
from screening.uploads.models import PENDING_ITEMS, Item, ItemState, Priority, Upload
from screening.users.models import Site, User

PART: Final = 1024 * 1024


def ask(*, site: Site, user: User, picture: "UploadedFile[bytes]") -> Upload:
    """Send one picture through the same steps as any upload. Its outcome is on the upload's only item."""
    upload = open_upload(site=site, user=user, name="", models=[], priority=Priority.URGENT, quick=True)
    actor = Actor.user(user)
    path = picture.name or "picture"
    offered = Offered(path=path, size=picture.size or 0, sha256=_hash(picture))
    checked = check_files(upload_id=upload.pk, files=[offered], actor=actor)[0]
    if checked.state == "missing":
        receive_file(upload_id=upload.pk, path=path, parts=_parts(picture), actor=actor)
    return seal_upload(upload_id=upload.pk, count=1, actor=actor)


def _hash(picture: "UploadedFile[bytes]") -> str:
    digest = sha256()
    for part in _parts(picture):
        digest.update(part)
    return digest.hexdigest()


def _parts(picture: "UploadedFile[bytes]") -> Iterator[bytes]:
    picture.seek(0)
    yield from picture.chunks(PART)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How far a quick answer is, and what it says."""

    upload: Upload
    item: Item
    refusal: Reason | None
    images: tuple[Image, ...]
    opinions: tuple[Opinion, ...]
    study: UUID | None

    @property
    def pending(self) -> bool:
        """Whether an answer is still to come."""
        return self.item.state in PENDING_ITEMS or any(opinion.word == "waiting" for opinion in self.opinions)

    @property
    def word(self) -> str:
        """One of the four words. With anything not assessed it never reads "not flagged"."""
        words = {opinion.word for opinion in self.opinions}
        if "flagged" in words:
            return "flagged"
        if self.pending:
            return "waiting"
        return "not flagged" if words == {"not flagged"} else "not assessed"


def verdict_of(upload: Upload) -> Verdict:
    """Read the outcome of a quick answer."""
    item = upload.items.get()
    refused = item.state in {ItemState.REJECTED, ItemState.FAILED, ItemState.NOT_SENT, ItemState.CANCELLED}
    kept = {item.sha256, item.duplicate_of.sha256 if item.duplicate_of else item.sha256}
    images = tuple(Image.objects.filter(site_id=upload.site_id, sha256__in=kept).order_by("frame"))
    rows = Screening.objects.filter(image__in=images).select_related("model_version", "image")
    return Verdict(
        upload=upload,
        item=item,
        refusal=_refusal(item) if refused else None,
        images=images,
        opinions=tuple(of_study(rows, [])),
        study=images[0].study_id if images else None,
    )


def _refusal(item: Item) -> Reason:
    words = REFUSALS.get(item.code)
    if words is None:
        return Reason(1, item.state, item.code, _("The file was not taken in."), _("Drop it again."))
    return Reason(1, item.state, item.code, _(words.message), _(words.what_to_do))
