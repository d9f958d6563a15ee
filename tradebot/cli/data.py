"""The verbs `data import`, `list`, `check`, `export`, `remove`: past bars, and whether they can be trusted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tradebot.cli import data_sources
from tradebot.cli.data_accept import accept
from tradebot.cli.data_options import accepted_in, opened, progress, reading, terms_of, wanted_of, where
from tradebot.cli.tables import show
from tradebot.clock import iso
from tradebot.config import Config, load
from tradebot.errors import DataError, ExitCode
from tradebot.history.files.rows import Wanted
from tradebot.history.importing import Report, Terms, import_files, read_files
from tradebot.history.interval import name_of, parse
from tradebot.history.soundness import Finding, examine
from tradebot.markets.hours import line_of
from tradebot.printing import aside, confirm, say, say_json, say_text


@click.group()
def data() -> None:
    """Import, download, check and export past bars: what backtests and notebooks read.

    They are kept in <state_dir>/history.sqlite3, or with history.in_store in the database of store.dsn.
    """


for command in (data_sources.download, data_sources.import_journal, accept):
    data.add_command(command)


@data.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@reading
@where
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_(path: Path, config: str | None, state_dir: Path | None, as_json: bool, skip_bad: bool, **given: Any) -> int:
    """Take the bars of PATH into the history: CSV or text, plain, in gzip or zip, Parquet, DuckDB, or a folder of such.

    Columns are found by the names that brokers and data vendors give them. What is left out, taken as 0 or not read is
    told. Everything is taken or nothing, also when it is stopped or killed on the way: say it again then.
    Bars already there are replaced. Memory stays below 400 MB whatever the size of the file; the scratch file beside
    the history takes 48 bytes a bar.
    """
    settings = load(config, {"app.state_dir": state_dir})
    wanted, terms = wanted_of(given, skips_bad=skip_bad), terms_of(given)
    try:
        with opened(settings, writes=True) as history, progress() as tell:
            settings.app.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            report = import_files(path, history, settings.app.state_dir, wanted=wanted, terms=terms, progress=tell)
    except KeyboardInterrupt:
        aside(f"tradebot: interrupted; nothing of {path} was taken, the same command begins again")
        return ExitCode.INTERRUPTED
    _tell_import(report, as_json=as_json)
    return ExitCode.OK


def _tell_import(report: Report, *, as_json: bool) -> None:
    rows = [
        {"symbol": one.symbol, "interval": name_of(one.interval), **one.put._asdict(), "unsorted": one.unsorted}
        for one in report.series
    ]
    if as_json:
        told = {"series": rows, "skipped": report.skipped, "duplicates": report.duplicates, "notes": report.notes}
        say_json(told)
        return
    show(rows, as_json=False)
    for reason, count in report.skipped.items():
        aside(f"rows left out for {reason}: {count}")
    for note in report.notes:
        aside(note)
    if report.duplicates:
        aside(f"rows that say the same as one before: {report.duplicates}")


@data.command("list")
@where
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(config: str | None, state_dir: Path | None, as_json: bool) -> None:
    """List the series in the history."""
    from tradebot.history.frames import stamp

    def when(at: int, exchange: str) -> str:
        # On a terminal a line a series, the exchange's zone understood.
        told = stamp(at, exchange)
        return told if as_json or not sys.stdout.isatty() else told[:16].replace("T", " ")

    with opened(load(config, {"app.state_dir": state_dir})) as history:
        rows = [
            {
                "symbol": line.symbol,
                "interval": name_of(line.interval),
                "bars": line.bars,
                "first": when(line.first_at, line.exchange),
                "last": when(line.last_at, line.exchange),
                "exchange": line.exchange,
                "prices": f"invented by {line.venue}" if line.venue else "traded",
                "source": line.source,
            }
            for line in history.lines()
        ]
    show(rows, as_json=as_json)


@data.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--symbols", default="", help="Only these, separated by commas.")
@reading
@where
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(
    path: Path | None, symbols: str, config: str | None, state_dir: Path | None, as_json: bool, **given: Any
) -> int:
    """Look for gaps, impossible prices, and splits that were not adjusted, in the history or in the files of PATH.

    Gaps are trading days and minutes inside sessions that the exchange's calendar has and the data has not. The exit
    code is 65 when something was found that a backtest refuses without --accept-gaps or at all.
    """
    settings = load(config, {"app.state_dir": state_dir})
    chosen = {name.strip().upper() for name in symbols.split(",") if name.strip()}
    if path is None:
        findings = _check_history(settings, chosen, terms_of(given).interval)
    else:
        findings = _check_files(settings, path, wanted_of(given, skips_bad=True), terms_of(given))
    rows = [
        {
            "symbol": f.symbol,
            "interval": length,
            "kind": f.kind,
            "times": f.times,
            "first": iso(f.first_at) if f.first_at else "",
            "refused": f.is_rotten,
            "finding": f.text,
        }
        for length, f in findings
    ]
    if as_json or rows:
        show(rows, as_json=as_json)
    else:
        say("nothing wrong was found")
    return ExitCode.DATA if any(f.is_rotten for _, f in findings) else ExitCode.OK


def _check_history(settings: Config, chosen: set[str], interval: int) -> list[tuple[str, Finding]]:
    with opened(settings) as history, progress() as tell:
        lines = [
            line
            for line in history.lines()
            if (not chosen or line.symbol in chosen or line.name.upper() in chosen)
            and (not interval or line.interval == interval)
        ]
        if missing := chosen - {name for line in lines for name in (line.symbol, line.name.upper())}:
            raise DataError(f"{history.place}: there are no such bars of {', '.join(sorted(missing))}")
        findings: list[tuple[str, Finding]] = []
        accepted = history.accepted()
        for number, line in enumerate(lines, 1):
            series = history.load([line.name], line.interval)[line.name]
            hours = line_of(history.instrument(line.name, line.interval))
            if line.venue:
                text = f"the prices were invented by {line.venue}; no market had them"
                findings.append((name_of(line.interval), Finding(line.symbol, "invented", line.bars, 0, text)))
            findings += [
                (name_of(line.interval), finding) for finding in examine(series, line.exchange, hours, accepted)
            ]
            tell("checking", number, len(lines))
    return findings


def _check_files(settings: Config, path: Path, wanted: Wanted, terms: Terms) -> list[tuple[str, Finding]]:
    import tempfile

    findings: list[tuple[str, Finding]] = []
    with tempfile.TemporaryDirectory() as scratch, progress() as tell:
        read = read_files(path, Path(scratch), wanted=wanted, terms=terms, progress=tell)
    for note in read.notes:
        aside(note)
    for reason, count in read.skipped.items():
        findings.append(("", Finding(path.name, "bad_rows", count, 0, f"rows with {reason}: {count}")))
    if read.duplicates:
        text = f"rows that say the same as one before: {read.duplicates}"
        findings.append(("", Finding(path.name, "duplicates", read.duplicates, 0, text)))
    accepted = accepted_in(settings)
    hours_of = {instrument.symbol: line_of(instrument) for instrument in read.instruments}
    for symbol, series in read.series.items():
        if late := read.unsorted[symbol]:
            findings.append(("", Finding(symbol, "unsorted", late, 0, f"rows that come after later ones: {late}")))
        findings += [
            (name_of(series.interval), finding)
            for finding in examine(series, terms.exchange.upper(), hours_of[symbol], accepted)
        ]
    return findings


@data.command()
@click.argument("symbol")
@click.option("--interval", default="1m", show_default=True, help="Length of a bar; made of shorter ones if need be.")
@click.option("--from", "start", help="First day or time.")
@click.option("--to", "end", help="Last day, or the time to stop before.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file.csv, .csv.gz or .parquet.")
@where
def export(
    symbol: str,
    interval: str,
    start: str | None,
    end: str | None,
    output: Path | None,
    config: str | None,
    state_dir: Path | None,
) -> None:
    """Write the bars of SYMBOL as CSV, with times in the exchange's zone."""
    from tradebot.history.frames import bars_from, write

    with opened(load(config, {"app.state_dir": state_dir})) as history:
        frame = bars_from(history, symbol.upper(), parse(interval), start=start, end=end)
    if output is None:
        say_text(frame.to_csv())
        return
    write(frame, output)
    say(f"{output}: {len(frame)} bars")


@data.command()
@click.argument("symbol")
@click.option("--interval", required=True, help="Of the series that goes.")
@where
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def remove(symbol: str, interval: str, config: str | None, state_dir: Path | None, yes: bool) -> None:
    """Remove one series from the history."""
    length, name = parse(interval), symbol.upper()
    with opened(load(config, {"app.state_dir": state_dir}), writes=True) as history:
        bars = len(history.starts(name, length))
        if not bars:
            raise DataError(f"{history.place}: there are no {name_of(length)} bars of {name}")
        if not yes:
            confirm(f"Remove {bars} bars of {name}?")
        with history.transaction():
            history.remove(name, length)
    say(f"removed {bars} bars of {name}")
