"""The benchmark of indicators: eleven indicators, one new bar for every symbol, computed by rivals in turns."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np

from tradebot.bench.analysis import indicator_set
from tradebot.bench.analysis.bars import DISTINCT_HISTORIES, random_histories
from tradebot.bench.measuring import report
from tradebot.bench.measuring.interleaving import interleave_rivals
from tradebot.bench.rivals import indicator_set as rivals
from tradebot.clock import Clock
from tradebot.domain.market import Floats
from tradebot.indicators.plan import evaluate_history
from tradebot.indicators.streaming import StreamingIndicators

FRAMES, WINDOWS, SHIPPED = 5, 100, 500  # symbols measured where the cost per symbol is constant
PANDAS, TALIB, THREADS, PROCESSES = "pandas", "TA-Lib batch", "TA-Lib batch, threads", "TA-Lib batch, processes"
OUR_BATCH, HANDLES, STEP = "tradebot batch", "tradebot step, handles only", "tradebot step"
HOW = {
    PANDAS: "window recomputed, one frame per symbol",
    TALIB: "window recomputed, one symbol after the other",
    THREADS: "the same, one share per thread",
    PROCESSES: "the same, one share per process, windows sent there",
    OUR_BATCH: "window recomputed by the plan, as in a backtest",
    HANDLES: "state carried, one TA-Lib handle per symbol and function",
    STEP: "state carried, all symbols of the close at once",
}


def measure_indicators(
    symbols: Sequence[int], *, window: int, repeats: int, clock: Clock, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Time one new bar of every symbol, for each number of symbols, and compare the values of the rivals."""
    cores = report.usable_cores()
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        context = multiprocessing.get_context("spawn")
        threads = stack.enter_context(ThreadPoolExecutor(cores))
        processes = stack.enter_context(ProcessPoolExecutor(cores, mp_context=context))
        for count in symbols:
            progress(f"{count:,} symbols")
            rows.extend(_Round(count, window, threads, processes, cores).measure_rows(clock, repeats))
    asked = {
        "symbols": list(symbols),
        "window": window,
        "repeats": repeats,
        "indicators": len(indicator_set.INDICATOR_NAMES),
    }
    return report.result_with_advice(asked, rows, _advice(rows, cores))


class _Round:
    def __init__(self, count: int, window: int, threads: Executor, processes: Executor, cores: int) -> None:
        self.count, self.threads, self.processes, self.cores = count, threads, processes, cores
        self.plan = indicator_set.indicator_plan()
        distinct = min(count, DISTINCT_HISTORIES)
        self.steps = max(2, min(200, 20_000 // count))
        bars, self.starts = random_histories(distinct, window + self.steps)
        self.windows = bars[:, :, :window].copy()
        self.frames = [rivals.bars_frame(window) for window in self.windows[:FRAMES]]
        self.of = np.arange(count) % distinct
        # The newest bar of the window is the first step, so that its values can be compared.
        self.bars = [np.ascontiguousarray(bars[self.of, :, t].T) for t in range(window - 1, window - 1 + self.steps)]
        self.begin = window - 1

    def warmed_state(self, vector_from: int) -> StreamingIndicators:
        """Return the state of all symbols before the first step, vectorized from `vector_from` symbols on."""
        live = StreamingIndicators(self.plan, self.count, vector_from=vector_from)
        for row in range(self.count):
            live.feed_history(row, self.windows[self.of[row]][:, :-1], self.starts[: self.begin])
        return live

    def measure_rows(self, clock: Clock, repeats: int) -> list[dict[str, Any]]:
        """Measure all rivals in turns and return a row for each."""
        one, all_at_once = self.warmed_state(self.count + 1), self.warmed_state(1)
        values = {HANDLES: self._step(one), STEP: self._step(all_at_once)}
        measured = {PANDAS: min(self.count, FRAMES), TALIB: min(self.count, WINDOWS)}
        measured |= {THREADS: min(self.count, SHIPPED), PROCESSES: min(self.count, SHIPPED)}
        measured |= {OUR_BATCH: min(self.count, WINDOWS), HANDLES: self.count, STEP: self.count}
        recomputing: dict[str, Callable[[int], list[list[float]]]] = {
            PANDAS: lambda n: [rivals.by_pandas(frame) for frame in self.frames[:n]],
            TALIB: lambda n: _by_talib(self._windows(n)),
            THREADS: lambda n: self._shares(self.threads, n),
            PROCESSES: lambda n: self._shares(self.processes, n),
            OUR_BATCH: self._batch,
        }
        values |= {name: np.array(run(measured[name])).T for name, run in recomputing.items()}
        ways: dict[str, Callable[[], int]] = {
            name: lambda run=run, n=measured[name]: len(run(n))  # type: ignore[misc]
            for name, run in recomputing.items()
        }
        ways[HANDLES], ways[STEP] = lambda: self._run(one), lambda: self._run(all_at_once)
        costs = interleave_rivals(clock, ways, repeats)
        return [
            {
                "symbols": self.count,
                "rival": name,
                "us_per_symbol": costs[name].elapsed_s * 1e6,
                "cpu_us": None if name == PROCESSES else costs[name].cpu_s * 1e6,
                "ms_per_close": costs[name].elapsed_s * 1e3 * self.count,
                "times_our_step": costs[name].elapsed_s / costs[STEP].elapsed_s,
                "measured": measured[name],
                "values": _describe_equality(values[name], values[STEP]),
                "how": HOW[name],
            }
            for name in HOW
        ]

    def _windows(self, count: int) -> Floats:
        picked: Floats = self.windows[self.of[:count]]
        return picked

    def _batch(self, count: int) -> list[list[float]]:
        found = []
        for row in self.of[:count].tolist():
            values = evaluate_history(self.plan, self.windows[row], self.starts[: self.begin + 1])
            found.append([float(values[root][-1]) for root in self.plan.roots])
        return found

    def _shares(self, pool: Executor, count: int) -> list[list[float]]:
        shares = np.array_split(self._windows(count), self.cores)
        return [row for share in pool.map(_by_talib, shares) for row in share]

    def _step(self, live: StreamingIndicators) -> Floats:
        values = live.step_bars(np.arange(self.count), self.bars[0], int(self.starts[self.begin]))
        return np.array([values[root] for root in self.plan.roots])

    def _run(self, live: StreamingIndicators) -> int:
        rows = np.arange(self.count)
        for t, bars in enumerate(self.bars[1:], self.begin + 1):
            live.step_bars(rows, bars, int(self.starts[t]))
        return self.count * (self.steps - 1)


def _by_talib(windows: Floats) -> list[list[float]]:
    return [rivals.by_talib(window) for window in windows]


def _describe_equality(found: Floats, ours: Floats) -> str:
    ours = ours[:, : found.shape[1]]
    if found.tobytes() == np.ascontiguousarray(ours).tobytes():
        return "the same bits"
    apart = np.max(np.abs(found - ours) / np.maximum(np.abs(ours), 1.0))
    return f"within {apart:.0e}"


def _advice(rows: list[dict[str, Any]], cores: int) -> list[str]:
    most = max(row["symbols"] for row in rows)
    ms = {row["rival"]: row["ms_per_close"] for row in rows if row["symbols"] == most}
    return [
        f"One new bar for {most:,} symbols takes the step {ms[STEP]:,.2f} ms, TA-Lib's handles {ms[HANDLES]:,.1f} ms,",
        f"TA-Lib over the window {ms[TALIB]:,.0f} ms and pandas {ms[PANDAS] / 1e3:,.1f} s. With {cores} processes",
        f"TA-Lib over the window takes {ms[PROCESSES]:,.0f} ms, with {cores} threads {ms[THREADS]:,.0f} ms:",
        "carrying state gains more than cores do. Worker processes are there to keep a strategy that hangs or crashes",
        "away from the feed; for this math alone one process is enough.",
    ]
