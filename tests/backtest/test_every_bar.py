"""Walking only the bars where something can happen gives what walking every bar gives, over random rules and bars."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backtest.bars_by_hand import DESK, WIDE, bars, job, random_bars
from tests.backtest.random_runs import CODE, comparable, matchings, run_both_ways, specs
from tradebot.backtest.job import Bill, Costs, TradingHours
from tradebot.backtest.run import run_backtest
from tradebot.domain.market import BarSeries
from tradebot.domain.order import OrderKind
from tradebot.strategies.loading import StrategySpec


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_one_symbol_gives_the_same_with_every_bar(data: st.DataObject) -> None:
    draw = data.draw
    desk = msgspec.structs.replace(
        DESK,
        order_kind=draw(st.sampled_from([OrderKind.MARKET, OrderKind.LIMIT])),
        protection_pct=Decimal(draw(st.sampled_from(["0.1", "5"]))),
        max_daily_loss=Decimal(draw(st.sampled_from([60, 10**9]))),
    )
    asked = job(
        draw(specs()),
        desk=desk,
        limits=msgspec.structs.replace(WIDE, max_daily_loss=desk.max_daily_loss, allow_short=draw(st.booleans())),
        matching=draw(matchings()),
        costs=Costs(bill=draw(st.sampled_from([Bill.NONE, Bill.INDIA]))),
        hours=TradingHours(market=draw(st.sampled_from(["always", "nse"]))),
    )
    series = random_bars(draw(st.integers(0, 10**6)), draw(st.integers(1, 900)))
    first = draw(st.integers(0, len(series) - 1))
    if draw(st.booleans()):
        asked = msgspec.structs.replace(asked, begin=int(series.starts[first]))

    sparse, dense = run_both_ways(asked, {"ACME": series})

    assert comparable(sparse) == comparable(dense)
    assert sparse.orders_hash == dense.orders_hash
    assert dense.counts["visited"] == dense.counts["bars"] == len(dense.equity_at)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_several_symbols_of_one_account_give_the_same_with_every_bar(data: st.DataObject) -> None:
    draw = data.draw
    symbols = ("ACME", "BOLT", "CRAB")
    series = {}
    for symbol in symbols:
        whole = random_bars(draw(st.integers(0, 10**6)), 400, symbol=symbol)
        kept = np.random.default_rng(draw(st.integers(0, 99))).random(400) < draw(st.sampled_from([1.0, 0.7]))
        kept[5] = True
        columns = {name: getattr(whole, name)[kept] for name in ("starts", "open", "high", "low", "close", "volume")}
        series[symbol] = BarSeries(symbol=symbol, interval=whole.interval, **columns)
    loss = Decimal(draw(st.sampled_from([100, 10**9])))
    asked = job(
        draw(specs()),
        symbols=symbols,
        desk=msgspec.structs.replace(DESK, max_daily_loss=loss),
        limits=msgspec.structs.replace(
            WIDE,
            max_daily_loss=loss,
            max_gross_notional=Decimal(draw(st.sampled_from([15_000, 10**9]))),
            orders_per_minute=draw(st.sampled_from([2, 10**6])),
            stale_after_s=draw(st.sampled_from([5, 10**9])),
        ),
        matching=draw(matchings()),
    )

    sparse, dense = run_both_ways(asked, series)

    assert comparable(sparse) == comparable(dense)


AT_101 = """
from tradebot.strategies.strategy import Rules, Strategy


class At101(Strategy):
    def rules(self, bars):
        return Rules(enter_long=(bars.close > 100.5) & (bars.close < 101.5), exit_long=bars.close > 110)
"""


@pytest.mark.parametrize("others", [(), ("BOLT",)])
def test_a_loss_behind_a_close_that_came_within_a_paisa_of_the_limit_is_seen(others: tuple[str, ...]) -> None:
    closes = [99, 101, 100, 99.5, 90, 99, 111, 99, 101, 100, 100]
    limit = Decimal("49.51")  # 99 shares of 100 rupees lose 49.50 at the fourth close
    asked = job(
        StrategySpec(name="at", reference="at.py:At101", code=AT_101),
        desk=msgspec.structs.replace(DESK, max_daily_loss=limit),
        limits=msgspec.structs.replace(WIDE, max_daily_loss=limit),
        symbols=("ACME", *others),
    )
    series = bars(
        *((before, max(before, c), min(before, c), c) for before, c in zip([99, *closes], closes, strict=False))
    )
    series.open[2] = 10_000

    still = {symbol: bars(*[(50, 50, 50, 50)] * len(closes), symbol=symbol) for symbol in others}

    sparse, dense = run_both_ways(asked, {"ACME": series, **still})

    assert comparable(sparse) == comparable(dense)
    assert dense.counts["fills"] == 2
    assert dense.orders["state"].tolist()[-1] == "DENIED"


@pytest.mark.parametrize("seed", range(3))
def test_the_walk_leaves_out_most_bars_of_a_strategy_that_seldom_trades(seed: int) -> None:
    spec = StrategySpec(name="drawn", reference="drawn.py:Drawn", params={"fast": 5, "slow": 30}, code=CODE)

    result = run_backtest(job(spec), {"ACME": random_bars(seed, 3_000)})

    assert result.counts["fills"] > 50
    assert result.counts["visited"] < 1_200


@pytest.mark.parametrize("others", [(), ("BOLT",)])
@pytest.mark.parametrize(("does", "exits_at"), [("close", [9_740]), ("halt", [11_100])])
def test_a_day_that_loses_one_and_a_half_times_its_limit_is_closed_at_the_next_open(
    does: str, exits_at: list[int], others: tuple[str, ...]
) -> None:
    closes = [99, 101, 101, 98.5, 97.4, 96.5, 96, 111, 111]  # 99 shares: -247.50, -356.40 and the next open
    desk = msgspec.structs.replace(DESK, max_daily_loss=Decimal(200), on_daily_loss=does)
    asked = job(
        StrategySpec(name="at", reference="at.py:At101", code=AT_101),
        desk=desk,
        limits=msgspec.structs.replace(WIDE, max_daily_loss=Decimal(200)),
        symbols=("ACME", *others),
    )
    rows = zip([99, *closes], closes, strict=False)
    series = {"ACME": bars(*((o, max(o, c), min(o, c), c) for o, c in rows))}
    still = {symbol: bars(*[(50, 50, 50, 50)] * len(closes), symbol=symbol) for symbol in others}

    sparse, dense = run_both_ways(asked, series | still)

    assert comparable(sparse) == comparable(dense)
    assert sparse.fill_rows.price.tolist() == [10_100, *exits_at]
