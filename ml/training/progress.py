"""A bar on a terminal while something long goes on; nothing anywhere else."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")


def shown(items: Iterable[Item], what: str, total: int, console: Console | None = None) -> Iterator[Item]:
    """Yield the items, with a bar on standard error that says how many of `total` are done.

    Where standard error is no terminal, nothing is written: a log file holds no bars.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield from items
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield from bar.track(items, total=total, description=what)
