"""The page of numbers as rows of a table, every figure with its interval and how many cases stand behind it."""

from collections.abc import Iterator

from ml.statistics import Interval
from ml.vocabulary import DISCLAIMER
from screening.numbers.numbers_page import Numbers

HEADER = ("figure", "part", "value", "low", "high", "n")
NOT_YET = "not estimable yet"
Row = tuple[object, ...]


def rows_of(numbers: Numbers, *, site: str) -> Iterator[Row]:
    """Every figure of the page; what cannot be told says so in its value."""
    yield ("disclaimer", "", DISCLAIMER, "", "", "")
    yield ("site", "", site, "", "", "")
    yield ("model version", numbers.label, numbers.version.name, "", "", "")
    yield ("operating point", numbers.label, numbers.point, "", "", "")
    yield ("period, days", "", numbers.days, "", "", "")
    for tray in numbers.trays or ():
        yield ("studies", f"{tray.tray}, {tray.state}", tray.studies, "", "", "")
    if numbers.flag_rate:
        rate = numbers.flag_rate
        part = "newest results alone" if rate.cut else ""
        yield ("flag rate", part, _told(rate.share), "", "", rate.studies)
    for name in ("confirmed", "dismissed", "missed", "agreed_not_flagged", "unsure", "not_assessable"):
        yield ("answers", name.replace("_", " "), getattr(numbers.compared, name), "", "", "")
    ppv = numbers.ppv
    yield ("ppv", "last 12 months", _told(ppv.value, "not yet known"), *_ends(ppv.interval), ppv.decided)
    for name in ("sensitivity", "specificity", "auc"):
        estimate = getattr(numbers.accuracy, name)
        ends = _ends(estimate.interval if estimate else None)
        yield (name, "weighted", _told(estimate.value if estimate else None, NOT_YET), *ends, numbers.accuracy.sampled)
    for one in numbers.agreements:
        yield ("kappa", one.name, _told(one.kappa, "not defined yet"), *_ends(one.interval), one.n)
        for name in ("raw", "positive", "negative"):
            yield (f"{name} agreement", one.name, _told(getattr(one, name)), "", "", one.n)
    yield from _of_time(numbers)
    for day in numbers.by_day or ():
        yield ("studies complete", day.day.isoformat(), day.studies, "", "", "")
        yield ("studies flagged", day.day.isoformat(), day.flagged, "", "", "")
        yield ("studies not assessed", day.day.isoformat(), day.not_assessed, "", "", "")
    for point in numbers.accuracy.roc:
        yield ("roc", f"{point.threshold:.4f}", f"{point.sensitivity:.4f}", "", "", f"{point.false_flags:.4f}")


def _of_time(numbers: Numbers) -> Iterator[Row]:
    again, moved = numbers.changed
    yield ("answered again after unblinding", "", again, "", "", "")
    for before, after, number in moved:
        yield ("changed after unblinding", f"{before} to {after}", number, "", "", again)
    for name, waits in (("all", numbers.waits), ("flagged", numbers.waits_flagged)):
        for part, value in (("mean", waits.mean), ("longest", waits.longest)):
            seconds = round(value.total_seconds()) if value is not None else ""
            yield (f"time to answer, {part}, seconds", name, seconds, "", "", waits.answers)


def _told(value: float | None, otherwise: str = "") -> str:
    return otherwise if value is None else f"{value:.4f}"


def _ends(interval: Interval | None) -> tuple[str, str]:
    return (f"{interval.low:.4f}", f"{interval.high:.4f}") if interval else ("", "")
