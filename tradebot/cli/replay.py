"""The verb `replay`: runs the decisions of a recorded run again and prints the first difference."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import click

from tradebot import __version__
from tradebot.clock import format_iso
from tradebot.errors import DataError, ExitCode
from tradebot.markets.market import HOME_MARKET
from tradebot.printable import make_printable
from tradebot.printing import print_json, print_line
from tradebot.replay import recorded_run as recordings
from tradebot.replay import rerun
from tradebot.replay.recorded_run import RecordedRun
from tradebot.replay.rerun import ReplayResult

MAX_SHOWN_PARTS = 5  # fields of a difference that are shown one by one


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--run", "run_id", help="The run to replay.  [default: the last one]")
@click.option("--all", "every", is_flag=True, help="Every run that kept a tape, oldest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a run.")
def replay(journal: Path, run_id: str | None, every: bool, as_json: bool) -> int:
    """Decide a run of JOURNAL (the file, or a state directory) again and compare it with what was recorded.

    Strategies are given the recorded closes, the desk what it consumed, in the recorded order; nothing is sent and
    nothing is written. Every signal, order fact, halt and incident must be the same, and the hash of positions and
    orders where the run kept one. Equal: exit 0. Otherwise the first difference is printed and the exit code is 70.
    """
    if every and run_id is not None:
        raise click.UsageError("--run names one run, --all means every one")
    path = recordings.journal_path(journal)
    chosen = recordings.replayable_runs(path) if every else [run_id]
    if not chosen:
        raise DataError(f"{path}: no run kept a tape to replay")
    return max(_replay(recordings.read_run(path, one), as_json=as_json) for one in chosen)


def _replay(recorded: RecordedRun, *, as_json: bool) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        shown = bar.add_task(escape(make_printable(f"run {recorded.run.run_id}")), total=None)
        found = asyncio.run(
            rerun.replay_run(recorded, progress=lambda done, total: bar.update(shown, completed=done, total=total))
        )
    if as_json:
        fields = found._asdict() | {"equal": found.difference is None, "has_ended": recorded.has_ended}
        if found.difference is not None:
            fields["difference"] = found.difference._asdict() | {
                "at": format_iso(found.difference.at, HOME_MARKET.tzinfo)
            }
        print_json(fields)
    else:
        _tell(recorded, found)
    return ExitCode.OK if found.difference is None else ExitCode.INTERNAL


def _tell(recorded: RecordedRun, found: ReplayResult) -> None:
    if found.difference is None:
        cut = "" if recorded.has_ended else f"; the run was cut off, {found.behind_tape} facts lie behind its tape"
        print_line(
            f"run {found.run_id} replays equal: {found.closes} closes, {found.signals} signals, {found.facts} facts of"
            f" orders, {found.states} states, state {found.state}{cut}"
        )
        return
    what, row, at, left, right = found.difference
    version = recorded.run.versions.get("tradebot", "")
    other = f" (recorded by tradebot {version}, replayed by {__version__})" if version != __version__ else ""
    print_line(f"run {found.run_id} differs at row {row}, {format_iso(at, HOME_MARKET.tzinfo)}: {what}{other}")
    print_line(f"  recorded: {left}")
    print_line(f"  replayed: {right}")
    for here, there in _parts(left, right)[:MAX_SHOWN_PARTS]:
        print_line(f"  it is {there}, and was {here}")


def _parts(left: str, right: str) -> list[tuple[str, str]]:
    # Two events of the same kind differ in a few of some thirty fields. A person wants to see only these.
    ours, theirs = (re.split(r", | (?=\w+=)", side) for side in (left, right))
    if len(ours) != len(theirs) or len(ours) < 2:
        return []
    return [(one, other) for one, other in zip(ours, theirs, strict=True) if one != other]
