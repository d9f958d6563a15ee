"""A run is a pure function of its job and bars; its money adds up; bad strategies and bad bars end in a sentence."""

from __future__ import annotations

import pickle
import re
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.backtest.bars_by_hand import MINUTE, START, WIDE, bars, job, random_bars
from tradebot.backtest.job import Bill, Costs, TradingHours
from tradebot.backtest.run import run_backtest
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.errors import DataError
from tradebot.strategies.loading import StrategySpec, load_strategy


def decider(body: str) -> StrategySpec:
    code = f"from tradebot.strategies.strategy import Strategy\n\n\nclass Odd(Strategy):\n    seen = 0\n{body}\n"
    return StrategySpec(name="odd", reference="odd.py:Odd", code=code)


def test_the_same_job_gives_the_same_hash_and_another_one_another() -> None:
    series = {"ACME": random_bars(3, 2_000)}
    asked = job(load_strategy("ema_cross", {"trend": 0.0}))

    first, again = run_backtest(asked, series), run_backtest(pickle.loads(pickle.dumps(asked)), series)
    other = run_backtest(msgspec.structs.replace(asked, strategies=(load_strategy("ema_cross"),)), series)

    assert first.counts["fills"] > 20
    assert first.orders_hash == again.orders_hash
    assert first.orders_hash != other.orders_hash


def test_the_last_equity_is_the_cash_and_what_the_round_trips_won() -> None:
    asked = job(load_strategy("ema_cross", {"trend": 0.0}), costs=Costs(bill=Bill.INDIA))

    result = run_backtest(asked, {"ACME": random_bars(3, 2_000)})

    trades = result.trade_rows
    is_open = result.fill_rows.quantity.sum() % 2  # every order fills whole: an odd number of fills leaves one open
    assert len(trades) == result.counts["fills"] // 2
    if not is_open:
        assert result.equity_units[-1] == 100_000_00 + int((trades.gross - trades.charges).sum())
    assert trades.charges.min() > 0


def test_values_too_large_for_exact_integers_are_refused() -> None:
    fine = Instrument(symbol="ACME", price_decimals=2, quantity_decimals=15, lot_size=Decimal("1e-15"))
    asked = job(load_strategy("ema_cross", {"trend": 0.0}), instruments=(fine,), cash=Decimal(10))

    with pytest.raises(DataError, match="too large to be counted exactly; give its instrument fewer decimals"):
        run_backtest(asked, {"ACME": random_bars(3, 2_000)})


def test_equity_is_marked_at_every_close() -> None:
    spec = decider(
        "    def decide(self, bar, now, position):\n"
        "        from tradebot.domain.messages import Action\n"
        "        from tradebot.strategies.strategy import Intent\n"
        "        return Intent(action=Action.ENTER_LONG, quantity=10) if bar.start == " + str(START) + " else None"
    )

    result = run_backtest(job(spec), {"ACME": bars((100, 100, 100, 100), (101, 103, 101, 102), (102, 105, 102, 104))})

    assert result.equity.tolist() == [100_000, 100_010, 100_030]


def test_bars_before_the_beginning_warm_up_and_do_not_trade() -> None:
    series = random_bars(5, 1_000)
    begin = int(series.starts[400])
    asked = job(load_strategy("ema_cross", {"trend": 0.0}), begin=begin, end=int(series.starts[900]))

    result = run_backtest(asked, {"ACME": series})
    cold = run_backtest(
        job(load_strategy("ema_cross", {"trend": 0.0})),
        {"ACME": BarSeries(symbol="ACME", interval=MINUTE, **{
            name: getattr(series, name)[400:900] for name in ("starts", "open", "high", "low", "close", "volume")
        })},
    )  # fmt: skip

    assert len(result.equity_at) == 500
    assert result.order_rows.decided_at.min() > begin
    assert result.order_rows.decided_at.min() < cold.order_rows.decided_at.min()


def test_a_beginning_in_the_middle_of_a_day_trades_that_day() -> None:
    series = random_bars(5, 1_000)
    asked = job(load_strategy("ema_cross", {"trend": 0.0}), begin=int(series.starts[400]))

    sparse, dense = (
        run_backtest(asked, {"ACME": series}),
        run_backtest(msgspec.structs.replace(asked, every_bar=True), {"ACME": series}),
    )

    assert sparse.counts["denied"] == 0
    assert sparse.counts["fills"] > 5
    assert sparse.orders_hash == dense.orders_hash


def test_positions_are_closed_before_the_end_of_the_indian_session() -> None:
    opens = 1_704_080_700 * SECOND  # 2024-01-01 09:15 IST, a Monday
    whole = random_bars(8, 375)
    columns = {name: getattr(whole, name) for name in ("open", "high", "low", "close", "volume")}
    series = BarSeries(
        symbol="ACME", interval=MINUTE, starts=opens + MINUTE * np.arange(375, dtype=np.int64), **columns
    )
    spec = decider(
        "    def decide(self, bar, now, position):\n"
        "        from tradebot.domain.messages import Action\n"
        "        from tradebot.strategies.strategy import Intent\n"
        "        return Intent(action=Action.ENTER_LONG, quantity=10)"
    )

    fills = run_backtest(job(spec, hours=TradingHours(market="nse")), {"ACME": series}).fills

    assert fills["purpose"].tolist() == ["entry", "flatten"]
    assert fills["ts"].dt.strftime("%H:%M").tolist() == ["09:16", "15:10"]


def test_a_day_that_lost_its_limit_ends_entries_until_the_next_session() -> None:
    spec = decider(
        "    def decide(self, bar, now, position):\n"
        "        from tradebot.domain.messages import Action\n"
        "        from tradebot.strategies.strategy import Intent\n"
        "        return Intent(action=Action.ENTER_LONG, quantity=10, stop_loss=float(bar.close) - 1)"
    )
    falling = [(100 - k, 100 - k, 98 - k, 99 - k) for k in range(20)]
    day_and_more = BarSeries(
        symbol="ACME", interval=MINUTE, starts=START + MINUTE * np.array([*range(10), *range(1440, 1450)]),
        **{name: getattr(bars(*falling), name) for name in ("open", "high", "low", "close", "volume")},
    )  # fmt: skip
    loss = Decimal(45)
    asked = job(spec, limits=msgspec.structs.replace(WIDE, max_daily_loss=loss))
    asked = msgspec.structs.replace(asked, desk=msgspec.structs.replace(asked.desk, max_daily_loss=loss))

    orders = run_backtest(asked, {"ACME": day_and_more}).orders
    alone = run_backtest(msgspec.structs.replace(asked, resumes_daily=False), {"ACME": day_and_more}).orders

    denied = orders[orders["state"] == "DENIED"]
    assert denied["reason"].str.startswith("halt: ").all()
    filled_on = set(orders[orders["state"] == "FILLED"]["decided_at"].dt.day)
    assert len(filled_on) == 2
    assert alone.equals(orders)  # what a rule called for the session needs no operator to end


def test_a_strategy_that_raises_on_bar_7_is_switched_off_and_named() -> None:
    spec = decider(
        "    def decide(self, bar, now, position):\n"
        "        self.seen += 1\n"
        "        if self.seen == 7:\n"
        "            raise ValueError('seven is too much')"
    )

    result = run_backtest(job(spec), {"ACME": random_bars(1, 50)})

    assert result.faults == (
        "odd was switched off for ACME: ValueError: seven is too much (line 9) at bar 7, 2024-01-01T05:36:00+05:30",
    )
    assert len(result.equity_at) == 50


def test_a_strategy_that_loops_for_ever_meets_its_time_limit() -> None:
    spec = decider("    def decide(self, bar, now, position):\n        while True:\n            pass")

    result = run_backtest(job(spec, time_limit_s=0.05), {"ACME": random_bars(1, 5)})

    (fault,) = result.faults
    assert re.match(r"odd was switched off for ACME: TooSlow: took longer than 0.05 s \(line [67]\) at bar 1, ", fault)


def test_a_strategy_in_pandas_trades_as_its_frame_says() -> None:
    code = (
        "from tradebot.strategies.frame_strategy import FrameStrategy\n\n\n"
        "class Above(FrameStrategy):\n"
        "    def signals(self, df):\n"
        "        mean = df['close'].rolling(5).mean()\n"
        "        df['enter_long'] = (df['close'] > mean) & (df['close'].shift() <= mean.shift())\n"
        "        df['exit_long'] = (df['close'] < mean) & (df['close'].shift() >= mean.shift())\n"
        "        return df\n"
    )
    spec = StrategySpec(name="above", reference="above.py:Above", code=code)

    result = run_backtest(job(spec), {"ACME": random_bars(2, 300)})

    assert result.faults == ()
    assert result.counts["fills"] > 20


def test_a_strategy_in_pandas_that_raises_is_named_with_its_line() -> None:
    code = (
        "from tradebot.strategies.frame_strategy import FrameStrategy\n\n\n"
        "class Above(FrameStrategy):\n"
        "    def signals(self, df):\n"
        "        return df['nothere']\n"
    )

    result = run_backtest(
        job(StrategySpec(name="above", reference="above.py:Above", code=code)), {"ACME": random_bars(2, 300)}
    )

    assert result.faults == ("above was switched off for ACME: KeyError: 'nothere' (line 6)",)


@pytest.mark.parametrize("count", [0, 1])
def test_no_bars_and_one_bar_give_an_empty_record(count: int) -> None:
    result = run_backtest(job(), {"ACME": random_bars(1, count)})

    assert (len(result.orders), len(result.fills), len(result.trades)) == (0, 0, 0)
    assert result.equity.tolist() == [100_000.0] * count


def _twice(series: BarSeries) -> BarSeries:
    return msgspec.structs.replace(series, starts=series.starts // (2 * MINUTE) * (2 * MINUTE))


def _backwards(series: BarSeries) -> BarSeries:
    return msgspec.structs.replace(series, starts=series.starts[::-1].copy())


def _free(series: BarSeries) -> BarSeries:
    return msgspec.structs.replace(series, low=np.where(np.arange(len(series)) == 3, 0, series.low))


def _inside_out(series: BarSeries) -> BarSeries:
    return msgspec.structs.replace(series, high=np.where(np.arange(len(series)) == 3, series.low, series.high))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_twice, "bars 0 and 1 of ACME stand twice"),
        (_backwards, "of ACME are not in order"),
        (_free, "ACME has a price of 0 or less in bar 3"),
        (_inside_out, "bar 3 of ACME has an open or close outside its low and high"),
    ],
)
def test_bars_that_no_market_made_are_refused_by_name(spoil: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        run_backtest(job(), {"ACME": spoil(random_bars(1, 50))})


def test_bars_at_an_odd_address_trade_as_others() -> None:
    # given columns that begin one byte into their memory, as a network may bring them
    def shifted(column: Any) -> Any:
        return np.frombuffer(b"\0" + column.tobytes(), dtype=np.int64, offset=1)

    series = random_bars(1, 300)
    names = ("starts", "open", "high", "low", "close", "volume")
    moved = msgspec.structs.replace(series, **{name: shifted(getattr(series, name)) for name in names})

    assert run_backtest(job(), {"ACME": moved}).orders_hash == run_backtest(job(), {"ACME": series}).orders_hash
