"""What an upload still owes its receipt: results that wait, whoever asked for them, and questions nobody asked yet.

A picture that several uploads brought is screened once. The row belongs to one of them; the others wait for it too.
"""

from typing import Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from ml.vocabulary import PIPELINES
from screening.prepared import Prepared
from screening.results.models import PENDING, ModelVersion, Screening, ScreeningState
from screening.results.selectors import still_active
from screening.studies.models import Image
from screening.uploads.models import Item, ItemState, Upload

KEPT = (ItemState.ACCEPTED, ItemState.DUPLICATE)


def is_screening(upload_id: UUID) -> bool:
    """Whether results wait that the receipt of an upload shows."""
    if _WAITING(upload_id):
        return True
    upload = Upload.objects.get(pk=upload_id)
    versions = [version for version in ModelVersion.objects.defer("card") if version.name in upload.models_chosen]
    versions += still_active(upload.models_chosen)
    waiting = Screening.objects.filter(model_version__in=versions, state__in=PENDING)
    return any(waiting.filter(image__in=pictures).exists() for pictures in pictures_of(upload))


_WAITING: Final = Prepared(
    lambda upload_id: Screening.objects.filter(upload_id=upload_id, state__in=PENDING).values_list("pk", flat=True)[:1]
)


def unasked(upload: Upload) -> list[str]:
    """Hashes of the upload's pictures that lack a row of a model it chose, or whose row another upload cancelled.

    For a retired version the newest of its slug is asked, but only about what the retired one has no row of. A model
    that is made for another modality is not asked where a fitting one was chosen.
    """
    versions = still_active(upload.models_chosen)
    fitting = {version.modality for version in versions}
    lacking = Q()
    for version in versions:
        answering = Q(model_version=version)
        if version.name not in upload.models_chosen:
            answering |= Q(model_version__slug=version.slug, model_version__active=False)
        rows = Screening.objects.filter(answering, image=OuterRef("pk"), pipeline__in=PIPELINES)
        asked = Exists(rows.exclude(state=ScreeningState.CANCELLED))
        lacking |= (Q(modality=version.modality) | ~Q(modality__in=fitting)) & Q(~asked)
    if not versions:
        return []
    found = [pictures.filter(lacking).order_by().values_list("sha256", flat=True) for pictures in pictures_of(upload)]
    return sorted({sha256 for hashes in found for sha256 in hashes})


def pictures_of(upload: Upload) -> tuple[QuerySet[Image], QuerySet[Image]]:
    """The stored pictures of an upload: under its files' own hashes, and under those of the files they repeat."""
    items = Item.objects.filter(upload=upload, state__in=KEPT)
    repeats = items.filter(duplicate_of__isnull=False).exclude(duplicate_of__sha256=F("sha256"))
    images = Image.objects.filter(site_id=upload.site_id)
    return (
        images.filter(sha256__in=items.values("sha256")),
        images.filter(sha256__in=repeats.values("duplicate_of__sha256")),
    )
