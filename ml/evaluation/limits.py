"""Plain lines for a card: what its own figures say against the model."""

from collections.abc import Mapping
from typing import Any, Final

from ml.models.card import Card

NOT_SHOWN: Final = "Not shown to use the lungs: "
ELSEWHERE: Final = "On pictures from elsewhere (external): "
NEVER_SEEN: Final = "On a collection that it never saw: "
NEVER_SEEN_TUNED: Final = "On a collection that it never saw, tuned without it: "


def with_verdict(card: Card) -> tuple[str, ...]:
    """Return the limits, with plain lines for what the figures say against the model.

    One for each AUC that the best trivial baseline may explain, and one for what `external` says.
    """
    limits = [limit for limit in card.limits if not limit.startswith((NOT_SHOWN, ELSEWHERE))]
    for split, told in card.trivial_baselines.items():
        for name, each in told.items():
            model = card.metrics[split]["auc"][name]
            best = max(each, key=lambda key: each[key]["value"] or 0.0)
            if model["low"] is not None and model["low"] <= (each[best]["high"] or 0.0):
                limits.append(
                    f"{NOT_SHOWN}on {split.replace('_', ' ')} the AUC for {name} is {in_words(model)}, "
                    f"while {best} alone reaches {in_words(each[best])}."
                )
    if "external" in card.metrics:
        limits += [_elsewhere(card, name) for name in card.flag_labels]
    return tuple(limits)


def in_words(figure: Mapping[str, Any]) -> str:
    """Write a figure with its interval: "0.739 (0.578 to 0.884)"."""
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def _elsewhere(card: Card, name: str) -> str:
    told = card.metrics["external"]
    point = told["operating_points"][name]
    return (
        f"{ELSEWHERE}{told['pictures']} pictures, accuracy {in_words(told['accuracy'])}, AUC for {name} "
        f"{in_words(told['auc'][name])}; at the operating point it finds "
        f"{in_words(point['sensitivity_by_patient'])} of the patients with {name} and leaves "
        f"{in_words(point['specificity_by_picture'])} of the other pictures unflagged."
    )


def with_never_seen(card: Card, told: Mapping[str, Any], *, tuned: bool) -> tuple[str, ...]:
    """Return the limits with one line for each source that was tested without, and none of an earlier test."""
    start, what = (NEVER_SEEN_TUNED, "trained") if tuned else (NEVER_SEEN, "a linear head trained")
    lines = [
        f"{start}{what} without {source}, the AUC between {pair} there is {in_words(one)}; called {name}: "
        + ", ".join(f"{in_words(share)} of {truth}" for truth, share in each[f"called_{name}"].items())
        + "."
        for source, each in told["sources"].items()
        for pair, one in each.get("auc_between", {}).items()
        for name in card.flag_labels
    ]
    return (*(limit for limit in card.limits if not limit.startswith(start)), *lines)
