"""The benchmark of past bars: many symbols are written and loaded into arrays, in our store and in others."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tradebot.bench.data.trial import StoreTrial
from tradebot.bench.measuring.report import result_with_advice
from tradebot.bench.rivals import history as rivals
from tradebot.clock import MINUTE, SECOND, Clock
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import SERIES_COLUMNS, BarSeries, Ints
from tradebot.history.history import open_history

DISTINCT = 20  # the symbols share series, which changes no cost and saves memory
OURS, OURS_ONE = "tradebot history", "tradebot history, one by one"
NPY, ROWS, PARQUET, DUCKDB = "npy files", "SQLite rows", "Parquet, duckdb", "DuckDB table"
POSTGRES, POSTGRES_ROWS = "tradebot history, PostgreSQL", "PostgreSQL rows"
PROMISED_M_BARS_S = 25.0  # million bars loaded per second of processor


def measure_history(
    *, symbols: int, bars: int, dsn: str, clock: Clock, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Write and load `bars` one-minute bars of each symbol; slow rivals take fewer symbols."""
    tables = [_table(n, bars) for n in range(min(DISTINCT, symbols))]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        trial = StoreTrial(Path(folder), tables, symbols, clock)
        stores: dict[str, Callable[[], dict[str, Any]]] = {
            OURS: lambda: _ours(trial, trial.folder / "ours", "", symbols),
            OURS_ONE: lambda: _one_by_one(trial),
            NPY: lambda: rivals.measure_npy(trial),
            ROWS: lambda: rivals.measure_sqlite_rows(trial),
        }
        if find_spec("duckdb"):
            stores |= {PARQUET: lambda: rivals.measure_parquet(trial), DUCKDB: lambda: rivals.measure_duckdb(trial)}
        if dsn:
            few = trial.symbols_within(rivals.MOST_RIVAL_BARS)
            stores[POSTGRES] = lambda: _ours(trial, trial.folder, dsn, few)
            stores[POSTGRES_ROWS] = lambda: rivals.measure_postgres_rows(trial, dsn)
        for name, run in stores.items():
            progress(name)
            rows.append({"rival": name, **run()})
    return result_with_advice({"symbols": symbols, "bars": bars}, rows, _advice(rows))


def _ours(trial: StoreTrial, folder: Path, dsn: str, symbols: int) -> dict[str, Any]:
    names = [f"BENCH{n:05d}" for n in range(symbols)]
    opening = open_history(folder, dsn=dsn, writes=True, clock=trial.clock)
    with trial.timed_block() as wrote, opening as history, history.transaction():
        for n, name in enumerate(names):
            series = BarSeries(
                symbol=name, interval=MINUTE, **dict(zip(SERIES_COLUMNS, trial.symbol_bars(n), strict=True))
            )
            history.write_bars(Instrument(symbol=name), series, source="bench")
    with trial.timed_block() as read, open_history(folder, dsn=dsn) as history:
        loaded = history.load_series(names, MINUTE)
    trial.check_closes(loaded[names[-1]].close, symbols - 1)
    size = None if dsn else sum(f.stat().st_size for f in folder.iterdir())
    if dsn:
        with open_history(folder, dsn=dsn, writes=True) as history, history.transaction():
            for name in names:
                history.remove_series(name, MINUTE)
    return trial.result_row(symbols, wrote[0], read[0], size, "all symbols held at once, their times shared")


def _one_by_one(trial: StoreTrial) -> dict[str, Any]:
    with trial.timed_block() as read, open_history(trial.folder / "ours") as history:
        for n in range(trial.symbols):
            series = history.load_series([f"BENCH{n:05d}"], MINUTE)
    trial.check_closes(next(iter(series.values())).close, trial.symbols - 1)
    return trial.result_row(trial.symbols, None, read[0], None, "each symbol let go before the next")


def _table(seed: int, bars: int) -> Ints:
    random, minutes = np.random.default_rng(seed), np.arange(bars)
    close = 140_000 + np.cumsum(random.integers(-30, 31, bars))
    open_ = close + random.integers(-10, 11, bars)
    starts = (1_546_400_700 + minutes // 375 * 86_400 + minutes % 375 * 60) * SECOND
    high, low = (
        np.maximum(open_, close) + random.integers(0, 9, bars),
        np.minimum(open_, close) - random.integers(0, 9, bars),
    )
    return np.stack([starts, open_, high, low, close, random.integers(0, 90_000, bars)])


def _advice(rows: list[dict[str, Any]]) -> list[str]:
    rates = {row["rival"]: row["load_m_bars_cpu_s"] for row in rows}
    ours = rates[OURS]
    verdict = "meets" if ours >= PROMISED_M_BARS_S else "misses"
    lines = [
        f"{ours:.3g} million bars a second of processor into arrays; {verdict} the {PROMISED_M_BARS_S:g} asked of it"
    ]
    lines += [
        f"{ours / rates[name]:.2g} times as fast as {name}"
        for name in (PARQUET, DUCKDB, ROWS, POSTGRES_ROWS)
        if name in rates
    ]
    if NPY in rates:
        lines.append(f"npy files, which know neither spans nor updates, load {rates[NPY]:.3g} million")
    return lines
