"""The rivals in a whole cycle: one symbol after the other, and threads that fetch with processes that compute."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
import pandas as pd

from tradebot.bench.analysis.bars import DISTINCT, histories
from tradebot.bench.rivals import eleven, fetch, hands
from tradebot.clock import SECOND, Clock
from tradebot.domain.market import Floats


class Turn(NamedTuple):
    """Seconds of fetching, of the whole cycle, and who was chosen."""

    fetched_s: float
    seconds: float
    chosen: frozenset[str]


def frames(names: Sequence[str], window: int) -> list[pd.DataFrame]:
    """Return a frame of `window` bars for each symbol; its last bar is to be the quote."""
    bars, _ = histories(min(len(names), DISTINCT), window)
    return [eleven.frame(bars[i % len(bars)]) for i in range(len(names))]


def one_by_one(port: int, names: Sequence[str], frames: Sequence[pd.DataFrame], clock: Clock) -> Turn:
    """Fetch, compute and decide for each symbol in turn."""
    begin, fetched, found = clock.monotonic(), 0, set()
    for name, frame in zip(names, frames, strict=False):
        asked = clock.monotonic()
        quote = fetch.one(port, name)[name]
        fetched += clock.monotonic() - asked
        if chosen(_quoted(frame, quote)):
            found.add(name)
    return Turn(fetched / SECOND, (clock.monotonic() - begin) / SECOND, frozenset(found))


def hybrid(
    port: int,
    names: Sequence[str],
    frames: Sequence[pd.DataFrame],
    threads: Executor,
    processes: Executor,
    clock: Clock,
) -> Turn:
    """Fetch in threads, then compute and decide in processes."""
    begin = clock.monotonic()
    quotes = fetch.pooled(threads, port, names)
    fetched = clock.monotonic() - begin
    quoted = [_quoted(frame, quotes[name]) for name, frame in zip(names, frames, strict=True)]
    found = processes.map(chosen, quoted, chunksize=max(1, len(names) // hands.HANDS))
    all_chosen = frozenset(name for name, is_chosen in zip(names, found, strict=True) if is_chosen)
    return Turn(fetched / SECOND, (clock.monotonic() - begin) / SECOND, all_chosen)


def chosen(frame: pd.DataFrame) -> bool:
    """Compute the eleven indicators and tell whether the newest close is above its average."""
    return bool(frame["close"].iloc[-1] > eleven.by_pandas(frame)[0])


def _quoted(frame: pd.DataFrame, price: float) -> pd.DataFrame:
    bar: Floats = np.array([price, price, price, price, 1.0])
    frame.iloc[-1] = bar  # the newest bar is the quote
    return frame
