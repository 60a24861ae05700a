"""What was not run, and why: said at the end of every run, and forbidden under REQUIRE_ALL=1.

pytest loads this with `-p tests.skips`.
"""

import os
from collections import Counter
from collections.abc import Generator

import pytest

REQUIRE_ALL = os.environ.get("REQUIRE_ALL") == "1"
ALLOWED = "GPU"  # the one thing that no machine can be made to have
KINDS = {
    "benchmark": ("--run-benchmarks", "make bench` and `make against"),
    "campaign": ("--run-campaign", "make faults"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    for kind, (option, command) in KINDS.items():
        parser.addoption(option, action="store_true", help=f"run the tests marked {kind} ({command})")


def pytest_configure(config: pytest.Config) -> None:
    for kind, (_, command) in KINDS.items():
        config.addinivalue_line("markers", f"{kind}: long; run by `{command}`, left out of `make test`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = {kind for kind, (option, _) in KINDS.items() if not config.getoption(option)}
    out = [item for item in items if any(item.get_closest_marker(kind) for kind in left_out)]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a report is a skip, without the word in front of it."""
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return told.removeprefix("Skipped: ")


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where everything has to run."""
    if not REQUIRE_ALL or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = reason_of(report)
    if not reason.startswith(ALLOWED):
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_ALL=1 allows no skip but for a {ALLOWED}, and this was one: {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    refuse_skip(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    say = terminalreporter.write_line
    skipped = Counter(reason_of(report) for report in terminalreporter.stats.get("skipped", []))
    if skipped:
        terminalreporter.section("not run on this machine")
    for reason, count in sorted(skipped.items()):
        say(f"{count:5} x {reason}")
    for kind, (option, command) in KINDS.items():
        if not config.getoption(option):
            say(f"tests marked {kind} are left to `{command}`")
