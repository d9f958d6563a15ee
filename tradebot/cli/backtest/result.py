"""Shows a finished backtest: as JSON, as a table with its assumptions, or as a report page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tradebot.cli.shared.tables import standard_console
from tradebot.printing import print_json, print_line

MAX_SHOWN_REASONS = 3  # controls that denied orders, each shown with its first sentence


def show_backtest(
    result: Any, series: Mapping[str, Any], checks: Sequence[Any], *, report: Path | None, as_json: bool
) -> None:
    """Print the result, and write its report if `report` is given. Raises DataError."""
    from tradebot.backtest import report_data
    from tradebot.backtest.report import write_report

    summary = report_data.result_summary(result, checks)
    if report is not None:
        write_report(report, report_data.report_data(result, series, checks, summary_=summary), summary)
    if as_json:
        print_json(summary | {"faults": list(result.faults)})
        return
    _head(result)
    if result.faults and not result.counts["orders"]:
        print_line("no order was made before that, so there are no figures to show")  # zeros would look like figures
    else:
        _figures(result, summary["figures"], checks)
    if report is not None:
        print_line(f"report: {report}")


def _head(result: Any) -> None:
    from tradebot.backtest.result import UNUSUAL_COUNTS

    names = ", ".join(spec.name for spec in result.job.strategies)
    symbols = ", ".join(result.symbols[:6]) + (f" and {len(result.symbols) - 6} more" if result.symbols[6:] else "")
    counts = result.counts
    print_line(f"{names} on {symbols}, {counts['bars']:,} bars, {counts['visited']:,} of them walked")
    print_line(
        f"{counts['signals']:,} signals, {counts['orders']:,} orders, {counts['denied']:,} of them denied, "
        f"{counts['fills']:,} fills"
    )
    if counts["denied"]:
        _denied(result)
    for note in result.notes:
        print_line(note)
    for name, words in UNUSUAL_COUNTS.items():
        if counts.get(name):
            print_line(f"{counts[name]:,} {words}")
    if result.faults:
        print_line(f"strategies switched off on the way: {len(result.faults)}, named at the end")


def _denied(result: Any) -> None:
    counts: dict[str, int] = {}
    reasons: dict[str, str] = {}  # control -> its first sentence
    for denial in result.denials:
        counts[denial.control] = counts.get(denial.control, 0) + denial.count
        reasons.setdefault(denial.control, denial.reason)
    for control in sorted(counts, key=lambda name: -counts[name])[:MAX_SHOWN_REASONS]:
        print_line(f"{counts[control]:,} denied by {reasons[control]}")


def _figures(result: Any, figures: Mapping[str, float | None], checks: Sequence[Any]) -> None:
    from rich.table import Table

    from tradebot.backtest.metrics import LABELS

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, label in LABELS.items():
        table.add_row(label.text, label.format_value(figures[name], currency=result.job.currency))
    standard_console().print(table)
    for check in checks:
        print_line(f"{check.verdict.value:<7} {check.text}")
    print_line("")
    for truth in result.truths:
        print_line(f"assumed: {truth}")
    print_line(f"orders_hash {result.orders_hash}")
