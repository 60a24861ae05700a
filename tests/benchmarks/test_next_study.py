"""From the key `n` to the next study on the screen, in Chromium, with drawn radiographs of 2,000 pixels.

The page of the next study and its first picture were fetched while the one before was shown, as for a reader.
"""

import os
import statistics

import pytest
from django.db import connection
from django.urls import reverse
from playwright.sync_api import Page

from tests.benchmarks.test_pipeline import say
from tests.e2e.conftest import browser, enter
from tests.e2e.test_reading_in_order import a_list, reader_at
from tests.factories import SiteFactory
from tests.phantoms import radiograph

__all__ = ["browser", "enter"]

STUDIES = 41
SIDE = 2000
pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800), pytest.mark.django_db(transaction=True)]

# The first paint of another study: one of the study before, which a key may cause, does not count.
CLOCK = """() => {
  window.took = [];
  let pressed = 0, before = "";
  document.addEventListener("keydown", (event) => {
    if (event.key === "n") [pressed, before] = [performance.now(), document.title];
  }, true);
  document.addEventListener("painted", () => {
    if (!pressed || document.title === before) return;
    window.took.push(performance.now() - pressed);
    pressed = 0;
  }, true);
}"""
READY = "() => document.querySelector('[data-next-form]')?.dataset.ahead === 'yes'"


def press(page: Page, *, patient: bool) -> None:
    """Go on to the next study, once its page was fetched where that is waited for."""
    if patient:
        page.wait_for_function(READY)
        page.wait_for_timeout(600)  # a reader looks at the study; its picture is decoded meanwhile
    count = page.evaluate("window.took.length")
    page.keyboard.press("n")
    page.wait_for_function("before => window.took.length > before", arg=count)
    page.wait_for_function("() => !document.querySelector('[data-answer-form] [type=submit]').disabled")


@pytest.mark.parametrize("patient", [True, False], ids=["fetched ahead", "pressed at once"])
def test_how_long_the_next_study_takes_to_be_painted(enter, patient):
    site = SiteFactory()
    reader = reader_at(site)
    a_list(site, studies=STUDIES, gray=radiograph(SIDE, SIDE, seed=1))
    page = enter(reader, reverse("review:to_read"))
    page.keyboard.press("n")
    page.wait_for_selector("[data-viewer][data-ready]")
    page.evaluate(CLOCK)

    for _ in range(STUDIES - 1):
        press(page, patient=patient)

    took = sorted(page.evaluate("window.took"))
    say(
        figure=f"next_study_p95_ms_{'ahead' if patient else 'at_once'}",
        value=round(took[int(len(took) * 0.95)], 1),
        unit="ms",
        median=round(statistics.median(took), 1),
        n=len(took),
        side=SIDE,
        engine=connection.vendor,
        through="Chromium, live server in this process",
        load=round(os.getloadavg()[0], 1),
    )
