"""Synthetic prices: the same day however it is cut, and a day that looks like one."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebot.clock import DAY, MINUTE, SECOND
from tradebot.domain.market import BarSeries
from tradebot.exchange.prices import day_activity, synthetic
from tradebot.exchange.prices.synthetic import SyntheticPrices
from tradebot.exchange.snapshot import SNAPSHOT_COLUMNS, Snapshots
from tradebot.markets.calendar import Session, TradingCalendar
from tradebot.markets.listing import turnover_rank, universe_for

CALENDAR = TradingCalendar()
TODAY = date(2026, 7, 1)
SYMBOLS = ("RELIANCE", "TCS", "YESBANK", "IDEA", "MRF", "SYM0012", "SYM0039", "NIFTY 50")


def session_of(day: date) -> Session:
    session = CALENDAR.session_on(day)
    assert session is not None
    return session


SESSION = session_of(TODAY)


SHORT = SESSION.opens_at + 75 * MINUTE  # a close early enough for a fast test


def prices(
    *symbols: str, seed: int = 7, day: date = TODAY, step: int = SECOND, closes_at: int | None = None
) -> SyntheticPrices:
    session = session_of(day)
    universe = universe_for(symbols or SYMBOLS)
    return SyntheticPrices(
        universe, seed=seed, opens_at=session.opens_at, closes_at=closes_at or session.closes_at, step_ns=step
    )


@pytest.fixture(autouse=True)
def _no_halts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_activity, "HALTED_DAYS", 0.0)  # a rare event has a test of its own


def rows_of(steps: list[Snapshots], id_: int) -> dict[str, np.ndarray]:
    columns = {name: np.concatenate([getattr(s, name) for s in steps]) for name in SNAPSHOT_COLUMNS}
    mine = columns.pop("ids") == id_
    return {name: column[mine] for name, column in columns.items()}


def same(left: list[Snapshots], right: list[Snapshots]) -> bool:
    return len(left) == len(right) and all(
        a.at == b.at and all(np.array_equal(getattr(a, n), getattr(b, n)) for n in SNAPSHOT_COLUMNS)
        for a, b in zip(left, right, strict=True)
    )


def minutes(count: float) -> int:
    return SESSION.opens_at + int(count * MINUTE)


@pytest.fixture(scope="module")
def full_day() -> tuple[SyntheticPrices, list[Snapshots]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(day_activity, "HALTED_DAYS", 0.0)
        source = prices(closes_at=SHORT)
    return source, list(source.steps_until(SHORT))


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(-5, 400), max_size=8))
def test_the_same_rows_come_however_advance_is_cut(cuts: list[int]) -> None:
    whole = list(prices("RELIANCE", "SYM0012").steps_until(minutes(6)))
    source = prices("RELIANCE", "SYM0012")
    parts: list[Snapshots] = []
    for cut in sorted(cuts):
        parts += source.steps_until(min(minutes(6), SESSION.opens_at + cut * SECOND))
    parts += source.steps_until(minutes(6))
    assert same(whole, parts)


def test_an_advance_that_is_abandoned_half_way_loses_no_step() -> None:
    whole = list(prices("RELIANCE").steps_until(minutes(2)))
    source = prices("RELIANCE")
    parts = [next(iter(source.steps_until(minutes(2)))) for _ in range(10)]
    assert same(whole, parts + list(source.steps_until(minutes(2))))


def test_a_symbol_has_the_same_day_whatever_else_is_traded(full_day: tuple[SyntheticPrices, list[Snapshots]]) -> None:
    source, steps = full_day
    for symbol in ("RELIANCE", "SYM0039"):
        alone = rows_of(list(prices(symbol, closes_at=SHORT).steps_until(SHORT)), 0)
        among = rows_of(steps, source.universe.id_of(symbol))
        assert len(alone["last"]) > 500
        assert all(np.array_equal(alone[name], among[name]) for name in alone)


def test_the_size_of_the_blocks_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(prices().steps_until(minutes(5)))
    monkeypatch.setattr(synthetic, "BLOCK_CELLS", 7 * len(SYMBOLS))
    assert same(whole, list(prices().steps_until(minutes(5))))


def test_another_seed_or_day_is_another_path_and_another_day_begins_at_another_close() -> None:
    paths = [
        prices("RELIANCE", seed=seed, day=day) for seed, day in ((7, TODAY), (8, TODAY), (7, TODAY + timedelta(days=1)))
    ]
    lasts = [[int(s.last[0]) for s in p.steps_until(p.opens_at + MINUTE)] for p in paths]
    assert len({tuple(last) for last in lasts}) == 3
    assert len({int(p.previous_close[0]) for p in paths}) == 3


def test_steps_are_in_order_inside_the_session_and_the_source_ends(
    full_day: tuple[SyntheticPrices, list[Snapshots]],
) -> None:
    source, steps = full_day
    ats = [s.at for s in steps]
    assert source.is_finished
    assert ats == sorted(set(ats))
    assert (ats[0], ats[-1]) == (SESSION.opens_at, SHORT - SECOND)
    assert all((s.stamps == s.at).all() and (np.diff(s.ids) > 0).all() for s in steps)
    assert not prices("RELIANCE").is_finished


def test_orders_can_be_taken_until_the_close_although_the_last_step_is_over() -> None:
    source = prices("RELIANCE", closes_at=SESSION.opens_at + MINUTE)
    assert len(list(source.steps_until(SESSION.opens_at + MINUTE - 1))) == 60
    assert not source.is_finished
    assert list(source.steps_until(SESSION.opens_at + MINUTE)) == []
    assert source.is_finished


def test_every_symbol_trades_at_every_step_when_asked_and_none_is_halted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_activity, "HALTED_DAYS", 1.0)
    end = SESSION.opens_at + 30 * MINUTE
    source = SyntheticPrices(
        universe_for(SYMBOLS), seed=7, opens_at=SESSION.opens_at, closes_at=end, every_step=True, calendar=CALENDAR
    )
    steps = list(source.steps_until(end))
    assert len(steps) == 30 * 60
    assert all(len(s) == len(SYMBOLS) for s in steps)
    shares = [id_ for id_, symbol in enumerate(SYMBOLS) if symbol != "NIFTY 50"]
    assert all((s.traded[shares] > 0).all() and (s.bids[shares, 0] > 0).all() for s in steps)


def test_the_columns_of_a_row_agree_with_each_other(full_day: tuple[SyntheticPrices, list[Snapshots]]) -> None:
    source, steps = full_day
    tick = np.array([i.price_to_units(i.tick_size) for i in source.universe])
    volume = np.zeros(len(SYMBOLS), dtype=np.int64)
    for s in steps[::7]:
        assert (s.last % tick[s.ids] == 0).all()
        assert ((s.low <= s.last) & (s.last <= s.high) & (s.low <= s.open) & (s.open <= s.high)).all()
        sold = s.volume > 0
        assert ((s.low <= s.average) & (s.average <= s.high))[sold].all()
    for s in steps:
        assert (s.volume == volume[s.ids] + s.traded).all(), "the traded volume is the growth since the row before"
        volume[s.ids] = s.volume


def test_no_price_leaves_the_circuit_limits_and_the_limits_lie_on_ticks_at_ten_percent() -> None:
    for seed in range(4):
        source = prices(seed=seed, step=20 * SECOND)
        tick = np.array([i.price_to_units(i.tick_size) for i in source.universe])
        is_share = np.array([i.is_tradable for i in source.universe])
        lower, upper = source.lower_circuit, source.upper_circuit
        assert ((lower % tick == 0) & (upper % tick == 0)).all()
        assert (lower * 10 >= source.previous_close * 9)[is_share].all()
        assert (upper * 10 <= source.previous_close * 11)[is_share].all()
        for s in source.steps_until(SESSION.closes_at):
            share = is_share[s.ids]
            assert ((lower[s.ids] <= s.low) & (s.high <= upper[s.ids]))[share].all()
            placed = s.bids[:, 4] > 0
            assert (s.bids[placed, 4] >= lower[s.ids[placed]]).all()
            assert (s.asks.max(axis=1) <= upper[s.ids])[share].all()


def test_books_are_ordered_and_not_crossed_and_an_index_has_none(
    full_day: tuple[SyntheticPrices, list[Snapshots]],
) -> None:
    source, steps = full_day
    index = source.universe.id_of("NIFTY 50")
    for s in steps[::11]:
        share = (s.ids != index) & (s.bids[:, 0] > 0)
        bids, asks = s.bids[share], s.asks[share]
        assert (bids[:, 0] < asks[:, 0]).all()
        assert (np.diff(bids) < 0).all()
        assert (np.diff(asks) > 0).all()
        assert (s.bid_quantities[share] >= s.bid_orders[share]).all()
        assert (s.bid_orders[share] >= 1).all()
        of_index = s.ids == index
        assert s.bids[of_index].sum() == s.asks[of_index].sum() == s.traded[of_index].sum() == 0


def test_trades_are_printed_at_the_best_bid_or_ask(full_day: tuple[SyntheticPrices, list[Snapshots]]) -> None:
    _, steps = full_day
    at_bid = at_ask = 0
    for s in steps[::13]:
        k = (s.traded > 0) & (s.bids[:, 0] > 0)
        assert ((s.last == s.bids[:, 0]) | (s.last == s.asks[:, 0]))[k].all()
        at_bid += int((s.last == s.bids[:, 0])[k].sum())
        at_ask += int((s.last == s.asks[:, 0])[k].sum())
    assert 0.9 < at_bid / at_ask < 1.1


def test_liquid_symbols_change_nearly_each_second_and_others_do_not(
    full_day: tuple[SyntheticPrices, list[Snapshots]],
) -> None:
    source, steps = full_day
    counts = np.bincount(np.concatenate([s.ids for s in steps]), minlength=len(SYMBOLS)) / (75 * 60)
    assert counts[source.universe.id_of("RELIANCE")] > 0.97
    thinnest = min((s for s in SYMBOLS if s != "NIFTY 50"), key=turnover_rank)
    assert 0.02 < counts[source.universe.id_of(thinnest)] < 0.6


def test_a_day_is_u_shaped_in_volume_and_swing() -> None:
    volume, swing = np.zeros(375), np.zeros(375)
    for seed in range(8):
        source = prices("RELIANCE", "TCS", seed=seed, step=10 * SECOND)
        for _ in source.steps_until(SESSION.closes_at):
            pass
        for id_ in (0, 1):
            bars = source.bar_series(id_, interval_ns=MINUTE, start_at=SESSION.opens_at, end_at=SESSION.closes_at)
            volume += bars.volume
            swing += (bars.high - bars.low) / bars.close
    for shape in (volume, swing):
        first, middle, final = shape[:30].mean(), shape[150:240].mean(), shape[-15:].mean()
        assert first > 1.3 * middle
        assert final > 1.15 * middle


def test_symbols_move_with_the_market() -> None:
    symbols = ("RELIANCE", "TCS", "INFY", "HDFCBANK", "SBIN", "NIFTY 50")
    source = prices(*symbols, step=5 * SECOND)
    for _ in source.steps_until(SESSION.closes_at):
        pass
    closes = [
        source.bar_series(i, interval_ns=MINUTE, start_at=SESSION.opens_at, end_at=SESSION.closes_at).close
        for i in range(6)
    ]
    returns = np.diff(np.log(np.array(closes, dtype=np.float64)))
    correlation = np.corrcoef(returns)[:5, 5]
    assert (correlation > 0.15).all()
    assert (correlation < 0.95).all()


def test_a_fast_average_crosses_a_slow_one_several_times_a_day() -> None:
    crosses = []
    for seed in range(6):
        source = prices("RELIANCE", seed=seed, step=10 * SECOND)
        for _ in source.steps_until(SESSION.closes_at):
            pass
        bars = source.bar_series(0, interval_ns=MINUTE, start_at=SESSION.opens_at, end_at=SESSION.closes_at)
        fast = slow = float(bars.close[0])
        signs = []
        for close in bars.close:
            fast, slow = fast + (close - fast) * 2 / 13, slow + (close - slow) * 2 / 27
            signs.append(fast > slow)
        crosses.append(sum(a != b for a, b in pairwise(signs)))
    assert min(crosses) >= 2
    assert max(crosses) <= 40


def test_a_halted_symbol_shows_one_empty_book_then_nothing_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_activity, "HALTED_DAYS", 1.0)
    steps = list(prices("RELIANCE", closes_at=SHORT).steps_until(SHORT))
    empty = [k for k, s in enumerate(steps) if s.bids[0, 0] == 0]
    assert len(empty) == 1
    assert steps[empty[0]].asks.sum() == steps[empty[0]].traded.sum() == steps[empty[0]].buy_quantity.sum() == 0
    pause = steps[empty[0] + 1].at - steps[empty[0]].at
    assert 3 * MINUTE <= pause <= 11 * MINUTE


def test_before_the_open_every_instrument_stands_at_its_previous_close() -> None:
    source = prices()
    opening = source.opening_snapshot()
    assert opening.ids.tolist() == list(range(len(SYMBOLS)))
    assert (opening.last == source.previous_close).all()
    assert opening.volume.sum() == opening.bids.sum() == 0
    assert (opening.stamps < SESSION.opens_at).all()


def test_rows_cannot_be_changed_by_who_receives_them() -> None:
    step = next(iter(prices("RELIANCE").steps_until(SESSION.opens_at)))
    with pytest.raises(ValueError, match="read-only"):
        step.last[0] = 1


@pytest.mark.parametrize("step", [0, 7 * SECOND, 2 * MINUTE])
def test_a_step_that_does_not_fit_is_refused(step: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        prices("RELIANCE", step=step)


def bars_of(source: SyntheticPrices, interval: int, *, days: int = 0, id_: int = 0) -> BarSeries:
    return source.bar_series(
        id_, interval_ns=interval, start_at=SESSION.opens_at - days * DAY, end_at=SESSION.closes_at
    )


def test_history_ends_at_the_previous_close_on_the_day_before() -> None:
    source = prices()
    yesterday = session_of(CALENDAR.previous_trading_day(TODAY))
    for id_ in range(len(SYMBOLS)):
        bars = bars_of(source, MINUTE, days=4, id_=id_)
        assert bars.starts[-1] == yesterday.closes_at - MINUTE
        assert bars.close[-1] == source.previous_close[id_]


def test_history_is_the_same_whoever_asks_and_whichever_session_asks() -> None:
    later = prices("TCS", "RELIANCE", day=CALENDAR.next_trading_day(TODAY))
    start, end = SESSION.opens_at - 9 * DAY, SESSION.opens_at - DAY
    left = prices("RELIANCE").bar_series(0, interval_ns=MINUTE, start_at=start, end_at=end)
    right = later.bar_series(1, interval_ns=MINUTE, start_at=start, end_at=end)
    assert len(left) == 5 * 375
    assert all(
        np.array_equal(getattr(left, n), getattr(right, n))
        for n in ("starts", "open", "high", "low", "close", "volume")
    )


def test_longer_bars_are_the_fold_of_the_minutes_they_cover() -> None:
    source = prices("RELIANCE")
    list(source.steps_until(minutes(20)))
    short, long_, daily = (bars_of(source, k, days=6) for k in (MINUTE, 15 * MINUTE, DAY))
    assert (np.diff(short.starts) > 0).all()
    for k in (0, 24, len(long_) - 1):
        inside = (short.starts >= long_.starts[k]) & (short.starts < long_.starts[k] + 15 * MINUTE)
        assert long_.open[k] == short.open[inside][0]
        assert long_.high[k] == short.high[inside].max()
        assert long_.low[k] == short.low[inside].min()
        assert long_.close[k] == short.close[inside][-1]
        assert long_.volume[k] == short.volume[inside].sum()
    assert daily.close[-1] == source.previous_close[0]
    assert (daily.high >= daily.low).all()


@pytest.mark.parametrize(("until", "whole"), [(0.99, 0), (1.0, 1), (5.5, 5), (74.99, 74), (75, 75)])
def test_only_minutes_that_have_ended_are_bars(until: float, whole: int) -> None:
    source = prices("RELIANCE", closes_at=SHORT)
    list(source.steps_until(minutes(until)))
    assert len(bars_of(source, MINUTE)) == whole


def test_todays_bars_are_those_of_the_trades_that_went_out() -> None:
    source = prices("RELIANCE", "SYM0039")
    steps = list(source.steps_until(minutes(12)))
    for id_ in (0, 1):
        bars = bars_of(source, MINUTE, id_=id_)
        trades: dict[int, list[tuple[int, int]]] = {}
        for s in steps:
            for k in np.flatnonzero((s.ids == id_) & (s.traded > 0)):
                if s.at < minutes(12):
                    start = s.at // MINUTE * MINUTE
                    trades.setdefault(start, []).append((int(s.last[k]), int(s.traded[k])))
        assert bars.starts.tolist() == list(trades)
        expected = [
            (t[0][0], max(p for p, _ in t), min(p for p, _ in t), t[-1][0], sum(q for _, q in t))
            for t in trades.values()
        ]
        columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
        assert [tuple(int(c[k]) for c in columns) for k in range(len(bars))] == expected


def test_a_day_bar_starts_at_midnight_and_comes_when_the_session_has_ended() -> None:
    source = prices("RELIANCE")
    list(source.steps_until(SESSION.closes_at - SECOND))
    assert (
        len(source.bar_series(0, interval_ns=DAY, start_at=SESSION.opens_at - DAY // 2, end_at=SESSION.closes_at)) == 0
    )
    steps = list(source.steps_until(SESSION.closes_at))
    bar = source.bar_series(0, interval_ns=DAY, start_at=SESSION.opens_at - DAY // 2, end_at=SESSION.closes_at)
    assert steps == []
    assert bar.starts.tolist() == [SESSION.opens_at - int(9.25 * 3600) * SECOND]


@pytest.mark.parametrize("interval", [0, SECOND, MINUTE + 1, 2 * DAY])
def test_bars_of_another_length_are_refused(interval: int) -> None:
    with pytest.raises(ValueError, match="whole minutes"):
        prices("RELIANCE").bar_series(0, interval_ns=interval, start_at=0, end_at=SESSION.closes_at)


AUCTION_DAY = date(2026, 11, 25)


def test_a_share_with_derivatives_stands_still_from_its_own_close_and_the_others_are_as_ever() -> None:
    until = session_of(AUCTION_DAY).closes_at
    early = until - 15 * MINUTE
    both, alone = prices("RELIANCE", "SYM0001", day=AUCTION_DAY), prices("SYM0001", day=AUCTION_DAY)
    assert both.instrument_closes_at.tolist() == [early, until]

    steps = list(both.steps_until(until))

    assert max(s.at for s in steps if 0 in s.ids) == early - SECOND
    last = rows_of(steps, 0)
    assert last["stamps"].max() == early - SECOND
    assert max(s.at for s in steps if 1 in s.ids) > until - MINUTE
    left, right = rows_of(steps, 1), rows_of(list(alone.steps_until(until)), 0)
    assert all(np.array_equal(left[name], right[name]) for name in left)
    bars = [
        both.bar_series(i, interval_ns=MINUTE, start_at=session_of(AUCTION_DAY).opens_at, end_at=until) for i in (0, 1)
    ]
    assert [int(b.starts[-1]) for b in bars] == [early - MINUTE, until - MINUTE]


def test_the_day_of_an_early_share_is_whole_at_its_close() -> None:
    session = session_of(AUCTION_DAY)
    source = prices("RELIANCE", "SYM0001", day=AUCTION_DAY)
    list(source.steps_until(session.closes_at - 15 * MINUTE))
    counts = [
        len(source.bar_series(i, interval_ns=DAY, start_at=session.opens_at - DAY // 2, end_at=session.closes_at))
        for i in (0, 1)
    ]
    assert counts == [1, 0]


def test_earlier_days_end_with_the_hours_of_their_own_day() -> None:
    source = prices("RELIANCE", "SYM0001", day=date(2026, 8, 5))
    start, end = session_of(date(2026, 7, 31)).opens_at, session_of(date(2026, 8, 5)).opens_at
    lengths = []
    for id_ in (0, 1):
        bars = source.bar_series(id_, interval_ns=MINUTE, start_at=start, end_at=end)
        span = source.bar_series(id_, interval_ns=DAY, start_at=start - DAY // 2, end_at=end)
        lengths.append(
            [int(bars.starts[bars.starts < day + DAY].max() - day) // MINUTE for day in span.starts.tolist()]
        )
    fifteen, half_past = 15 * 60 + 14, 15 * 60 + 29
    assert lengths == [[half_past, fifteen, fifteen], [half_past] * 3]


def test_no_halt_brings_an_instrument_back_after_its_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_activity, "HALTED_DAYS", 1.0)
    names = ("RELIANCE", "TCS", "INFY", "SBIN", "ITC", "LT", "WIPRO", "SYM0001")
    late = 0
    for seed in range(4):
        source = prices(*names, day=AUCTION_DAY, seed=seed, step=MINUTE)
        for step in source.steps_until(source.closes_at):
            late += int((step.at >= source.instrument_closes_at[step.ids]).sum())
    assert late == 0
