"""The end of `run --rehearse`: prints the faults, the daemon's actions and refusals, and the checker's verdict."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tradebot.checker.evidence import read_evidence
from tradebot.checker.promises import are_kept, judge_records, verdict_rows
from tradebot.checker.run_records import RunRecords
from tradebot.checker.run_summary import RehearsalSummary, summarize_run
from tradebot.checker.verdict import PromiseStatus, PromiseVerdict
from tradebot.cli.shared.tables import standard_console
from tradebot.printable import make_printable

JOURNAL, LOG = "journal.sqlite3", "exchange.jsonl"
RULING_COLOURS = {PromiseStatus.OK: "green", PromiseStatus.BROKEN: "bold red", PromiseStatus.NOT_SHOWN: "dim"}


def print_verdict(state_dir: Path, log: Path | None, *, seed: int) -> bool:
    """Print the summary and the verdict of a rehearsal on stderr; return whether no promise is broken.

    Both come from the records alone. Without a journal or an exchange log nothing began: print nothing, return True.
    """
    journal, log = state_dir / JOURNAL, log or state_dir / LOG
    if not journal.exists() or not log.exists():
        return True
    tale, verdicts = summarize_run(RunRecords(read_evidence(journal, against=log))), judge_records(journal, against=log)
    console = standard_console(stderr=True)
    console.print(f"\n[bold]The rehearsal of seed {seed}[/bold]")
    _tale(console, tale)
    _verdict(console, verdicts)
    again = make_printable(f"Judge it again:  tradebot verify --against {log} {journal}")
    console.print(f"{again}\n", markup=False)
    return are_kept(verdicts)


def _tale(console: Console, tale: RehearsalSummary) -> None:
    console.print("\n[bold]What broke[/bold]")
    broke = Table(box=None, pad_edge=False, show_header=False)
    for column in ("times", "name", "where", "does"):
        broke.add_column(column, justify="right" if column == "times" else "left", overflow="fold")
    for one in tale.faults:
        broke.add_row(f"{one.times}x", one.name, one.where, one.effect)
    console.print(broke if tale.faults else "  nothing: no occasion came for a fault")
    _list(console, "What the daemon did about it", tale.actions, "nothing was needed")
    _list(console, "What it refused", tale.refusals, "nothing")
    console.print("\n[bold]The day[/bold]")
    for name, figure in tale.figures:
        console.print(Text(f"  {name + ':':<17}{make_printable(figure)}"))


def _list(console: Console, title: str, lines: Iterable[str], nothing: str) -> None:
    console.print(f"\n[bold]{title}[/bold]")
    for line in lines or (nothing,):
        console.print(Text(f"  {make_printable(line)}", overflow="fold"))


def _verdict(console: Console, verdicts: list[PromiseVerdict]) -> None:
    broken = [v for v in verdicts if v.status is PromiseStatus.BROKEN]
    shown = sum(1 for v in verdicts if v.status is PromiseStatus.OK)
    console.print("\n[bold]The verdict of the checker, from the records alone[/bold]")
    table = Table(box=None, pad_edge=False, show_header=False)
    for row, verdict in zip(verdict_rows(verdicts), verdicts, strict=True):
        colour = RULING_COLOURS[verdict.status]
        table.add_row(
            row["promise"], row["name"], Text(row["ruling"], style=colour), Text(make_printable(row["evidence"]))
        )
    console.print(table)
    if broken:
        console.print(f"\n[bold red]BROKEN[/bold red]: {', '.join(v.promise for v in broken)}")
    else:
        console.print(f"\n[bold green]KEPT[/bold green]: {shown} promises shown, none broken")
