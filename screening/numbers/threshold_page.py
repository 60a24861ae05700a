"""What the threshold page shows: one label of one model version at one site."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from screening.numbers.decided import Question, last, opinions_of, weighed
from screening.numbers.figures import Accuracy, accuracy
from screening.numbers.history import Day, History, by_day, history_of
from screening.numbers.models import PointProposal, ProposalState, Reflagging
from screening.numbers.points import colleagues_of
from screening.numbers.reflagging import left_to_reflag
from screening.results.models import ModelVersion, OperatingPoint
from screening.results.services import thresholds_of
from screening.users.models import Site, User

YEAR: Final = 365


@dataclass(frozen=True, slots=True)
class Choice:
    """A label of a model version that raises a flag."""

    version: ModelVersion
    label: str

    @property
    def key(self) -> str:
        return f"{self.version.pk}:{self.label}"

    def __str__(self) -> str:
        return f"{self.version.name}: {self.label}"


@dataclass(frozen=True, slots=True)
class Trial:
    """What another point would have flagged in the period, beside what the present one would have."""

    history: History
    days: Sequence[Day]
    present: float
    other: float

    @property
    def studies(self) -> int:
        return len(self.history.judged)

    @property
    def at_present(self) -> int:
        return sum(day.present for day in self.days)

    @property
    def at_other(self) -> int:
        return sum(day.other for day in self.days)

    @property
    def per_day(self) -> tuple[float, float]:
        """Flags a day at the present point and at the other, over the time since the first score of the period."""
        return self.at_present / self.history.length, self.at_other / self.history.length


def choices() -> list[Choice]:
    """Labels that raise a flag, those of models in use first."""
    versions = ModelVersion.objects.order_by("-active", "slug", "-registered_at").defer("card")
    return [Choice(version, label) for version in versions for label in version.flag_labels]


def chosen(offered: Sequence[Choice], key: str) -> Choice | None:
    """The choice of this key; the first where none or an unknown one was named."""
    return next((one for one in offered if one.key == key), offered[0] if offered else None)


def trial_of(*, site: Site, choice: Choice, value: float | None, days: int) -> Trial:
    """Try a value, or the present one, on the stored scores of the last days."""
    present = thresholds_of(site_ids=[site.pk], version=choice.version)[site.pk][choice.label]
    other = present if value is None else value
    history = history_of(site_id=site.pk, version=choice.version, label=choice.label, days=days)
    return Trial(history, by_day(history, present=present, other=other), present, other)


def accuracy_of(*, site: Site, choice: Choice, trial: Trial) -> Accuracy:
    """Sensitivity and specificity at the value that is tried, from what was decided in the last year."""
    asked = Question(site=site, version=choice.version, label=choice.label, since=last(YEAR))
    return accuracy(weighed(asked, opinions_of(asked)), point=trial.other)


def deciding(*, site: Site, choice: Choice, user: User) -> dict[str, Any]:
    """The parts of the page about who decides: proposals, past points, and the flags of past studies."""
    proposals = PointProposal.objects.filter(site=site).select_related("model_version", "proposed_by", "decided_by")
    points = OperatingPoint.objects.filter(model_version=choice.version, label=choice.label)
    reflaggings = Reflagging.objects.filter(site=site, model_version=choice.version).select_related("asked_by")
    latest = reflaggings.first()
    return {
        "open_proposals": list(proposals.filter(state=ProposalState.OPEN)),
        "decided_proposals": list(proposals.exclude(state=ProposalState.OPEN)[:10]),
        "points": list(
            (points.filter(site=site) | points.filter(site__isnull=True))
            .select_related("proposed_by", "approved_by")
            .order_by("-valid_from", "-pk")[:20]
        ),
        "colleagues": colleagues_of(user, site),
        "reflagging": latest,
        "left": left_to_reflag(latest) if latest else 0,
    }
