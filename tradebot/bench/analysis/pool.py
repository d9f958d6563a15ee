"""The benchmark of pools: how much work per job makes up for the cost of handing it to a thread or process."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median
from typing import Any

import numpy as np

from tradebot.bench.analysis import indicator_set
from tradebot.bench.analysis.bars import DISTINCT_HISTORIES, OPENS_AT, random_histories
from tradebot.bench.measuring import report
from tradebot.bench.rivals.indicator_set import by_talib
from tradebot.clock import MINUTE, SECOND, Clock
from tradebot.domain.market import Floats
from tradebot.indicators.streaming import StreamingIndicators

INLINE, THREADS, PROCESSES = "inline", "threads", "processes"
STEP, WINDOW = "one bar, state carried", "window recomputed by TA-Lib"

_states: dict[str, StreamingIndicators] = {}  # state that a worker keeps between jobs


def measure_pools(
    symbols: Sequence[int], *, window: int, repeats: int, clock: Clock, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Time both kinds of work inline and in pools (a worker per core, a job per worker) and find the break-even."""
    cores = report.usable_cores()
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(cores))
        # One single-process pool per share of the symbols, so that each share always finds its own state.
        context = multiprocessing.get_context("spawn")
        processes = [stack.enter_context(ProcessPoolExecutor(1, mp_context=context)) for _ in range(cores)]
        pools: dict[str, list[Executor]] = {THREADS: [threads] * cores, PROCESSES: list(processes)}
        asked = {"symbols": list(symbols), "window": window, "repeats": repeats, "workers": cores}
        rows, hops = asyncio.run(_all(symbols, window, repeats, pools, clock, progress))
    return report.result_with_advice(asked, rows, _advice(rows, hops, cores)) | {"hop_us": hops}


async def _all(
    symbols: Sequence[int],
    window: int,
    repeats: int,
    pools: dict[str, list[Executor]],
    clock: Clock,
    progress: Callable[[str], None],
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    hops = {}
    for name, pool in pools.items():
        await _submit(pool[0], _nothing)
        seconds = []
        for _ in range(20 * repeats):
            begin = clock.monotonic_ns()
            await _submit(pool[0], _nothing)
            seconds.append((clock.monotonic_ns() - begin) / SECOND)
        hops[name] = median(seconds) * 1e6
    rows = []
    for count in symbols:
        progress(f"{count:,} symbols")
        rows.append(await _row(STEP, count, window, repeats, pools, clock))
        rows.append(await _row(WINDOW, count, window, repeats, pools, clock))
    return rows, hops


async def _row(
    work: str, count: int, window: int, repeats: int, pools: dict[str, list[Executor]], clock: Clock
) -> dict[str, Any]:
    bars, _ = random_histories(min(count, DISTINCT_HISTORIES), window)
    whole = bars[np.arange(count) % len(bars)]
    ways: dict[str, Callable[[], Awaitable[Floats]]] = {}
    for way in (INLINE, THREADS, PROCESSES):
        pool = pools.get(way, [])
        shares = np.array_split(whole, len(pool) or 1)
        ways[way] = await _way(work, way, pool, [share for share in shares if len(share)])
    taken: dict[str, list[float]] = {way: [] for way in ways}
    values: dict[str, bytes] = {}
    for _ in range(repeats):
        for way, run in ways.items():
            begin = clock.monotonic_ns()
            found = await run()
            taken[way].append((clock.monotonic_ns() - begin) / SECOND * 1e3)
            values[way] = found.tobytes()
    ms = {way: median(seconds) for way, seconds in taken.items()}
    return {
        "symbols": count,
        "work": work,
        **{f"{way}_ms": ms[way] for way in ways},
        "fastest": min(ms, key=ms.__getitem__),
        "values": "the same bits" if len(set(values.values())) == 1 else "DIFFERENT",
    }


async def _way(work: str, way: str, pool: list[Executor], shares: list[Floats]) -> Callable[[], Awaitable[Floats]]:
    if work == WINDOW:
        jobs: list[tuple[Callable[[Floats], Floats], Floats]] = [(_recompute, share) for share in shares]
    else:
        keys = [f"{way}-{i}" for i in range(len(shares))]
        for i, (key, share) in enumerate(zip(keys, shares, strict=True)):
            # A job brings only the newest bar; the worker has the earlier ones already.
            past = share[:, :, :-1]
            if pool:
                await _submit(pool[i], _prepare, key, past)
            else:
                _prepare(key, past)
        jobs = [(_Step(key), np.ascontiguousarray(share[:, :, -1].T)) for key, share in zip(keys, shares, strict=True)]

    async def run() -> Floats:
        if not pool:
            return np.concatenate([job(share) for job, share in jobs], axis=1)
        loop = asyncio.get_running_loop()
        futures = [loop.run_in_executor(pool[i], job, share) for i, (job, share) in enumerate(jobs)]
        await asyncio.wait(futures)
        return np.concatenate([future.result() for future in futures], axis=1)

    return run


async def _submit(pool: Executor, function: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(pool, function, *args)


def _nothing() -> None:
    return None


class _Step:
    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, bars: Floats) -> Floats:
        live = _states[self.key]
        values = live.step_bars(np.arange(live.size), bars, OPENS_AT + 600 * MINUTE)
        return np.array([values[root] for root in live.plan.roots])


def _prepare(key: str, past: Floats) -> None:
    live = _states[key] = StreamingIndicators(indicator_set.indicator_plan(), len(past))
    starts = OPENS_AT + np.arange(past.shape[2]) * MINUTE
    for row, bars in enumerate(past):
        live.feed_history(row, bars, starts)


def _recompute(windows: Floats) -> Floats:
    return np.array([by_talib(window) for window in windows]).T


def _advice(rows: list[dict[str, Any]], hops: dict[str, float], cores: int) -> list[str]:
    lines = [f"The way to a thread and back takes {hops[THREADS]:,.0f} us, to a process {hops[PROCESSES]:,.0f} us."]
    for work in (STEP, WINDOW):
        for way in (THREADS, PROCESSES):
            pays = [r["symbols"] for r in rows if r["work"] == work and r[f"{way}_ms"] < r["inline_ms"]]
            least = f"from about {min(pays):,} symbols on" if pays else "at none of these sizes"
            lines.append(f"{work}: {cores} {way} are faster than inline {least}.")
    lines.append(
        "Where it is not faster, a worker process is for safety: what hangs or crashes there leaves the feed alone."
    )
    return lines
