"""A real browser on the pages: Chromium through playwright, and axe-core on what it shows."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 90_000  # milliseconds: a machine that does much else is slow, and not wrong
expect.set_options(timeout=PATIENCE / 2)
SHOTS = os.environ.get("SCREENSHOTS")  # a folder: pages are pictured into it, to be looked at


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium on the path")
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)  # else whitenoise warns, and a warning is an error
    with pytest.MonkeyPatch.context() as patch:
        # playwright keeps an event loop in this thread, and Django takes that for asynchronous code
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
            yield browser
            browser.close()


@pytest.fixture
def enter(browser, live_server) -> Iterator[Callable[..., Page]]:
    """Open a page as a signed-in user, or as nobody. What the console calls an error fails the test at its end."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_page(user, path: str, *, broken_network: bool = False) -> Page:
        context = browser.new_context(
            base_url=live_server.url, viewport={"width": 1280, "height": 860}, reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            cookie = client.cookies[settings.SESSION_COOKIE_NAME]
            context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        if not broken_network:  # where a test breaks it, the console says so
            page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def follow(page: Page, name: str) -> None:
    """Click a link, and wait until the page behind it is there: a click by itself may leave the last one in place."""
    with page.expect_event("load"):
        page.get_by_role("link", name=name).click()


VIEWS = (("dark", 1280), ("light", 1280), ("dark", 820))


def faults_seen(page: Page, name: str) -> list[str]:
    """Look at a page in both themes and on a tablet, and picture it where SCREENSHOTS asks for that."""
    found = []
    for theme, width in VIEWS:
        page.set_viewport_size({"width": width, "height": 860})
        if page.evaluate("document.documentElement.dataset.bsTheme") != theme:
            page.locator("[data-theme-toggle]").click()
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{SHOTS}/{name}-{theme}-{width}.png", full_page="study" not in name)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [f"{theme} {width}: {line}" for line in violations(page)]
        found += [f"{theme} {width}: {wide} pixels wider than the window"] if wide > 0 else []
    return found


def violations(page: Page) -> list[str]:
    """What axe-core finds on a page, one line for each rule with the first place."""
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {rule['help']} ({rule['nodes'][0]['target']})" for rule in found]
