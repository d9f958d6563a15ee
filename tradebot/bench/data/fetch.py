"""The benchmark of fetching quotes: a slow venue in its own process, and seven ways to request quotes from it."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median
from typing import Any

from tradebot.bench.data import batches
from tradebot.bench.data.batches import QuotesBySymbol
from tradebot.bench.measuring.report import result_with_advice
from tradebot.bench.rivals import fetch as rivals
from tradebot.bench.venue.quotes import open_quote_server, quote_price
from tradebot.clock import SECOND, Clock
from tradebot.markets.listing import synthetic_universe

SEQUENTIAL_UP_TO = 50  # beyond it the time is scaled: it is latency times symbols
PROCESSES = 10


def measure_fetch(
    symbols: Sequence[int], *, latency_s: float, repeats: int, clock: Clock, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Fetch a quote of each symbol in every way, in turns, and compare the answers with the server's prices."""
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        stack.callback(rivals.close_connections)
        port = stack.enter_context(open_quote_server(latency_s))
        threads = {n: stack.enter_context(ThreadPoolExecutor(n)) for n in (10, 50)}
        context = multiprocessing.get_context("spawn")
        processes = stack.enter_context(ProcessPoolExecutor(PROCESSES, mp_context=context))
        list(processes.map(rivals.fetch_one, [port] * PROCESSES, ["WARM"] * PROCESSES))
        names = synthetic_universe(max(symbols)).symbols
        ways: dict[str, Callable[[Sequence[str]], QuotesBySymbol]] = {
            "sequential": lambda asked: rivals.fetch_sequentially(port, asked),
            "threads, 10": lambda asked: rivals.fetch_by_pool(threads[10], port, asked),
            "threads, 50": lambda asked: rivals.fetch_by_pool(threads[50], port, asked),
            f"processes, {PROCESSES}": lambda asked: rivals.fetch_by_pool(processes, port, asked),
            "aiohttp, 100 connections": lambda asked: asyncio.run(rivals.fetch_singly(port, asked, 100)),
            "aiohttp, no limit": lambda asked: asyncio.run(rivals.fetch_singly(port, asked, 0)),
            f"aiohttp, batches of {batches.BATCH}": lambda asked: asyncio.run(batches.fetch_in_batches(port, asked)),
        }
        for count in symbols:
            progress(f"{count:,} symbols")
            rows.extend(_rows(ways, names[:count], repeats, latency_s, clock))
    asked = {"symbols": list(symbols), "latency_s": latency_s, "repeats": repeats}
    return result_with_advice(asked, rows, _advice(rows, latency_s))


def _rows(
    ways: dict[str, Callable[[Sequence[str]], QuotesBySymbol]],
    names: Sequence[str],
    repeats: int,
    latency_s: float,
    clock: Clock,
) -> list[dict[str, Any]]:
    taken: dict[str, list[float]] = {way: [] for way in ways}
    right: dict[str, bool] = dict.fromkeys(ways, True)
    for repeat in range(repeats):
        for way, fetch in ways.items():
            asked = names[:SEQUENTIAL_UP_TO] if way == "sequential" else names
            if way == "sequential" and repeat and len(asked) * latency_s > 1.0:
                continue  # a sum of fixed waits, the same each time
            begin = clock.monotonic_ns()
            quotes = fetch(asked)
            taken[way].append((clock.monotonic_ns() - begin) / SECOND * len(names) / len(asked))
            right[way] &= quotes == {name: quote_price(name) for name in asked}
    best = min(median(seconds) for seconds in taken.values())
    return [
        {
            "symbols": len(names),
            "rival": way,
            "seconds": median(seconds),
            "times_best": median(seconds) / best,
            "values": "the same" if right[way] else "WRONG",
            "how": f"measured on {SEQUENTIAL_UP_TO} symbols and scaled"
            if way == "sequential" and len(names) > SEQUENTIAL_UP_TO
            else f"measured, median of {len(seconds)}",
        }
        for way, seconds in taken.items()
    ]


def _advice(rows: list[dict[str, Any]], latency_s: float) -> list[str]:
    most = max(row["symbols"] for row in rows)
    seconds = {row["rival"]: row["seconds"] for row in rows if row["symbols"] == most}
    ours = seconds[f"aiohttp, batches of {batches.BATCH}"]
    singly, threads = seconds["aiohttp, no limit"], seconds["threads, 10"]
    return [
        f"{most:,} quotes at {latency_s * 1e3:g} ms each: {ours:.2f} s in batches, {singly:.2f} s as single",
        f"requests at once, {threads:.1f} s with ten threads. Waiting needs no processor, so no threads or processes.",
        "Where the venue answers many symbols in one request, ask so; where it streams, do not ask at all.",
    ]
