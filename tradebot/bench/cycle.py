"""The benchmark of a whole cycle: fetch a quote of every symbol, compute eleven indicators, decide; three ways.

One symbol after the other, as a first script does it; threads that fetch and processes that compute, as the guides
advise; and the daemon's own way: requests in batches on one loop, and one step of a carried state in a worker process.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tradebot.bench import cycle_strategy, eleven, fetch
from tradebot.bench.quote_server import running
from tradebot.bench.rivals import described
from tradebot.clock import MINUTE, SECOND, Clock, WallClock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Close, Floats, Series
from tradebot.markets.listing import synthetic_universe
from tradebot.ops.events.event import Event
from tradebot.strategies.loading import load_strategy
from tradebot.trading.analysis.analysis import Analysis

SEQUENTIAL_UP_TO = 50
HANDS = 10  # threads and processes of the hybrid
DISTINCT = 50
SEQUENTIAL, HYBRID, OURS = "sequential", "threads + processes", "tradebot"
HOW = {
    SEQUENTIAL: "a request, a pandas frame and a decision for each symbol in turn",
    HYBRID: f"{HANDS} threads fetch, {HANDS} processes compute pandas frames",
    OURS: "requests in batches on one loop, one step in a worker process",
}


class Turn(NamedTuple):
    """Seconds of fetching, of the whole cycle, and who was chosen."""

    fetched_s: float
    seconds: float
    chosen: frozenset[str]


def measure(
    symbols: Sequence[int],
    *,
    latency_s: float,
    window: int,
    repeats: int,
    clock: Clock,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Time the cycle in every way, in turns, and compare whom the ways chose in the first."""
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        stack.callback(fetch.close)
        port = stack.enter_context(running(latency_s))
        threads = stack.enter_context(ThreadPoolExecutor(HANDS))
        context = multiprocessing.get_context("spawn")
        processes = stack.enter_context(ProcessPoolExecutor(HANDS, mp_context=context))
        list(processes.map(_chosen, _frames(["WARM"] * HANDS, window)))
        for count in symbols:
            progress(f"{count:,} symbols")
            universe = synthetic_universe(count)
            rows += asyncio.run(_rows(universe, port, threads, processes, window, repeats, clock))
    asked = {"symbols": list(symbols), "latency_s": latency_s, "window": window, "repeats": repeats}
    return described(asked, rows, _advice(rows))


async def _rows(
    universe: Universe, port: int, threads: Executor, processes: Executor, window: int, repeats: int, clock: Clock
) -> list[dict[str, Any]]:
    names, ours = universe.symbols, _Daemon(universe, window)
    few = names[:SEQUENTIAL_UP_TO]
    frames = _frames(names, window)
    ways = {
        SEQUENTIAL: lambda: _one_by_one(port, few, frames, clock),
        HYBRID: lambda: _hybrid(port, names, frames, threads, processes, clock),
    }
    turns: dict[str, list[Turn]] = {name: [] for name in HOW}
    await ours.start()
    try:
        for repeat in range(repeats):
            for name, way in ways.items():
                if name == HYBRID or not repeat:  # the sum of fixed waits hardly varies
                    turns[name].append(await asyncio.to_thread(way))
            turns[OURS].append(await ours.turn(port, clock))
    finally:
        await ours.analysis.close()
    return [_row(len(names), name, found, turns[OURS]) for name, found in turns.items()]


def _row(count: int, name: str, turns: Sequence[Turn], ours: Sequence[Turn]) -> dict[str, Any]:
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


def _one_by_one(port: int, names: Sequence[str], frames: Sequence[pd.DataFrame], clock: Clock) -> Turn:
    begin, fetched, chosen = clock.monotonic(), 0, set()
    for name, frame in zip(names, frames, strict=False):
        asked = clock.monotonic()
        quote = fetch.one(port, name)[name]
        fetched += clock.monotonic() - asked
        if _chosen(_quoted(frame, quote)):
            chosen.add(name)
    return Turn(fetched / SECOND, (clock.monotonic() - begin) / SECOND, frozenset(chosen))


def _hybrid(
    port: int,
    names: Sequence[str],
    frames: Sequence[pd.DataFrame],
    threads: Executor,
    processes: Executor,
    clock: Clock,
) -> Turn:
    begin = clock.monotonic()
    quotes = fetch.pooled(threads, port, names)
    fetched = clock.monotonic() - begin
    quoted = [_quoted(frame, quotes[name]) for name, frame in zip(names, frames, strict=True)]
    found = processes.map(_chosen, quoted, chunksize=max(1, len(names) // HANDS))
    chosen = frozenset(name for name, is_chosen in zip(names, found, strict=True) if is_chosen)
    return Turn(fetched / SECOND, (clock.monotonic() - begin) / SECOND, chosen)


class _Daemon:
    def __init__(self, universe: Universe, window: int) -> None:
        self.universe = universe
        self.bars, self.starts = eleven.histories(min(len(universe), DISTINCT), window)
        spec = load_strategy(f"{cycle_strategy.__file__}:Above")
        self.analysis = Analysis(
            universe=universe,
            strategies=[spec],
            interval=MINUTE,
            workers=1,
            deadline_s=60.0,
            clock=WallClock(),
            recall=_nothing,
            on_fault=_fault,
        )
        self.at = int(self.starts[-1])

    async def start(self) -> None:
        units = np.rint(self.bars * np.array([100, 100, 100, 100, 1])[:, None]).astype(np.int64)
        names = ("open", "high", "low", "close", "volume")
        await self.analysis.start(
            [
                Series(
                    symbol=instrument.symbol,
                    interval=MINUTE,
                    starts=self.starts[:-1],
                    **{name: units[i % len(units), j, :-1] for j, name in enumerate(names)},
                )
                for i, instrument in enumerate(self.universe)
            ]
        )

    async def turn(self, port: int, clock: Clock) -> Turn:
        begin = clock.monotonic()
        quotes = await fetch.in_batches(port, self.universe.symbols)
        fetched = clock.monotonic() - begin
        self.at += MINUTE
        ids = np.arange(len(self.universe))
        price = np.rint(np.array([quotes[name] for name in self.universe.symbols]) * 100).astype(np.int64)
        close = Close(
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
        signals = await self.analysis.step(close, {})
        chosen = frozenset(signal.symbol for signal in signals.signals)
        return Turn(fetched / SECOND, (clock.monotonic() - begin) / SECOND, chosen)


def _frames(names: Sequence[str], window: int) -> list[pd.DataFrame]:
    bars, _ = eleven.histories(min(len(names), DISTINCT), window)
    columns = ("open", "high", "low", "close", "volume")
    return [pd.DataFrame(dict(zip(columns, bars[i % len(bars)], strict=True))) for i in range(len(names))]


def _quoted(frame: pd.DataFrame, price: float) -> pd.DataFrame:
    bar: Floats = np.array([price, price, price, price, 1.0])
    frame.iloc[-1] = bar  # the newest bar is the quote
    return frame


def _chosen(frame: pd.DataFrame) -> bool:
    return bool(frame["close"].iloc[-1] > eleven.by_pandas(frame)[0])


async def _nothing() -> list[Close]:
    return []


def _fault(event: Event) -> None:
    raise AssertionError(repr(event))


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
