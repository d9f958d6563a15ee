"""The benchmark of starting with many symbols: time and memory to warm up the indicators from bars in memory.

Each number of symbols has its own process, so that memory is measured apart. A run ends with one close answered, which
shows that everything is loaded. Getting the bars is not measured: from disk it takes a second; from a venue that allows
three requests a second, as long as the venue makes it take.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import numpy as np
import uvloop

from tradebot.bench.analysis import bars
from tradebot.bench.analysis.standalone import load_bench_strategy, standalone_analysis
from tradebot.bench.analysis.strategies import ENTER, Burst
from tradebot.bench.daemon.measured_daemon import WorkerCount
from tradebot.bench.measuring.cpu import family_memory
from tradebot.bench.measuring.process import failures_as_errors, piped_process, receive_within
from tradebot.bench.venue import frames
from tradebot.clock import MINUTE, SECOND, Clock, WallClock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarBatch, BarSeries
from tradebot.domain.message import Message
from tradebot.trading.analysis.worker_count import choose_worker_count

WITHIN_S = 300.0
READY_LIMIT_S, MEMORY_LIMIT_MB, PROMISED_AT = 5.0, 600.0, 5_000
OURS, INLINE = "tradebot", "tradebot, inline"


class StartupLoad(Message, frozen=True):
    """What to measure: each number of symbols with `bars` bars of history, `repeats` times."""

    symbols: tuple[int, ...]
    bars: int = 500
    repeats: int = 3
    workers: WorkerCount = "auto"


class StartupResult(Message, frozen=True):
    """One start: seconds to warm and to the first close answered, memory in MB, and signals at that close."""

    ready_s: float
    first_s: float
    pss_mb: float
    rss_mb: float
    workers: int
    fired: int


def measure_startup(load: StartupLoad, *, clock: Clock, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the benchmark and return its figures as JSON values. Raises TradebotError when a process of it fails."""
    rows: list[dict[str, Any]] = []
    for count in load.symbols:
        starts: dict[str, list[StartupResult]] = {OURS: [], INLINE: []}
        for _ in range(load.repeats):
            for rival, found in starts.items():
                progress(f"{count:,} symbols, {rival}")
                with failures_as_errors():
                    found.append(_start(count, load.bars, load.workers if rival == OURS else 0))
        rows += [_row(count, rival, found) for rival, found in starts.items()]
    return {"bench": "startup", "asked": {"symbols": list(load.symbols), "bars": load.bars}, "rows": rows}


def _row(count: int, rival: str, found: Sequence[StartupResult]) -> dict[str, Any]:
    def middle(name: str) -> float:
        return float(median(getattr(start, name) for start in found))

    return {
        "symbols": count,
        "rival": rival,
        "workers": found[0].workers,
        "n": len(found),
        "ready_s": middle("ready_s"),
        "first_close_s": middle("first_s"),
        "us_per_symbol": middle("ready_s") / count * 1e6,
        "pss_mb": middle("pss_mb"),
        "rss_mb": middle("rss_mb"),
        "fired": found[0].fired,
    }


def startup_verdicts(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `{"ok": ..., "text": ...}` for each promise on the start, and for the cost per symbol."""
    ours = [row for row in result["rows"] if row["rival"] == OURS]
    found = []
    for row in ours:
        text = (
            f"{row['symbols']:,} symbols with {result['asked']['bars']:,} bars each: ready after {row['ready_s']:.2f} "
            f"s; they hold {row['pss_mb']:,.0f} MB over all processes"
        )
        is_kept = True
        if row["symbols"] == PROMISED_AT:
            is_kept = row["ready_s"] <= READY_LIMIT_S and row["rss_mb"] <= MEMORY_LIMIT_MB
            text += (
                f"; the limits are {READY_LIMIT_S:g} s and {MEMORY_LIMIT_MB:g} MB resident ({row['rss_mb']:,.0f} MB)"
            )
        found.append({"ok": is_kept, "text": text})
    for rival in (OURS, INLINE):
        mine = sorted((row for row in result["rows"] if row["rival"] == rival), key=lambda row: int(row["symbols"]))
        for less, more in pairwise(mine):
            symbols = more["symbols"] - less["symbols"]
            kb = (more["pss_mb"] - less["pss_mb"]) * 1024 / symbols
            ms = (more["ready_s"] - less["ready_s"]) * 1e3 / symbols
            text = (
                f"{rival}: from {less['symbols']:,} to {more['symbols']:,} each symbol costs {kb:.1f} kB and {ms:.2f} "
                f"ms; {result['asked']['bars'] * 48 / 1024:.1f} kB are its bars, kept to rebuild a worker"
            )
            found.append({"ok": True, "text": text})
    return found


def _start(count: int, bars: int, workers: WorkerCount) -> StartupResult:
    with piped_process(partial(_serve, count, bars, workers), grace_s=10.0) as pipe:
        found: StartupResult = receive_within(pipe, within_s=WITHIN_S, late=f"{count:,} symbols were not ready")
    return found


def _serve(count: int, bars: int, workers: WorkerCount, pipe: Connection) -> None:
    pipe.send(uvloop.run(_run(count, bars, workers)))


async def _run(count: int, rows: int, workers: WorkerCount) -> StartupResult:
    clock, universe, spec = WallClock(), frames.bench_universe(count), load_bench_strategy(Burst)
    chosen = choose_worker_count([spec], count, os.cpu_count() or 1)[0] if workers == "auto" else workers
    analysis = standalone_analysis(universe, spec, workers=chosen)
    history, batch = _market(universe, rows)
    begin = clock.monotonic_ns()
    await analysis.start_workers(history)
    ready = clock.monotonic_ns()
    history.clear()
    fired = len(await analysis.compute_signals(batch, {}))
    first = clock.monotonic_ns()
    pss, rss = family_memory()
    await analysis.stop_workers()
    return StartupResult(
        ready_s=(ready - begin) / SECOND,
        first_s=(first - begin) / SECOND,
        pss_mb=pss,
        rss_mb=rss,
        workers=chosen,
        fired=fired,
    )


def _market(universe: Universe, rows: int) -> tuple[list[BarSeries], BarBatch]:
    made, starts = bars.random_histories(min(len(universe), bars.DISTINCT_HISTORIES), rows + 1)
    ids = np.arange(len(universe))
    last = bars.message_columns(made[ids % len(made), :, rows].T) | {"volume": np.full(len(ids), ENTER)}
    batch = BarBatch(
        interval=MINUTE, ends_at=int(starts[rows]) + MINUTE, seen_at=0, quoted_at=0, ids=ids, ticks=ids, **last
    )
    return bars.warmup_series(universe, made[:, :, :rows], starts[:rows]), batch
