"""Which studies a poller or an export asks for: filters, and a place in the order of changes."""

from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from screening.api import cursors
from screening.results.models import ModelVersion, Screening
from screening.review.blinding import Veil
from screening.studies.models import SiteChange, Study
from screening.uploads.models import Item

FEW: Final = 3000  # screenings of a model at a site, up to which all its studies are read for a page
Asked = dict[str, Any]


def change_number(site_id: UUID) -> int:
    """The number of the last change at a site; 0 where nothing ever changed. One row."""
    return SiteChange.objects.filter(pk=site_id).values_list("number", flat=True).first() or 0


def studies_asked_for(site_id: UUID, asked: Asked, veil: Veil) -> QuerySet[Study]:
    """Give the studies of a site that fit, in change order, from where the cursor ends.

    What a veil hides fits no question about flags and states: which of it a filter keeps would say what is hidden.
    """
    studies = Study.objects.filter(site_id=site_id)
    if veil.class_sites:
        studies = studies.exclude(veil.in_class)
    if not veil.is_thin and (asked.get("flagged") is not None or asked.get("state") is not None):
        studies = studies.exclude(veil.over)
    for name in ("flagged", "state", "external_id"):
        if asked.get(name) is not None:
            studies = studies.filter(**{name: asked[name]})
    if "upload" in asked:
        studies = studies.filter(_of_upload(asked["upload"], site_id))
    few = "upload" in asked  # its files name its studies
    if "model" in asked:
        rows = _screened_by(asked["model"])
        here = rows.filter(site_id=site_id).order_by()
        few = few or here[: FEW + 1].count() <= FEW
        looked = Q(pk__in=here.values("study_id")) if few else Q(Exists(rows.filter(study=OuterRef("pk"))))
        studies = studies.filter(looked)
    # The sum keeps the planner from walking all changes of the site to look for a few studies.
    number = F("change_number") + 0 if few else F("change_number")
    return studies.filter(_after(asked)).order_by(number, "pk")


def place_of(study: Study) -> str:
    """Give the cursor of what comes after a study."""
    return cursors.encode(study.change_number, study.pk)


def end_of(page: list[Study], asked: Asked) -> str:
    """Give where an answer ends; an empty one ends where it began."""
    if page:
        return place_of(page[-1])
    if "cursor" in asked:
        return str(asked["cursor"])
    return cursors.encode(asked.get("changed_since", 0), UUID(int=2**128 - 1))


def _of_upload(upload_id: UUID, site_id: UUID) -> Q:
    """Whether an upload brought a part of a study: it was the last to do so, or else an item of it says so."""
    items = Item.objects.filter(upload_id=upload_id, upload__site_id=site_id, study_id__isnull=False)
    elsewhere = items.exclude(study_id__in=Study.objects.filter(upload_id=upload_id).values("pk"))
    others = list(elsewhere.order_by().values_list("study_id", flat=True)[: FEW + 1])
    if len(others) <= FEW:
        return Q(upload_id=upload_id) | Q(pk__in=set(others))
    return Q(pk__in=items.values("study_id"))


def _screened_by(name: str) -> QuerySet[Screening]:
    """What the versions of a model looked at: `slug@version`, or every version of a slug."""
    slug, _, version = name.partition("@")
    versions = ModelVersion.objects.filter(slug=slug, **({"version": version} if version else {}))
    return Screening.objects.filter(model_version__in=list(versions.values_list("pk", flat=True)))


def _after(asked: Asked) -> Q:
    if "cursor" in asked:
        number, key = _read(asked["cursor"])
        behind = Q(change_number__gt=number) | Q(pk__gt=key)
        return Q(change_number__gte=number) & behind  # an index begins where one bound says
    return Q(change_number__gt=asked["changed_since"]) if "changed_since" in asked else Q()


def _read(cursor: str) -> tuple[int, UUID]:
    try:
        number, key = cursors.decode(cursor)
        place = int(number), UUID(key)
    except ValueError as error:
        raise cursors.unknown_cursor() from error
    if not 0 <= place[0] < 2**63:
        raise cursors.unknown_cursor()
    return place
