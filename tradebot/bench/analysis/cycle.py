"""The benchmark of a whole cycle, done in three ways: fetch a quote per symbol, compute eleven indicators, decide.

One way takes one symbol after the other, as a first script does. One fetches in threads and computes in processes, as
guides advise. The daemon's way sends requests in batches on one loop and updates carried state in a worker process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from statistics import median
from typing import Any

import numpy as np

from tradebot.bench.analysis.bars import DISTINCT_HISTORIES, random_histories, warmup_series
from tradebot.bench.analysis.standalone import load_bench_strategy, standalone_analysis
from tradebot.bench.analysis.strategies import AboveAverage
from tradebot.bench.data.batches import fetch_in_batches
from tradebot.bench.measuring.report import result_with_advice
from tradebot.bench.rivals import cycle as rivals
from tradebot.bench.rivals.cycle import CycleTiming
from tradebot.bench.rivals.fetch import close_connections
from tradebot.bench.rivals.script_pools import POOL_SIZE, open_pools
from tradebot.bench.venue.quotes import open_quote_server
from tradebot.clock import MINUTE, SECOND, Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarBatch
from tradebot.markets.listing import synthetic_universe

SEQUENTIAL_UP_TO = 50
SEQUENTIAL, HYBRID, OURS = "sequential", "threads + processes", "tradebot"
HOW = {
    SEQUENTIAL: "a request, a pandas frame and a decision for each symbol in turn",
    HYBRID: f"{POOL_SIZE} threads fetch, {POOL_SIZE} processes compute pandas frames",
    OURS: "requests in batches on one loop, one step in a worker process",
}


def measure_cycle(
    symbols: Sequence[int],
    *,
    latency_s: float,
    window: int,
    repeats: int,
    clock: Clock,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Time the cycle in every way, in turns, and compare the symbols chosen in the first cycle."""
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        stack.callback(close_connections)
        port = stack.enter_context(open_quote_server(latency_s))
        threads, processes = stack.enter_context(open_pools())
        list(processes.map(rivals.is_above_average, rivals.make_frames(["WARM"] * POOL_SIZE, window)))
        for count in symbols:
            progress(f"{count:,} symbols")
            universe = synthetic_universe(count)
            rows += asyncio.run(_rows(universe, port, threads, processes, window, repeats, clock))
    asked = {"symbols": list(symbols), "latency_s": latency_s, "window": window, "repeats": repeats}
    return result_with_advice(asked, rows, _advice(rows))


async def _rows(
    universe: Universe, port: int, threads: Executor, processes: Executor, window: int, repeats: int, clock: Clock
) -> list[dict[str, Any]]:
    names, ours = universe.symbols, _Daemon(universe, window)
    few = names[:SEQUENTIAL_UP_TO]
    frames = rivals.make_frames(names, window)
    ways = {
        SEQUENTIAL: lambda: rivals.cycle_one_by_one(port, few, frames, clock),
        HYBRID: lambda: rivals.cycle_in_pools(port, names, frames, threads, processes, clock),
    }
    turns: dict[str, list[CycleTiming]] = {name: [] for name in HOW}
    await ours.warm_up()
    try:
        for repeat in range(repeats):
            for name, way in ways.items():
                if name == HYBRID or not repeat:  # the sequential way is a sum of fixed waits, the same each time
                    turns[name].append(await asyncio.to_thread(way))
            turns[OURS].append(await ours.run_cycle(port, clock))
    finally:
        await ours.analysis.stop_workers()
    return [_row(len(names), name, found, turns[OURS]) for name, found in turns.items()]


def _row(count: int, name: str, turns: Sequence[CycleTiming], ours: Sequence[CycleTiming]) -> dict[str, Any]:
    scale = count / min(count, SEQUENTIAL_UP_TO) if name == SEQUENTIAL else 1.0
    seconds, best = median(t.seconds for t in turns) * scale, median(t.seconds for t in ours)
    wanted = ours[0].chosen
    if scale > 1:
        wanted = wanted & frozenset(synthetic_universe(count).symbols[:SEQUENTIAL_UP_TO])
    return {
        "symbols": count,
        "rival": name,
        "seconds": seconds,
        "fetching_s": median(t.fetched_s for t in turns) * scale,
        "rest_ms": median(t.seconds - t.fetched_s for t in turns) * scale * 1e3,
        "times_ours": seconds / best,
        "chose": "the same" if turns[0].chosen == wanted else "OTHERS",
        "how": HOW[name] + (f"; measured on {SEQUENTIAL_UP_TO} symbols and scaled" if scale > 1 else ""),
    }


class _Daemon:
    def __init__(self, universe: Universe, window: int) -> None:
        self.universe = universe
        self.bars, self.starts = random_histories(min(len(universe), DISTINCT_HISTORIES), window)
        self.analysis = standalone_analysis(universe, load_bench_strategy(AboveAverage), workers=1)
        self.at = int(self.starts[-1])

    async def warm_up(self) -> None:
        """Warm the analysis up with all bars but the newest."""
        await self.analysis.start_workers(warmup_series(self.universe, self.bars[:, :, :-1], self.starts[:-1]))

    async def run_cycle(self, port: int, clock: Clock) -> CycleTiming:
        """Fetch the quotes from `port`, close a bar with them, and return the times and the symbols chosen."""
        begin = clock.monotonic_ns()
        quotes = await fetch_in_batches(port, self.universe.symbols)
        fetched = clock.monotonic_ns() - begin
        self.at += MINUTE
        ids = np.arange(len(self.universe))
        price = np.rint(np.array([quotes[name] for name in self.universe.symbols]) * 100).astype(np.int64)
        batch = BarBatch(
            interval=MINUTE,
            ends_at=self.at,
            seen_at=begin,
            quoted_at=begin,
            ids=ids,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=np.ones_like(ids),
            ticks=np.ones_like(ids),
        )
        signals = await self.analysis.compute_message(batch, {})
        chosen = frozenset(signal.symbol for signal in signals.signals)
        return CycleTiming(fetched / SECOND, (clock.monotonic_ns() - begin) / SECOND, chosen)


def _advice(rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for count in dict.fromkeys(row["symbols"] for row in rows):
        seconds = {row["rival"]: row["seconds"] for row in rows if row["symbols"] == count}
        rest = {row["rival"]: row["rest_ms"] for row in rows if row["symbols"] == count}
        lines.append(
            f"{count:,} symbols: {seconds[OURS]:.2f} s here, {seconds[HYBRID]:.2f} s with threads and processes, "
            f"{seconds[SEQUENTIAL]:,.1f} s one by one; after the quotes are there {rest[OURS]:.1f}, "
            f"{rest[HYBRID]:,.0f} and {rest[SEQUENTIAL]:,.0f} ms."
        )
    return [*lines, "What is left is the venue's own latency: fetch in batches, or better, let it stream."]
