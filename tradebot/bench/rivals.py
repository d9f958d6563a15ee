"""What the benchmarks of rivals share: interleaved timing, and one way to show rows, verdicts and the machine."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from statistics import median
from time import process_time
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from tradebot.bench import report
from tradebot.clock import SECOND, Clock

ALSO = ("pandas",)  # libraries that only rivals use


class Cost(NamedTuple):
    """Seconds per unit of work: elapsed, and of the processor in this process, its threads but no children."""

    elapsed_s: float
    cpu_s: float


def interleaved(clock: Clock, rivals: Mapping[str, Callable[[], int]], repeats: int) -> dict[str, Cost]:
    """Run each rival once per repeat, in turns, and return its median cost per unit of work.

    A rival returns how many units it did. Turns make a busy moment of the machine hit all of them alike.
    """
    found: dict[str, list[Cost]] = {name: [] for name in rivals}
    for _ in range(repeats):
        for name, run in rivals.items():
            begin, cpu = clock.monotonic(), process_time()
            units = run()
            found[name].append(Cost((clock.monotonic() - begin) / SECOND / units, (process_time() - cpu) / units))
    return {name: Cost(*map(median, zip(*costs, strict=True))) for name, costs in found.items()}


def described(asked: Mapping[str, Any], rows: list[dict[str, Any]], advice: list[str]) -> dict[str, Any]:
    """Return a result with the machine and the versions it was found on, ready for JSON."""
    versions = report.versions() | {name: importlib.metadata.version(name) for name in ALSO}
    return {"asked": dict(asked), "rows": rows, "advice": advice, "machine": report.machine(), "versions": versions}


def show(result: Mapping[str, Any], console: Console) -> None:
    """Print the rows as a table, then the machine and what follows for somebody who has to choose."""
    rows = result["rows"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        table.add_row(*[_cell(value) for value in row.values()], style="green" if row.get("rival") in OURS else None)
    console.print(table)
    console.print("\n" + report.described(result["machine"]))
    console.print(", ".join(f"{name} {number}" for name, number in result["versions"].items()) + "\n")
    for line in result["advice"]:
        console.print(line)


OURS = frozenset({"tradebot", "tradebot step", "aiohttp, batches of 500", "tradebot history"})


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)
