"""How figures are written."""

from datetime import timedelta

from django import template
from django.utils.translation import gettext as _

from screening.wording import decimal, figure

register = template.Library()


@register.filter
def share(value: float | None) -> str:
    """A share with three decimals, or a dash: percent would hide how few cases stand behind it."""
    return "-" if value is None else decimal(value, 3)


@register.filter
def hours(value: timedelta | None) -> str:
    """A time as people say it: minutes below two hours, hours below two days, else days."""
    if value is None:
        return "-"
    minutes = value.total_seconds() / 60
    if minutes < 120:
        return _("%(n)s min") % {"n": decimal(minutes, 0)}
    if minutes < 2 * 24 * 60:
        return _("%(n)s h") % {"n": decimal(minutes / 60, 1)}
    return _("%(n)s d") % {"n": decimal(minutes / 60 / 24, 1)}


@register.filter
def point(value: float) -> str:
    """An operating point, as short as it can be."""
    return figure(value)
