"""Bars of earlier days of the synthetic prices: made on demand, ending at today's previous close."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Floats, Ints
from tradebot.exchange.prices import hash_rng
from tradebot.exchange.prices.bar_aggregation import BarColumns, aggregate_bars
from tradebot.exchange.prices.symbol_params import (
    FULL_DAY_MINUTES,
    GAP_SHARE,
    MARKET_DAILY_DEVIATION,
    SymbolParams,
    intraday_volatility,
    intraday_volume,
)
from tradebot.markets.calendar import Session, TradingCalendar
from tradebot.markets.hours import hours_class_of

LONGEST_PAST = timedelta(days=1500)  # a bound on what one request may cost; indicators look back far less
SLOTS = 2048  # counters per day, more than the minutes of any session
CHANNEL_MINUTE, CHANNEL_WICK, CHANNEL_VOLUME = 11, 12, 13


class PastBars:
    """The days before a session, drawn per symbol from the seed; the same days for every session."""

    def __init__(self, universe: Universe, params: SymbolParams, calendar: TradingCalendar) -> None:
        self._params, self._calendar = params, calendar
        self._lines = [hours_class_of(instrument) for instrument in universe]

    def bars_between(self, id_: int, *, interval_ns: int, first: date, before: date) -> list[BarColumns]:
        """Return the bars of every trading day in [first, before), one part per day."""
        first = max(first, before - LONGEST_PAST)
        days = [first + timedelta(days=n) for n in range((before - first).days)]
        line = self._lines[id_]
        sessions = [(day, session) for day in days if (session := self._calendar.session_on(day, line)) is not None]
        by_length: dict[int, list[int]] = {}  # minutes -> positions in `sessions`
        for position, (_, session) in enumerate(sessions):
            by_length.setdefault((session.closes_at - session.opens_at) // MINUTE, []).append(position)
        parts: dict[int, BarColumns] = {}
        for minutes, positions in by_length.items():
            chosen = [sessions[p] for p in positions]
            made = self._days(id_, chosen, minutes)
            parts |= {
                p: aggregate_bars(part, opens_at=session.opens_at, interval_ns=interval_ns)
                for p, part, (_, session) in zip(positions, made, chosen, strict=True)
            }
        return [parts[p] for p in sorted(parts)]

    def _days(self, id_: int, sessions: list[tuple[date, Session]], minutes: int) -> list[BarColumns]:
        t = self._params
        ordinals = np.array([day.toordinal() for day, _ in sessions], dtype=np.int64)
        before = np.array([self._calendar.previous_trading_day(day).toordinal() for day, _ in sessions], dtype=np.int64)
        closes, opens = (
            t.symbol_closes(id_, ordinals),
            t.symbol_closes(id_, before) * np.exp(t.overnight_gaps(slice(id_, id_ + 1), ordinals)[0]),
        )
        tick = int(t.tick[id_])
        counter = (ordinals[:, None] * SLOTS + np.arange(minutes)).astype(np.uint64)
        path = self._path(id_, counter, np.log(opens), np.log(closes))
        close = np.maximum(np.rint(np.exp(path) / tick).astype(np.int64), 1) * tick
        first = np.maximum(np.rint(opens / tick).astype(np.int64), 1) * tick
        open_ = np.concatenate([first[:, None], close[:, :-1]], axis=1)
        wick = hash_rng.random_bits(t.keys[id_ : id_ + 1], counter, CHANNEL_WICK)
        reach = 0.6 * t.own_daily_deviation[id_] / FULL_DAY_MINUTES**0.5 * t.reference[id_] / tick
        high = np.maximum(open_, close) + (hash_rng.bit_field(wick, 0, 16) * 2 * reach).astype(np.int64) * tick
        low = np.minimum(open_, close) - (hash_rng.bit_field(wick, 16, 16) * 2 * reach).astype(np.int64) * tick
        volume, traded = self._volume(id_, counter)
        columns = (open_, high, np.maximum(low, tick), close, volume)
        starts = np.array([s.opens_at for _, s in sessions], dtype=np.int64)[:, None] + np.arange(minutes) * MINUTE
        parts: list[BarColumns] = []
        for d, keep in enumerate(traded):
            o, h, lo, c, v = (column[d][keep] for column in columns)
            parts.append((starts[d][keep], o, h, lo, c, v))
        return parts

    def _path(self, id_: int, counter: hash_rng.Bits, opens: Floats, closes: Floats) -> Floats:
        t = self._params
        minutes = counter.shape[1]
        swing = intraday_volatility(minutes) * (1 - GAP_SHARE) / FULL_DAY_MINUTES**0.5
        own = (
            hash_rng.normal_floats(hash_rng.random_bits(t.keys[id_ : id_ + 1], counter, CHANNEL_MINUTE))
            * t.own_daily_deviation[id_]
        )
        market = (
            hash_rng.normal_floats(hash_rng.random_bits(t.market_key, counter, CHANNEL_MINUTE))
            * MARKET_DAILY_DEVIATION
            * t.beta[id_]
        )
        walk = np.cumsum((own + market) * swing, axis=1)
        share = np.arange(1, minutes + 1) / minutes
        missing = closes - opens - walk[:, -1]  # a bridge: the walk is tilted so that it ends at the close
        path: Floats = opens[:, None] + walk + missing[:, None] * share
        return path

    def _volume(self, id_: int, counter: hash_rng.Bits) -> tuple[Ints, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
        t = self._params
        minutes = counter.shape[1]
        bits = hash_rng.random_bits(t.keys[id_ : id_ + 1], counter, CHANNEL_VOLUME)
        if t.is_index[id_]:
            return np.zeros(counter.shape, dtype=np.int64), np.ones(counter.shape, dtype=bool)
        usual = t.daily_volume[id_] * intraday_volume(minutes) * minutes / FULL_DAY_MINUTES
        volume = (usual * (0.35 + 1.3 * hash_rng.bit_field(bits, 0, 24))).astype(np.int64) + 1
        silent = np.exp(-t.trades_per_second[id_] * MINUTE / SECOND)
        traded = hash_rng.bit_field(bits, 24, 24) >= silent
        traded[:, -1] = True  # the close is a trade, so that the last bar ends at it
        return volume, traded
