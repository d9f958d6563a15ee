"""The verbs `data import` and `data import-journal`: import past bars from files, and bars that a daemon recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tradebot.cli.data.options import file_options, history_options, import_options_of, parse_options_of
from tradebot.cli.shared.history import open_configured_history
from tradebot.cli.shared.progress import progress_bar
from tradebot.cli.shared.tables import print_rows
from tradebot.config import load_config
from tradebot.errors import ExitCode
from tradebot.history.importing import ImportReport, import_files
from tradebot.history.interval import interval_name
from tradebot.printing import print_error_line, print_json


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@file_options
@history_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_(path: Path, config: str | None, state_dir: Path | None, as_json: bool, skip_bad: bool, **given: Any) -> int:
    """Take the bars of PATH into the history: CSV or text, plain, in gzip or zip, Parquet, DuckDB, or a folder of such.

    Columns are found by the names that brokers and data vendors give them. What is left out, taken as 0 or not read is
    told. Everything is taken or nothing, also when it is stopped or killed on the way: say it again then.
    Bars already there are replaced. Memory stays below 400 MB whatever the size of the file; the scratch file beside
    the history takes 48 bytes a bar.
    """
    settings = load_config(config, {"app.state_dir": state_dir})
    wanted, terms = parse_options_of(given, skips_bad=skip_bad), import_options_of(given)
    try:
        with open_configured_history(settings, writes=True) as history, progress_bar() as tell:
            settings.app.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            report = import_files(
                path, history, settings.app.state_dir, parse_options=wanted, options=terms, progress=tell
            )
    except KeyboardInterrupt:
        print_error_line(f"tradebot: interrupted; nothing of {path} was taken, the same command begins again")
        return ExitCode.INTERRUPTED
    _tell_import(report, as_json=as_json)
    return ExitCode.OK


def _tell_import(report: ImportReport, *, as_json: bool) -> None:
    rows = [
        {
            "symbol": one.symbol,
            "interval": interval_name(one.interval),
            **one.counts._asdict(),
            "unsorted": one.unsorted,
        }
        for one in report.series
    ]
    if as_json:
        told = {"series": rows, "skipped": report.skipped, "duplicates": report.duplicates, "notes": report.notes}
        print_json(told)
        return
    print_rows(rows, as_json=False)
    for reason, count in report.skipped.items():
        print_error_line(f"rows left out for {reason}: {count}")
    for note in report.notes:
        print_error_line(note)
    if report.duplicates:
        print_error_line(f"rows that say the same as one before: {report.duplicates}")


@click.command("import-journal")
@click.argument("journal", type=click.Path(path_type=Path), required=False)
@click.option("--run", "run_id", help="Only what this run recorded.")
@history_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_journal(
    journal: Path | None, run_id: str | None, config: str | None, state_dir: Path | None, as_json: bool
) -> None:
    """Take the bars that a daemon recorded in JOURNAL (a file or a state directory; default: its own) into the history.

    A running daemon is not disturbed. Bars already there are replaced. The bars its strategies were warmed up with come
    along: `tradebot backtest --from` the day of the run gives the signals of the run.
    """
    from tradebot.history.journal_import import import_journal as take
    from tradebot.journal.schema import FILE_NAME

    settings = load_config(config, {"app.state_dir": state_dir})
    path = journal or settings.app.state_dir
    path = path / FILE_NAME if path.is_dir() else path
    with open_configured_history(settings, writes=True) as history, progress_bar() as tell:
        found = take(path, history, run=run_id, progress=lambda seq: tell("rows read", seq, seq + 1))
    rows = [{"symbol": one.symbol, "interval": interval_name(one.interval), **one.counts._asdict()} for one in found]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, as_json=False)
