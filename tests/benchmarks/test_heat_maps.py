"""What a heat map costs: where the model looked, the picture with the heat over it, and its score without parts."""

import time
from pathlib import Path

import pytest

from ml.explain.drawing import draw
from ml.explain.explainer import Explainer
from ml.explain.parts import scores_without_parts
from ml.images.plain import read_plain
from ml.images.plane import make_plane
from ml.images.preview import make_preview
from ml.inference import load_scorer
from ml.models.bundle import load_bundle
from ml.models.choosing import choose, ways
from tests.benchmarks.measuring import say
from tests.benchmarks.sending import radiographs
from tests.shipped import bundle_of

PICTURES = 40
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]


def test_what_a_heat_map_costs(real_pictures: Path) -> None:
    folder = bundle_of("xray-covid-3class")
    explainer, scorer = (
        Explainer(load_bundle(folder)),
        load_scorer(folder, lambda bundle: choose(bundle, ways())),
    )
    gray = [read_plain(content).gray for content in radiographs(real_pictures, PICTURES + 2)]
    pictures = [(make_plane(one).tobytes(), make_preview(one)) for one in gray]
    spent = {"draw": 0.0, "parts": 0.0}
    for number, (plane, preview) in enumerate(pictures):
        started = time.process_time()
        draw(explainer, plane, label="covid", preview=preview)
        drawn = time.process_time()
        scores_without_parts(scorer, plane, label="covid")
        if number >= 2:  # the first ones prepare what computes
            spent["draw"] += drawn - started
            spent["parts"] += time.process_time() - drawn
    say("heat_map_cpu_ms", sum(spent.values()) / PICTURES * 1000, "ms", PICTURES, **_each(spent))


def _each(spent: dict[str, float]) -> dict[str, float]:
    return {name: round(seconds / PICTURES * 1000, 1) for name, seconds in spent.items()}
