"""How figures are written."""

from datetime import timedelta

from django import template

register = template.Library()


@register.filter
def share(value: float | None) -> str:
    """A share with three decimals, or a dash: percent would hide how few cases stand behind it."""
    return "-" if value is None else f"{value:.3f}"


@register.filter
def hours(value: timedelta | None) -> str:
    """A time as people say it: minutes below two hours, hours below two days, else days."""
    if value is None:
        return "-"
    minutes = value.total_seconds() / 60
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h" if minutes < 2 * 24 * 60 else f"{minutes / 60 / 24:.1f} d"
