"""Places on a drawn scale: numbers for SVG, which knows no decimal comma."""

from django import template

from ml.statistics import Interval

register = template.Library()


@register.filter
def hundredth(value: float) -> str:
    """A share as a place on a scale of 100."""
    return f"{value * 100:.2f}"


@register.filter
def mark(value: float) -> str:
    """Where a mark begins that is 0.9 wide and stays on the scale."""
    return f"{value * 99.1:.2f}"


@register.filter
def width(value: Interval) -> str:
    """How wide an interval is on a scale of 100."""
    return f"{(value.high - value.low) * 100:.2f}"
