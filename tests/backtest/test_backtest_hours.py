"""A backtest keeps the hours of each instrument: flat before its own close, and the same with every bar walked."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backtest.bars_by_hand import DESK, MINUTE, job, random_bars
from tests.backtest.random_runs import comparable, matchings, run_both_ways, specs
from tradebot.backtest.job import TradingHours
from tradebot.backtest.session_timetable import timeline_days
from tradebot.clock import IST, format_iso
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.domain.order import OrderKind
from tradebot.exchange.bar_matching import BarFillModel
from tradebot.markets.calendar import ist_to_ns

BIG, SMALL = (Instrument(symbol=symbol, has_derivatives=symbol == "BIG") for symbol in ("BIG", "SMALL"))
DAYS = (date(2026, 7, 31), date(2026, 8, 3), date(2026, 8, 4))  # the closing auction began on the second


def afternoon(seed: int, symbol: str, day: date, *, until: time, keeps: float = 1.0) -> BarSeries:
    """Bars of a minute from 14:30 until the close, some left out at random."""
    begin = ist_to_ns(day, time(14, 30))
    count = (ist_to_ns(day, until) - begin) // MINUTE
    whole = random_bars(seed, count, symbol=symbol)
    kept = np.flatnonzero(np.random.default_rng(seed).random(count) < keeps)
    columns = {n: getattr(whole, n)[kept] for n in ("open", "high", "low", "close", "volume")}
    return BarSeries(symbol=symbol, interval=MINUTE, starts=begin + MINUTE * kept, **columns)


def joined(parts: list[BarSeries]) -> BarSeries:
    columns = {n: np.concatenate([getattr(p, n) for p in parts]) for n in ("starts", "open", "high", "low", "close")}
    volume = np.concatenate([p.volume for p in parts])
    return BarSeries(symbol=parts[0].symbol, interval=MINUTE, volume=volume, **columns)


def test_the_clock_ticks_at_each_time_of_square_off_of_a_day() -> None:
    starts = np.concatenate([ist_to_ns(day, time(14, 30)) + MINUTE * np.arange(60) for day in DAYS])

    found = timeline_days(TradingHours(market="nse", square_off_at=time(15, 18)), [BIG, SMALL], starts, MINUTE)

    ends = [[format_iso(int(starts[k]) + MINUTE, IST)[11:16] for k in day.square_off_ks] for day in found]
    assert ends == [["15:18"], ["15:18", "15:05"], ["15:18", "15:05"]]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_position_is_flat_by_its_own_close_and_every_bar_gives_the_same(data: st.DataObject) -> None:
    draw = data.draw
    keeps = draw(st.sampled_from([1.0, 0.9]))
    traded = draw(st.sampled_from([(BIG, SMALL), (SMALL, BIG), (BIG,), (SMALL,)]))
    series = {}
    for symbol in (instrument.symbol for instrument in traded):
        seed = draw(st.integers(0, 10**6))
        closes = [time(15, 15) if symbol == "BIG" and day >= DAYS[1] else time(15, 30) for day in DAYS]
        series[symbol] = joined(
            [
                afternoon(seed + n, symbol, day, until=until, keeps=keeps)
                for n, (day, until) in enumerate(zip(DAYS, closes, strict=True))
            ]
        )
    matching = draw(st.one_of(st.just(BarFillModel()), matchings()))
    desk = msgspec.structs.replace(DESK, order_kind=draw(st.sampled_from([OrderKind.MARKET, OrderKind.LIMIT])))
    asked = job(
        draw(specs()),
        matching=matching,
        desk=desk,
        hours=TradingHours(market="nse", entries_until=time(15, 16), square_off_at=time(15, 18)),
    )
    asked = msgspec.structs.replace(asked, instruments=traded)

    sparse, dense = run_both_ways(asked, series)

    assert comparable(sparse) == comparable(dense)
    assert sparse.orders_hash == dense.orders_hash
    fills = sparse.fills
    held: dict[tuple[str, date], Decimal] = {}
    for at, symbol, side, quantity in zip(fills["ts"], fills["symbol"], fills["side"], fills["qty"], strict=True):
        sign = 1 if str(side).lower() == "buy" else -1
        held[symbol, at.date()] = held.get((symbol, at.date()), Decimal(0)) + sign * Decimal(str(quantity))
        limit = time(15, 15) if symbol == "BIG" and at.date() >= DAYS[1] else time(15, 30)
        assert at.tz_convert("Asia/Kolkata").time() < limit
    if keeps == 1.0 and matching == BarFillModel():
        assert set(held.values()) <= {Decimal(0)}, "a position was carried over the night"
