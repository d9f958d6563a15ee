"""The verb `data check`: checks whether past bars can be trusted, in the history or in files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from tradebot.cli.data.options import file_options, history_options, import_options_of, parse_options_of
from tradebot.cli.shared.history import accepted_jumps_of, open_configured_history
from tradebot.cli.shared.progress import progress_bar
from tradebot.cli.shared.tables import print_rows
from tradebot.clock import format_iso
from tradebot.config import Config, load_config
from tradebot.errors import DataError, ExitCode
from tradebot.history.data_quality import QualityFinding, examine_series
from tradebot.history.files.rows import ParseOptions
from tradebot.history.importing import ImportOptions, read_files
from tradebot.history.interval import interval_name
from tradebot.markets.hours import hours_class_of
from tradebot.printing import print_error_line, print_line


@click.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--symbols", default="", help="Only these, separated by commas.")
@file_options
@history_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(
    path: Path | None, symbols: str, config: str | None, state_dir: Path | None, as_json: bool, **given: Any
) -> int:
    """Look for gaps, impossible prices, and splits that were not adjusted, in the history or in the files of PATH.

    Gaps are trading days and minutes inside sessions that the exchange's calendar has and the data has not. The exit
    code is 65 when something was found that a backtest refuses without --accept-gaps or at all.
    """
    settings = load_config(config, {"app.state_dir": state_dir})
    chosen = {name.strip().upper() for name in symbols.split(",") if name.strip()}
    if path is None:
        findings = _check_history(settings, chosen, import_options_of(given).interval)
    else:
        findings = _check_files(settings, path, parse_options_of(given, skips_bad=True), import_options_of(given))
    rows = [
        {
            "symbol": f.symbol,
            "interval": length,
            "kind": f.kind,
            "times": f.times,
            "first": format_iso(f.first_at) if f.first_at else "",
            "refused": f.is_blocking,
            "finding": f.description,
        }
        for length, f in findings
    ]
    if as_json or rows:
        print_rows(rows, as_json=as_json)
    else:
        print_line("nothing wrong was found")
    return ExitCode.DATA if any(f.is_blocking for _, f in findings) else ExitCode.OK


def _check_history(settings: Config, chosen: set[str], interval: int) -> list[tuple[str, QualityFinding]]:
    with open_configured_history(settings) as history, progress_bar() as tell:
        lines = [
            line
            for line in history.list_series()
            if (not chosen or line.symbol in chosen or line.full_name.upper() in chosen)
            and (not interval or line.interval == interval)
        ]
        if missing := chosen - {name for line in lines for name in (line.symbol, line.full_name.upper())}:
            raise DataError(f"{history.location}: there are no such bars of {', '.join(sorted(missing))}")
        findings: list[tuple[str, QualityFinding]] = []
        accepted = history.accepted_jumps()
        for number, line in enumerate(lines, 1):
            series = history.load_series([line.full_name], line.interval)[line.full_name]
            hours = hours_class_of(history.instrument_of(line.full_name, line.interval))
            if line.venue:
                text = f"the prices were invented by {line.venue}; no market had them"
                findings.append(
                    (interval_name(line.interval), QualityFinding(line.symbol, "invented", line.bars, 0, text))
                )
            findings += [
                (interval_name(line.interval), finding)
                for finding in examine_series(series, line.exchange, hours, accepted)
            ]
            tell("checking", number, len(lines))
    return findings


def _check_files(
    settings: Config, path: Path, wanted: ParseOptions, terms: ImportOptions
) -> list[tuple[str, QualityFinding]]:
    findings: list[tuple[str, QualityFinding]] = []
    with tempfile.TemporaryDirectory() as scratch, progress_bar() as tell:
        read = read_files(path, Path(scratch), parse_options=wanted, options=terms, progress=tell)
    for note in read.notes:
        print_error_line(note)
    for reason, count in read.skipped.items():
        findings.append(("", QualityFinding(path.name, "bad_rows", count, 0, f"rows with {reason}: {count}")))
    if read.duplicates:
        text = f"rows that say the same as one before: {read.duplicates}"
        findings.append(("", QualityFinding(path.name, "duplicates", read.duplicates, 0, text)))
    accepted = accepted_jumps_of(settings)
    hours_of = {instrument.symbol: hours_class_of(instrument) for instrument in read.instruments}
    for symbol, series in read.series.items():
        if late := read.unsorted[symbol]:
            findings.append(
                ("", QualityFinding(symbol, "unsorted", late, 0, f"rows that come after later ones: {late}"))
            )
        findings += [
            (interval_name(series.interval), finding)
            for finding in examine_series(series, terms.exchange.upper(), hours_of[symbol], accepted)
        ]
    return findings
