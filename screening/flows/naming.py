"""What a side table says about files reaches their studies."""

from collections.abc import Sequence
from uuid import UUID

from screening.studies.models import Study
from screening.uploads.models import Item, Reference


def name_studies(pairs: Sequence[tuple[Study, Sequence[Item]]]) -> None:
    """Give studies of one site the identifier and label of their first file that a side table names. The caller saves.

    An identifier names one study of a site: one that another study carries, or got a moment ago, is not given again.
    A study that has one keeps it.
    """
    references = _references_of([item for _, items in pairs for item in items])
    found = [(study, _first(references, items)) for study, items in pairs]
    wanted = {reference.external_id for _, reference in found if reference and reference.external_id}
    if not wanted and not any(reference for _, reference in found):
        return
    site_id = pairs[0][0].site_id
    taken = set(Study.objects.filter(site_id=site_id, external_id__in=wanted).values_list("external_id", flat=True))
    for study, reference in found:
        if reference is None:
            continue
        study.reference_label = study.reference_label or reference.label
        if reference.external_id and not study.external_id and reference.external_id not in taken:
            taken.add(reference.external_id)
            study.external_id = reference.external_id


def _references_of(items: Sequence[Item]) -> dict[tuple[UUID, str], Reference]:
    """By upload and path: names such as 1.png come in many uploads."""
    rows = Reference.objects.filter(
        upload__in={item.upload_id for item in items}, path_digest__in={item.path_digest for item in items}
    )
    return {(row.upload_id, row.path_digest): row for row in rows}


def _first(references: dict[tuple[UUID, str], Reference], items: Sequence[Item]) -> Reference | None:
    rows = [references.get((item.upload_id, item.path_digest)) for item in items]
    return next((row for row in rows if row and row.external_id), next((row for row in rows if row), None))
