"""Documents of a study for other systems, made by a worker when asked for: kept beside the pictures, named by content.

A document is a cache. Its name holds a hash of what it tells: one that lies there is the right one, two workers that
make it write the same bytes, and a call that is lost is made again by whoever asks again. No row is written.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from screening.errors import DocumentAway, DocumentNotMade, NothingToTell
from screening.flows.explained import files_of
from screening.queue import Call, publish
from screening.results.models import Explanation, ExplanationState
from screening.studies.models import Image, Study, StudyState
from screening.uploads.kept import age_of, drop_named, is_kept
from screening.uploads.storage import blob_folder

FORMAT: Final = "documents-4"  # changes whenever the same rows would give another document
STEM: Final = "doc."  # of the names of all documents
REFUSED: Final = ".refused"
REFUSED_SECONDS: Final = 60.0  # after which a document that could not be made is tried again


class Kind(StrEnum):
    """What can be had of a study."""

    REPORT = "report"  # DICOM SR, TID 1500
    HEAT_MAP = "heatmap"  # DICOM secondary capture
    FHIR = "fhir"  # a FHIR R4 bundle


SUFFIX: Final = {Kind.REPORT: "dcm", Kind.HEAT_MAP: "dcm", Kind.FHIR: "json"}
CONTENT_TYPE: Final = {
    Kind.REPORT: "application/dicom",
    Kind.HEAT_MAP: "application/dicom",
    Kind.FHIR: "application/fhir+json",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document by what it would hold at this moment, and where it lies if it was made."""

    study: Study
    kind: Kind
    explanation: UUID | None
    key: str
    path: Path

    @property
    def prefix(self) -> str:
        """How the names of earlier ones of its kind begin."""
        return self.path.name.removesuffix(f"{self.key[:32]}.{SUFFIX[self.kind]}")

    @property
    def refusal(self) -> Path:
        """Where a worker says that it could not be made."""
        return self.path.with_name(self.path.name + REFUSED)


def wanted(study: Study, kind: Kind, heat_map: UUID | None = None) -> Wanted:
    """Name a document of a study as it is now.

    Args:
        study: As it was just read: its change number goes into the name.
        kind: Which document.
        heat_map: Of a heat map: which one; the leading one if None.

    Raises:
        NothingToTell: the study has no picture, or no such map is drawn.
    """
    image = None if study.state == StudyState.PURGED else study.images.order_by("created_at", "pk").first()
    if image is None:
        raise NothingToTell(_("This study holds no picture any more."))
    explanation = _map_of(study, heat_map) if kind == Kind.HEAT_MAP else None
    if explanation is not None:
        image = explanation.screening.image
    drawn = "" if explanation is None else f"{explanation.pk}/{explanation.key}"
    key = hashlib.sha256(f"{FORMAT}/{kind}/{study.pk}/{study.change_number}/{drawn}".encode()).hexdigest()
    what = kind.value if explanation is None else f"{kind.value}-{explanation.pk.hex[:12]}"
    path = blob_folder(image.site_id, image.sha256) / f"{STEM}{what}.{key[:32]}.{SUFFIX[kind]}"
    return Wanted(study, kind, explanation.pk if explanation else None, key, path)


def _map_of(study: Study, heat_map: UUID | None) -> Explanation:
    drawn = Explanation.objects.filter(screening__study=study, state=ExplanationState.DRAWN)
    drawn = drawn.select_related("screening__image", "model_version").order_by("created_at", "pk")
    found = drawn.filter(pk=heat_map).first() if heat_map else _leading(list(drawn))
    if found is None:
        raise NothingToTell(_("No heat map of this study is drawn."))
    if not is_kept(files_of(found)[1]):
        raise NothingToTell(_("The files of this heat map are gone."))
    return found


def _leading(drawn: list[Explanation]) -> Explanation | None:
    """Of several maps: that of a flag before others, then of the highest score."""
    return max(
        drawn,
        key=lambda one: (one.screening.flagged, one.screening.scores.get(one.label, 0.0), str(one.pk)),
        default=None,
    )


def find_or_ask(document: Wanted) -> Path | None:
    """Give the file of a document, or have it made and give None: ask again in a moment. Safe to repeat.

    Raises:
        DocumentNotMade: a worker could not make it a moment ago.
        DocumentAway: no worker can be called now.
    """
    if is_kept(document.path):
        return document.path
    refuse_if_refused(document)
    if not ask(document):
        raise DocumentAway(_("The document cannot be asked for at this moment."))
    return None


def refuse_if_refused(document: Wanted) -> None:
    """Raise DocumentNotMade if a worker could not make the document a moment ago."""
    try:
        since = age_of(document.refusal)
    except FileNotFoundError:
        return
    if since < REFUSED_SECONDS:
        raise DocumentNotMade(_("The document could not be made."))


def drop_documents(study_ids: Iterable[UUID]) -> None:
    """Delete every document of these studies, where pictures went: one that was made before tells of them."""
    left = Image.objects.filter(study__in=study_ids).order_by().values_list("site_id", "sha256").distinct()
    for site_id, sha256 in left:
        drop_named(blob_folder(site_id, sha256), STEM)


def ask(document: Wanted) -> bool:
    """Call a worker for a document. Whether the call went out."""
    heat_map = str(document.explanation or "")
    return publish(Call.MAKE_DOCUMENT, study=str(document.study.pk), kind=document.kind.value, heat_map=heat_map)
