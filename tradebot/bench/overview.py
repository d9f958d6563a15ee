"""The overview of the benchmarks: short measurements of fetching, indicators and pools, and a recommendation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tradebot.bench.analysis import indicators, pool
from tradebot.bench.data import fetch
from tradebot.bench.data.batches import BATCH
from tradebot.bench.measuring.report import result_with_advice
from tradebot.clock import Clock
from tradebot.strategies.loading import load_strategy
from tradebot.trading.analysis.worker_count import choose_worker_count

WINDOW = 500
SLOW_MS = 5.0  # an inline step beyond this blocks the loop too long
FETCH = {  # name of a way in the fetch benchmark -> its name here
    "sequential": "one by one",
    "threads, 10": "10 threads",
    "aiohttp, no limit": "async, a request each",
    f"aiohttp, batches of {BATCH}": "async, in batches",
}
MATH = {
    indicators.PANDAS: "pandas, a frame each",
    indicators.TALIB: "TA-Lib over the window",
    indicators.PROCESSES: "TA-Lib over the window, processes",
    indicators.STEP: "one step of a carried state",
}


def measure_overview(
    symbols: int, *, latency_s: float, clock: Clock, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Measure each kind of work with `symbols` symbols; return rows (ms) and the recommendation as a JSON object."""
    fetching = fetch.measure_fetch((symbols,), latency_s=latency_s, repeats=1, clock=clock, progress=progress)["rows"]
    math = indicators.measure_indicators((symbols,), window=WINDOW, repeats=3, clock=clock, progress=progress)["rows"]
    pools = pool.measure_pools((symbols,), window=WINDOW, repeats=5, clock=clock, progress=progress)
    rows = [_row("quotes", FETCH[r["rival"]], r["seconds"] * 1e3) for r in fetching if r["rival"] in FETCH]
    rows += [_row("indicators", MATH[r["rival"]], r["ms_per_close"]) for r in math if r["rival"] in MATH]
    step = next(row for row in pools["rows"] if row["work"] == pool.STEP)
    rows += [_row("step", way, step[f"{way}_ms"]) for way in (pool.INLINE, pool.THREADS, pool.PROCESSES)]
    result = result_with_advice({"symbols": symbols, "latency_s": latency_s}, rows, [])
    cores = int(result["machine"]["cores"])
    result["advice"] = recommend_setup(symbols, rows, cores)
    return result


def _row(work: str, way: str, ms: float) -> dict[str, Any]:
    return {"work": work, "way": way, "ms": ms}


def recommend_setup(symbols: int, rows: list[dict[str, Any]], cores: int) -> list[str]:
    """Return the recommendation in sentences; the first one is the summary."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        found.setdefault(row["work"], {})[row["way"]] = row["ms"]
    quotes, math, step = found["quotes"], found["indicators"], found["step"]
    fetching = _best(quotes)
    fastest, inline = _best(step), step[pool.INLINE]
    how = "async fetch" if "async" in fetching else fetching
    pays = ": they are no faster at this size" if fastest == pool.INLINE else ""
    where = "inline" if fastest == pool.INLINE or inline < SLOW_MS else f"in {fastest}"
    workers, reason = choose_worker_count([load_strategy("ema_cross")], symbols, cores)
    named = f"{workers} worker process{'es' if workers > 1 else ''}"
    return [
        f"For {symbols:,} symbols on this machine: {how}, {where} indicators.",
        f"Quotes {fetching} take {quotes[fetching]:,.0f} ms, with ten threads {quotes['10 threads']:,.0f} ms, one "
        f"by one {quotes['one by one']:,.0f} ms.",
        f"Eleven indicators of a new bar take {math[MATH[indicators.STEP]]:.2f} ms for all symbols by one step of a "
        f"carried state, {math[MATH[indicators.TALIB]]:,.1f} ms over the window, "
        f"{math[MATH[indicators.PANDAS]]:,.0f} ms in pandas.",
        f"That step takes {inline:.2f} ms inline and {step[pool.PROCESSES]:.2f} ms over processes{pays}.",
        f"The daemon still puts strategies into {named} by default: what hangs or crashes there leaves feed and desk "
        f"alone ({reason}). `analysis.workers = 0` runs them inline.",
    ]


def _best(ms: Mapping[str, float]) -> str:
    return min(ms, key=ms.__getitem__)
