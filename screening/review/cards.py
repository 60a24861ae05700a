"""A model's card as people read it: figures with intervals per source, beside trivial baselines."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _

from ml.vocabulary import marked
from screening.results.heat import PARTS
from screening.results.models import ModelVersion
from screening.results.services import thresholds_of
from screening.users.models import User
from screening.users.roles import SEE_RESULTS, sites_where

_WORDS: Final = {
    "auc": "AUC",
    "val": "validation",
    "oof": "out of fold",
    "n": "n",
    "ct": "CT",
    "xray": "X-ray",
    "against": "difference from another model",
}

FACTS: Final = {
    "architecture": marked("architecture"),
    "input_side": marked("input side"),
    "pipeline": marked("pipeline"),
    "preprocessing": marked("preprocessing"),
    "licence": marked("licence"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its 95 % interval, where it has one."""

    name: str
    value: float
    low: float | None
    high: float | None
    n: int | None
    is_difference: bool = False

    @property
    def is_signed(self) -> bool:
        """Whether it is drawn from -1 to 1: every difference of two models, and whatever lies below 0."""
        return self.is_difference or min(self.value, self.value if self.low is None else self.low) < 0

    @property
    def at(self) -> str:
        return self._place(self.value)

    @property
    def left(self) -> str:
        return self._place(self.low if self.low is not None else self.value)

    @property
    def width(self) -> str:
        if self.low is None or self.high is None:
            return "0"
        return f"{(self.high - self.low) * (50 if self.is_signed else 100):.2f}"

    def _place(self, value: float) -> str:
        return f"{(value + 1) * 50 if self.is_signed else value * 100:.2f}"


@dataclass(slots=True)
class Section:
    """A part of a card: figures, plain facts, and parts of its own, such as one per source."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    parts: list["Section"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Altered:
    """What a model can still tell when a part of every picture is taken away."""

    name: str
    title: str
    auc: Figure


@dataclass(frozen=True, slots=True)
class Threshold:
    """An operating point as shipped, and what applies at the reader's sites."""

    label: str
    value: float
    low: float | None
    high: float | None
    rule: str
    provisional: bool
    at_sites: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPage:
    """Everything the page of a model shows."""

    version: ModelVersion
    thresholds: tuple[Threshold, ...]
    metrics: Section
    baselines: Section
    shortcut: Section
    demo: tuple[Altered, ...]
    training: Section
    evaluations: Section
    limits: tuple[str, ...]
    plain: tuple[tuple[str, str], ...]


def overview() -> list[ModelVersion]:
    """Registered versions, those in use first."""
    return list(ModelVersion.objects.order_by("-active", "slug", "-registered_at"))


def card_of(version: ModelVersion, user: User | AnonymousUser) -> CardPage:
    """Lay out the card of one version for one visitor."""
    card: Mapping[str, Any] = version.card
    return CardPage(
        version=version,
        thresholds=tuple(_thresholds(version, user)),
        metrics=section(_("Figures"), card.get("metrics") or {}),
        baselines=section(_("Trivial baselines"), card.get("trivial_baselines") or {}),
        shortcut=section(_("Shortcut test"), card.get("shortcut") or {}),
        demo=tuple(demo_of(version)),
        training=section(_("Training data"), card.get("training_data") or {}),
        evaluations=section(_("How often it was evaluated"), card.get("evaluations") or {}),
        limits=tuple(card.get("limits") or ()),
        plain=tuple((_(FACTS[name]), str(card[name])) for name in FACTS if card.get(name)),
    )


def _thresholds(version: ModelVersion, user: User | AnonymousUser) -> list[Threshold]:
    shipped: Mapping[str, Mapping[str, Any]] = version.card.get("operating_points") or {}
    sites = list(sites_where(user, SEE_RESULTS).distinct())
    now = thresholds_of(site_ids=[site.pk for site in sites], version=version)
    return [
        Threshold(
            label=label,
            value=point["value"],
            low=point.get("low"),
            high=point.get("high"),
            rule=str(point.get("rule", "")),
            provisional=bool(point.get("provisional", True)),
            at_sites=tuple(
                (site.name, now[site.pk][label])
                for site in sites
                if now[site.pk].get(label, point["value"]) != point["value"]
            ),
        )
        for label, point in shipped.items()
    ]


def demo_of(version: ModelVersion) -> Iterator[Altered]:
    """The same case whole, without the lungs, and its border alone: what a new head makes of each."""
    labels = (version.card.get("shortcut") or {}).get("labels") or {}
    tested: Mapping[str, Any] = next((labels[label] for label in version.flag_labels if label in labels), {})
    for name, title in PARTS.items():
        told = (tested.get("auc") or {}).get(name, {}).get("retrained") or {}
        if isinstance(told.get("value"), int | float):
            yield Altered(name, _(title), _figure("AUC", told))


def section(title: str, document: Mapping[str, Any]) -> Section:
    """Lay out a free-form part of a card: numbers with intervals as figures, the rest as facts."""
    made = Section(title)
    for key, value in document.items():
        _place(made, words(key), value)
    return made


def _place(made: Section, name: str, value: object) -> None:
    if isinstance(value, Mapping):
        if not value:
            return
        if isinstance(value.get("value"), int | float):
            made.figures.append(_figure(name, value))
        elif "value" in value and "low" in value:
            made.facts.append((name, _("cannot be told")))
        elif _is_shallow(value):
            _unfold(made, name, value)
        else:
            made.parts.append(section(name if "/" in name else name[:1].upper() + name[1:], value))
    elif isinstance(value, list):
        made.facts.append((name, "; ".join(_plain(part) for part in value)))
    elif value not in (None, ""):
        made.facts.append((name, _plain(value)))


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{words(str(key))} {_plain(part)}" for key, part in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _is_shallow(value: Mapping[str, Any]) -> bool:
    return not any(isinstance(part, Mapping) and "value" not in part for part in value.values())


def _unfold(made: Section, name: str, value: Mapping[str, Any]) -> None:
    if all(isinstance(part, int | float) for part in value.values()):
        made.facts.append((name, _plain(value)))
        return
    for key, part in value.items():
        _place(made, f"{name}: {words(key)}", part)


def _figure(name: str, value: Mapping[str, Any]) -> Figure:
    of_two = "excludes_zero" in value
    return Figure(name, float(value["value"]), value.get("low"), value.get("high"), value.get("n"), of_two)


def words(key: str) -> str:
    """A key of a card in words; names of sources and labels stay as they are."""
    if "/" in key:
        return f"AUC {key.removeprefix('auc_')}" if key.startswith("auc_") else key
    return " ".join(_WORDS.get(part, part) for part in key.split("_"))
