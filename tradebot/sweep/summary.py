"""The summary of a finished sweep for the operator: the best trials and the checks, as text or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tradebot.backtest.check import Check, CheckVerdict
from tradebot.backtest.metrics import LABELS
from tradebot.printable import make_printable
from tradebot.sweep.heat_map import SHOWN_FIGURES, format_figure
from tradebot.sweep.sweep import SweepPlan, rank_rows
from tradebot.sweep.trial import DONE, TEST, TrialRow

SHOWN_ROWS = 10
VERDICT_TEXT = {
    CheckVerdict.PASS: "[green]pass[/]",
    CheckVerdict.WARN: "[yellow]warn[/]",
    CheckVerdict.FAIL: "[red]FAIL[/]",
    CheckVerdict.NONE: "none",
}


def summary_as_json(plan: SweepPlan, rows: Sequence[TrialRow], checks: Sequence[Check], **more: Any) -> dict[str, Any]:
    """Return the summary as JSON values."""
    told = answer_rows(plan, rows)
    states = [row.state for row in rows]
    return {
        "search": plan.kind.value,
        "objective": plan.objective,
        "trials": len(rows),
        "states": {state: states.count(state) for state in sorted(set(states))},
        "best": [_plain(row) for row in told[:SHOWN_ROWS]],
        "checks": [check.json_values() for check in checks],
        **more,
    }


def print_summary(plan: SweepPlan, rows: Sequence[TrialRow], checks: Sequence[Check], console: Console) -> None:
    """Print the best trials, or the test spans of a walk-forward, and the checks."""
    told, bad = answer_rows(plan, rows), [row for row in rows if row.state != DONE]
    names = ["trial", *(["span"] if plan.folds else []), *(axis.name for axis in plan.space.axes)]
    figures = [plan.objective, *(name for name in SHOWN_FIGURES if name != plan.objective)]
    heads = [*names, *(LABELS[name].text for name in figures)]
    cells = []
    for row in told[:SHOWN_ROWS] if not plan.folds else told:
        head = [str(row.number), *([str(row.fold)] if plan.folds else []), *map(str, row.values.values())]
        cells.append([*head, *(format_figure(row, name) for name in figures)])
    # A truncated figure misleads: on a narrow terminal the last columns are left out instead.
    widths = [max(map(len, [*text.split(), *(line[i] for line in cells)])) for i, text in enumerate(heads)]
    fits = sum(total <= console.width for total in accumulate(width + 2 for width in widths))
    shown = max(fits, len(names) + 1)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for text, width in zip(heads[:shown], widths, strict=False):
        table.add_column(text, justify="right", min_width=width)
    for line in cells:
        table.add_row(*(Text(make_printable(cell)) for cell in line[:shown]))
    if told:
        console.print(table)
    else:
        why = ": there were no trades to judge" if len(bad) < len(rows) else ""
        console.print(f"no trial has a {LABELS[plan.objective].text.lower()}{why}")
    if bad:
        console.print(
            f"\n{len(bad):,} of {len(rows):,} trials gave nothing, the first: ",
            Text(make_printable(bad[0].reason)),
            sep="",
        )
    print_checks(checks, console)


def print_checks(checks: Sequence[Check], console: Console) -> None:
    """Print one line per check: verdict, title, text."""
    if not checks:
        return
    console.print()
    table = Table(box=None, pad_edge=False, show_header=False)
    for check in checks:
        table.add_row(VERDICT_TEXT[check.verdict], check.title, Text(make_printable(check.text)))
    console.print(table)


def answer_rows(plan: SweepPlan, rows: Sequence[TrialRow]) -> list[TrialRow]:
    """Return the rows that are the result: the ranking, or the tests of a walk-forward in order of time."""
    if plan.folds:
        return [row for row in rows if row.role == TEST]
    return rank_rows(rows, plan.objective)


def _plain(row: TrialRow) -> dict[str, Any]:
    return {
        "number": row.number,
        **({"fold": row.fold} if row.fold else {}),
        "values": row.values,
        "figures": row.figures,
        "orders_hash": row.orders_hash,
    }
