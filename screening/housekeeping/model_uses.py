"""Where model versions are used, and what retiring one would mean."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ml.vocabulary import Modality
from screening.numbers.models import PointProposal, ProposalState, Replay, ReplayState
from screening.results.leases import SCRIPTED
from screening.results.models import PENDING, ModelVersion, OperatingPoint, Screening, SiteVersion, Standing
from screening.uploads.models import Upload, UploadState
from screening.users.models import Site


@dataclass(frozen=True, slots=True)
class AtSite:
    """That a site screens with a version where nobody names one: by its own decision, or as the newest there is."""

    site: Site
    since: datetime | None  # of the decision

    @property
    def decided(self) -> bool:
        return self.since is not None


@dataclass(slots=True)
class Uses:
    """What uses a version at some sites."""

    version: ModelVersion
    sites: list[AtSite] = field(default_factory=list)
    points: list[OperatingPoint] = field(default_factory=list)  # of these sites, as they stand
    proposals: list[PointProposal] = field(default_factory=list)
    replays: list[Replay] = field(default_factory=list)

    @property
    def decided(self) -> list[AtSite]:
        return [one for one in self.sites if one.decided]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retiring:
    """What retiring a version would mean, for the whole installation."""

    uses: Uses
    instead: ModelVersion | None  # what uploads under way and undecided sites go on with
    uploads: int  # under way, that chose it
    waiting: int  # pictures; workers finish them
    last_of_modality: bool

    @property
    def is_held(self) -> bool:
        """Whether somebody decided on it, so that one person alone is told to let them decide first."""
        return bool(self.uses.decided or self.uses.points or self.uses.proposals or self.uses.replays)


def listed() -> list[ModelVersion]:
    """Every registered version, by model, the newest first. What only pretends to be a model is left out."""
    return list(
        ModelVersion.objects.exclude(slug=SCRIPTED).select_related("retired_by").order_by("slug", "-registered_at")
    )


def uses_of(versions: Sequence[ModelVersion], sites: Sequence[Site]) -> dict[UUID, Uses]:
    """Where each version is used among these sites: six questions, however many there are."""
    found = {version.pk: Uses(version) for version in versions}
    for site, version_id, since in _standing(sites):
        if version_id in found:
            found[version_id].sites.append(AtSite(site, since))
    there = {(one.site.pk, key) for key, uses in found.items() for one in uses.sites}
    for point in _points(found, sites):
        if (point.site_id, point.model_version_id) in there:
            found[point.model_version_id].points.append(point)
    proposals = PointProposal.objects.filter(state=ProposalState.OPEN, model_version__in=found, site__in=sites)
    for proposal in proposals.select_related("site"):
        found[proposal.model_version_id].proposals.append(proposal)
    for replay in Replay.objects.filter(state=ReplayState.OPEN, site__in=sites).select_related("site", "old", "new"):
        for key in {replay.old_id, replay.new_id} & found.keys():
            found[key].replays.append(replay)
    return found


def _standing(sites: Sequence[Site]) -> Iterable[tuple[Site, UUID, datetime | None]]:
    """For each site and model the version that applies, and since when the site decided so."""
    active = ModelVersion.objects.active().exclude(slug=SCRIPTED).order_by("slug", "registered_at")
    newest = {version.slug: version.pk for version in active}
    choices: dict[UUID, dict[str, SiteVersion]] = defaultdict(dict)
    for choice in SiteVersion.objects.filter(site__in=sites, version__active=True).order_by("valid_from", "pk"):
        choices[choice.site_id][choice.slug] = choice
    for site in sites:
        for slug, version_id in newest.items():
            own = choices[site.pk].get(slug)
            yield site, own.version_id if own else version_id, own.valid_from if own else None


def _points(versions: Iterable[UUID], sites: Sequence[Site]) -> list[OperatingPoint]:
    """The points that sites set themselves, as they stand."""
    rows = OperatingPoint.objects.filter(model_version__in=list(versions), site__in=sites).select_related("site")
    latest = {(row.site_id, row.model_version_id, row.label): row for row in rows.order_by("valid_from", "pk")}
    return sorted(latest.values(), key=lambda row: (str(row.site), row.label))


def retiring(version: ModelVersion) -> Retiring:
    """What retiring a version would mean now."""
    others = [one for one in ModelVersion.objects.active().exclude(slug=SCRIPTED) if one.pk != version.pk]
    under_way = Upload.objects.filter(state__in=(UploadState.OPEN, UploadState.SEALED))
    return Retiring(
        uses=uses_of([version], list(Site.objects.order_by("name")))[version.pk],
        instead=next((one for one in others if one.slug == version.slug), None),
        uploads=sum(version.name in chosen for chosen in under_way.values_list("models_chosen", flat=True)),
        waiting=Screening.objects.filter(model_version=version, state__in=PENDING).count(),
        last_of_modality=version.standing == Standing.ACTIVE
        and not any(Modality(one.modality) == Modality(version.modality) for one in others),
    )
