"""The benchmark of fetching quotes: a server that answers late, in its own process, and six ways to ask it."""

from __future__ import annotations

import asyncio
import http.client
import json
import multiprocessing
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median
from typing import Any
from urllib.parse import urlencode

import aiohttp

from tradebot.bench.quote_server import price, running
from tradebot.bench.rivals import described
from tradebot.clock import SECOND, Clock
from tradebot.markets.listing import synthetic_universe

SEQUENTIAL_UP_TO = 50  # beyond, the time of these is scaled: it is latency times symbols
BATCH = 500  # instruments in one request, what the venue allows
PROCESSES = 10
LIMIT_S = 300.0
Quotes = dict[str, float]


def measure(
    symbols: Sequence[int], *, latency_s: float, repeats: int, clock: Clock, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Fetch a quote of each symbol in every way, in turns, and compare the answers with what the server gives."""
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        stack.callback(close)
        port = stack.enter_context(running(latency_s))
        threads = {n: stack.enter_context(ThreadPoolExecutor(n)) for n in (10, 50)}
        context = multiprocessing.get_context("spawn")
        processes = stack.enter_context(ProcessPoolExecutor(PROCESSES, mp_context=context))
        list(processes.map(one, [port] * PROCESSES, ["WARM"] * PROCESSES))
        names = synthetic_universe(max(symbols)).symbols
        ways: dict[str, Callable[[Sequence[str]], Quotes]] = {
            "sequential": lambda asked: _merged(one(port, symbol) for symbol in asked),
            "threads, 10": lambda asked: pooled(threads[10], port, asked),
            "threads, 50": lambda asked: pooled(threads[50], port, asked),
            f"processes, {PROCESSES}": lambda asked: pooled(processes, port, asked),
            "aiohttp, 100 connections": lambda asked: asyncio.run(_singly(port, asked, 100)),
            "aiohttp, no limit": lambda asked: asyncio.run(_singly(port, asked, 0)),
            f"aiohttp, batches of {BATCH}": lambda asked: asyncio.run(in_batches(port, asked)),
        }
        for count in symbols:
            progress(f"{count:,} symbols")
            rows.extend(_rows(ways, names[:count], repeats, latency_s, clock))
    asked = {"symbols": list(symbols), "latency_s": latency_s, "repeats": repeats}
    return described(asked, rows, _advice(rows, latency_s))


def _rows(
    ways: dict[str, Callable[[Sequence[str]], Quotes]],
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
                continue  # a sum of fixed waits hardly varies
            begin = clock.monotonic()
            quotes = fetch(asked)
            taken[way].append((clock.monotonic() - begin) / SECOND * len(names) / len(asked))
            right[way] &= quotes == {name: price(name) for name in asked}
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


_kept = threading.local()  # one connection per thread, and so per process
_opened: list[http.client.HTTPConnection] = []  # to close them at the end


def one(port: int, symbol: str) -> Quotes:
    """Return the quote of a symbol, by this thread's own connection."""
    connection = getattr(_kept, "connection", None)
    if connection is None or connection.port != port:
        connection = _kept.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
        _opened.append(connection)
    connection.request("GET", "/quote?" + urlencode({"i": symbol}))
    quotes: Quotes = json.loads(connection.getresponse().read())
    return quotes


def close() -> None:
    """Close the connections of this process."""
    while _opened:
        _opened.pop().close()


def pooled(pool: Executor, port: int, asked: Sequence[str]) -> Quotes:
    """Return the quotes of the symbols, each asked for by a worker of the pool."""
    return _merged(pool.map(one, [port] * len(asked), asked))


async def _singly(port: int, asked: Sequence[str], limit: int) -> Quotes:
    return await _all(port, [[symbol] for symbol in asked], limit)


async def in_batches(port: int, asked: Sequence[str]) -> Quotes:
    """Return the quotes of the symbols, BATCH of them in a request, all requests at once."""
    return await _all(port, [asked[i : i + BATCH] for i in range(0, len(asked), BATCH)], 0)


async def _all(port: int, groups: Sequence[Sequence[str]], limit: int) -> Quotes:
    async def ask(session: aiohttp.ClientSession, group: Sequence[str]) -> Quotes:
        async with session.get("/quote", params=[("i", symbol) for symbol in group]) as answer:
            quotes: Quotes = await answer.json()
            return quotes

    timeout = aiohttp.ClientTimeout(total=LIMIT_S)
    connector = aiohttp.TCPConnector(limit=limit)
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as session:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(session, symbols), name=f"fetch-{symbols[0]}") for symbols in groups]
        return _merged(task.result() for task in tasks)


def _merged(answers: Iterable[Quotes]) -> Quotes:
    return {symbol: quote for answer in answers for symbol, quote in answer.items()}


def _advice(rows: list[dict[str, Any]], latency_s: float) -> list[str]:
    most = max(row["symbols"] for row in rows)
    seconds = {row["rival"]: row["seconds"] for row in rows if row["symbols"] == most}
    batches, singly, threads = (
        seconds[f"aiohttp, batches of {BATCH}"],
        seconds["aiohttp, no limit"],
        seconds["threads, 10"],
    )
    return [
        f"{most:,} quotes at {latency_s * 1e3:g} ms each: {batches:.2f} s in batches, {singly:.2f} s as single",
        f"requests at once, {threads:.1f} s with ten threads. Waiting needs no processor, so no threads or processes.",
        "Where the venue answers many symbols in one request, ask so; where it streams, do not ask at all.",
    ]
