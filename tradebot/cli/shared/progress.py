"""Shows the progress of a verb on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tradebot.printable import make_printable

Progress = Callable[[str, int, int], None]  # (what, done, total)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show a progress bar on standard error if it is a terminal; yields its update function (what, done, total)."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(escape(make_printable(what)), total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield tell
