"""Dates as people write them: a day, a month or a year, and what they leave open."""

import calendar
import re
from datetime import date
from typing import Final

MONTHS: Final = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
NUMBERS: Final = re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?(?:[T ].*)?")
AMERICAN: Final = re.compile(r"(?P<name>[A-Za-z]{3,9})\.?(?:\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?)?,?\s+(?P<year>\d{4})")
EUROPEAN: Final = re.compile(r"(?P<day>\d{1,2})\.?\s+(?P<name>[A-Za-z]{3,9})\.?,?\s+(?P<year>\d{4})")


def period(text: str) -> tuple[date, date] | None:
    """Return the first and the last day that a date can mean, or None if it cannot be told.

    "March 2020" is the whole month, "2020" the whole year. 3/4/2020 is told by nobody: it may be March or April.
    """
    found = next((m for m in (one.fullmatch(text.strip()) for one in (NUMBERS, AMERICAN, EUROPEAN)) if m), None)
    if found is None:
        return None
    parts = found.groupdict()
    if "name" in parts:
        parts["month"] = str(MONTHS.get(parts["name"][:3].lower(), 0))
    try:
        return _period(int(parts["year"]), parts["month"], parts["day"])
    except ValueError:  # the 31st of February, the 13th month
        return None


def _period(year: int, month: str | None, day: str | None) -> tuple[date, date]:
    if month is None:
        return date(year, 1, 1), date(year, 12, 31)
    if day is None:
        first = date(year, int(month), 1)
        return first, first.replace(day=calendar.monthrange(year, int(month))[1])
    return date(year, int(month), int(day)), date(year, int(month), int(day))
