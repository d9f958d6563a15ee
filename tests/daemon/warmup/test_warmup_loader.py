"""The past of a run: a login that is lost while it is fetched is waited for, and ends nothing."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np

from tradebot.clock import SECOND, ManualClock
from tradebot.config import Config
from tradebot.daemon.warmup.warmup_loader import LOGIN_PAUSE_S, WarmupLoader
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarSeries
from tradebot.errors import LoginLost
from tradebot.journal.recovery import RecoveredState
from tradebot.markets.market import HOME_MARKET


async def test_a_login_that_is_lost_meanwhile_is_waited_for_and_told_once(tmp_path: Any) -> None:
    clock, asked, told, suspected = ManualClock(10**18), [], [], []

    async def history(instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        asked.append(clock.now_ns)
        if len(asked) <= 2:
            raise LoginLost("the token is dead")
        column = np.array([1], dtype=np.int64)
        columns = dict.fromkeys(("starts", "open", "high", "low", "close", "volume"), column)
        return BarSeries(symbol=instrument.symbol, interval=interval, **columns)

    venue_session: Any = SimpleNamespace(
        clock=clock, universe=Universe([Instrument(symbol="AAA")]), venue_name="kite",
        history_venue="kite", traded_market=HOME_MARKET,
        venue=SimpleNamespace(broker=SimpleNamespace(fetch_history=history)),
    )  # fmt: skip
    warming = WarmupLoader(
        Config(), venue_session, tmp_path / "journal.sqlite3", RecoveredState(), opens_at=0,
        suspect=lambda: suspected.append(1), tell=lambda event: told.append((event.name, event.level)),
    )  # fmt: skip

    assert [series.symbol for series in await warming.load_bars()] == ["AAA"]
    assert [(b - a) / SECOND for a, b in pairwise(asked)] == [LOGIN_PAUSE_S] * 2
    waits = [(event, level) for event, level in told if event in ("warmup_postponed", "warmup_retried")]
    assert waits == [("warmup_postponed", "warning"), ("warmup_retried", "debug")]
    assert len(suspected) == 2
