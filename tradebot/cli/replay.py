"""The verb `replay`: a recorded run decided once more by the same code, and the first thing that differs."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import click

from tradebot import __version__
from tradebot.cli.tables import say
from tradebot.clock import IST, iso
from tradebot.errors import ExitCode


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--run", "run_id", help="The run to replay.  [default: the last one]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def replay(journal: Path, run_id: str | None, as_json: bool) -> int:
    """Decide a run of JOURNAL (the file, or a state directory) again and compare it with what was recorded.

    Strategies are given the recorded closes, the desk what it consumed, in the recorded order; nothing is sent and
    nothing is written. Every signal, order fact, halt and incident must be the same, and the hash of positions and
    orders where the run kept one. Equal: exit 0. Otherwise the first difference is printed and the exit code is 70.
    """
    from rich.console import Console
    from rich.progress import Progress

    from tradebot.replay import recorded as recordings
    from tradebot.replay import rerun

    recorded = recordings.read(recordings.journal_at(journal), run_id)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        shown = bar.add_task(f"run {recorded.run.run_id}", total=None)
        found = asyncio.run(
            rerun.replay(recorded, progress=lambda done, total: bar.update(shown, completed=done, total=total))
        )
    is_equal = found.difference is None
    if as_json:
        fields = found._asdict() | {"equal": is_equal, "has_ended": recorded.has_ended}
        if found.difference is not None:
            fields["difference"] = found.difference._asdict() | {"at": iso(found.difference.at, IST)}
        click.echo(json.dumps(fields))
    elif found.difference is None:
        cut = "" if recorded.has_ended else f"; the run was cut off, {found.behind_tape} facts lie behind its tape"
        say(
            f"run {found.run_id} replays equal: {found.closes} closes, {found.signals} signals, {found.facts} facts of"
            f" orders, {found.states} states, state {found.state}{cut}"
        )
    else:
        what, row, at, left, right = found.difference
        version = recorded.run.versions.get("tradebot", "")
        other = f" (recorded by tradebot {version}, replayed by {__version__})" if version != __version__ else ""
        say(f"run {found.run_id} differs at row {row}, {iso(at, IST)}: {what}{other}")
        say(f"  recorded: {left}")
        say(f"  replayed: {right}")
    return ExitCode.OK if is_equal else ExitCode.INTERNAL
