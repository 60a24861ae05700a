"""The rules and the dashboard for operators name what the service tells, and nothing else."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from screening.metrics.catalogue import ARCHIVES, CATALOGUE, HEAT_MAPS, INGEST, LETTERS, SCREENING, WEBHOOKS
from screening.metrics.exposition import exposed
from screening.results.models import ScreeningState
from screening.uploads.models import ItemState, UploadState
from tests.environment import ROOT
from tests.metrics.conftest import scrape

FOLDER = ROOT / "deploy" / "monitoring"
LABELS = {one.name: set(one.labels) for one in CATALOGUE}
UNITS = ("_seconds", "_bytes", "_ratio", "_rows", "_pictures", "_uploads", "_per_second", "_info")
BOOLEAN = {"screening_ready"}  # 1 or 0, as `up`
OF_PROMETHEUS = {"up"}  # 1 where a scrape was answered
WORDS = {
    *("and", "or", "unless", "on", "by", "without", "ignoring", "bool"),
    *("sum", "max", "min", "avg_over_time"),
}
VALUES = {
    "lane": {ARCHIVES, INGEST, SCREENING, HEAT_MAPS, WEBHOOKS, LETTERS},
    "outcome": {*ScreeningState.values, *ItemState.values},
    "state": set(UploadState.values),
    "job": {"screening"},
}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return json.loads((FOLDER / "dashboard.json").read_text())["panels"]


def expressions() -> list[str]:
    return [rule["expr"] for rule in rules()] + [target["expr"] for panel in panels() for target in panel["targets"]]


def selectors(expression: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each metric of an expression with the labels and values that it is narrowed by."""
    bare = re.sub(r"(?:\b(?:by|on|without|ignoring)\s*)\([^)]*\)|\[[^\]]*\]", " ", expression)
    for name, braces in re.findall(r"\b([a-z_][a-z0-9_]*)\b\s*(\{[^}]*\})?", re.sub(r'(?<=[=~])"[^"]*"', _kept, bare)):
        if name not in WORDS:
            yield name, [(label, _told(value)) for label, value in re.findall(r'(\w+)\s*[!=]=?~?\s*"([^"]*)"', braces)]


def _kept(match: re.Match[str]) -> str:
    return match.group().upper()  # a value is no name of a metric


def _told(value: str) -> str:
    return value.lower()


def test_every_figure_that_the_rules_and_the_dashboard_name_is_told_with_the_labels_they_ask_for():
    unknown, odd = [], []
    for expression in expressions():
        found = list(selectors(expression))
        assert found, expression
        for name, narrowed in found:
            if name not in LABELS and name not in OF_PROMETHEUS:
                unknown.append((name, expression))
            for label, values in narrowed:
                if label not in LABELS.get(name, {"job"}) or not set(values.split("|")) <= VALUES[label]:
                    odd.append((name, label, values))

    assert unknown == []
    assert odd == []


def test_the_labels_that_a_rule_speaks_of_are_those_of_its_figure():
    wrong = []
    for rule in rules():
        known = set().union(*(LABELS.get(name, set()) for name, _ in selectors(rule["expr"])))
        said = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        grouped = re.search(r"by \(([^)]*)\)", rule["expr"])
        kept = {one.strip() for one in grouped.group(1).split(",")} if grouped else known
        wrong += [(rule["alert"], label) for label in said - (known & kept)]

    assert wrong == []


def test_every_rule_waits_says_how_grave_it_is_and_what_to_do():
    names = [rule["alert"] for rule in rules()]

    assert len(names) == len(set(names)) >= 12
    for rule in rules():
        assert re.fullmatch(r"\d+[smh]", rule["for"])
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "what_to_do"}


def test_the_dashboard_shows_every_figure():
    shown = {name for panel in panels() for one in panel["targets"] for name, _ in selectors(one["expr"])}

    assert shown == set(LABELS)
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_the_panels_lie_beside_each_other_and_not_on_each_other():
    taken = [
        (x, y)
        for panel in panels()
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def test_every_figure_has_a_unit_at_its_end_and_says_what_it_is():
    text = exposed([]).decode()

    assert [one for one in LABELS if one not in BOOLEAN and not one.endswith(UNITS)] == []
    assert [one for one in LABELS if one.endswith("_total")] == []  # nothing is a counter
    assert all(one.startswith("screening_") for one in LABELS)
    assert len(LABELS) == len(CATALOGUE)
    for one in CATALOGUE:
        assert one.says.endswith(".")
        assert f"# HELP {one.name} {one.says}\n# TYPE {one.name} gauge\n" in text


@pytest.mark.django_db
def test_what_the_service_answers_is_described_line_by_line(watched):
    lines = scrape().content.decode().splitlines()

    told = {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}
    assert told <= set(LABELS)
    assert {line.split()[2] for line in lines if line.startswith("# HELP")} == set(LABELS)


def test_the_page_for_operators_lists_every_figure_with_its_labels():
    table = re.findall(r"^\| (`screening_[^|]*) \| ([^|]*)\|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    listed = {
        name: {one for one in re.split(r"[, ]+", labels) if one}
        for names, labels in table
        for name in re.findall(r"`(\w+)`", names)
    }

    assert listed == LABELS
