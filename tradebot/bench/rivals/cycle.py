"""The rivals in a whole cycle: one symbol after the other, and fetching in threads with computing in processes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
import pandas as pd

from tradebot.bench.analysis.bars import DISTINCT_HISTORIES, random_histories
from tradebot.bench.rivals import fetch, indicator_set, script_pools
from tradebot.clock import SECOND, Clock
from tradebot.domain.market import Floats


class CycleTiming(NamedTuple):
    """Seconds of fetching and of the whole cycle, and the symbols chosen."""

    fetched_s: float
    seconds: float
    chosen: frozenset[str]


def make_frames(names: Sequence[str], window: int) -> list[pd.DataFrame]:
    """Return a frame of `window` bars for each symbol; its last bar is to be replaced by the quote."""
    bars, _ = random_histories(min(len(names), DISTINCT_HISTORIES), window)
    return [indicator_set.bars_frame(bars[i % len(bars)]) for i in range(len(names))]


def cycle_one_by_one(port: int, names: Sequence[str], frames: Sequence[pd.DataFrame], clock: Clock) -> CycleTiming:
    """Fetch, compute and decide for each symbol in turn."""
    begin, fetched, found = clock.monotonic_ns(), 0, set()
    for name, frame in zip(names, frames, strict=False):
        requested_mono = clock.monotonic_ns()
        quote = fetch.fetch_one(port, name)[name]
        fetched += clock.monotonic_ns() - requested_mono
        if is_above_average(_quoted(frame, quote)):
            found.add(name)
    return CycleTiming(fetched / SECOND, (clock.monotonic_ns() - begin) / SECOND, frozenset(found))


def cycle_in_pools(
    port: int,
    names: Sequence[str],
    frames: Sequence[pd.DataFrame],
    threads: Executor,
    processes: Executor,
    clock: Clock,
) -> CycleTiming:
    """Fetch in threads, then compute and decide in processes."""
    begin = clock.monotonic_ns()
    quotes = fetch.fetch_by_pool(threads, port, names)
    fetched = clock.monotonic_ns() - begin
    quoted = [_quoted(frame, quotes[name]) for name, frame in zip(names, frames, strict=True)]
    found = processes.map(is_above_average, quoted, chunksize=max(1, len(names) // script_pools.POOL_SIZE))
    all_chosen = frozenset(name for name, is_chosen in zip(names, found, strict=True) if is_chosen)
    return CycleTiming(fetched / SECOND, (clock.monotonic_ns() - begin) / SECOND, all_chosen)


def is_above_average(frame: pd.DataFrame) -> bool:
    """Compute the eleven indicators; return whether the newest close is above its average over 20 bars."""
    return bool(frame["close"].iloc[-1] > indicator_set.by_pandas(frame)[0])


def _quoted(frame: pd.DataFrame, price: float) -> pd.DataFrame:
    bar: Floats = np.array([price, price, price, price, 1.0])
    frame.iloc[-1] = bar  # the newest bar is the quote
    return frame
