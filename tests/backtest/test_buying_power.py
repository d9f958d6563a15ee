"""Cash is a limit: an entry is cut to what it pays, and an account that is worth nothing trades no more."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tradebot
from tests.backtest.bars_by_hand import DESK, WIDE, bars, job, random_bars
from tests.backtest.one_trade import prices, purposes
from tests.backtest.random_runs import comparable, matchings, run_both_ways, specs
from tradebot.backtest import metrics
from tradebot.backtest.job import Bill, Costs, TradingHours
from tradebot.backtest.result import Result
from tradebot.backtest.run import run_backtest
from tradebot.domain.messages import Action
from tradebot.exchange.margin import INTRADAY_MARGIN_RATE
from tradebot.strategies.loading import StrategySpec
from tradebot.strategies.strategy import Intent, Strategy

D = Decimal
CODE = '''"""Does at each close what `says` names: L enters long, S short, l and s leave, a dot waits."""
from tradebot.domain.messages import Action
from tradebot.strategies.strategy import Intent, Param, Strategy

ACTIONS = {"L": Action.ENTER_LONG, "S": Action.ENTER_SHORT, "l": Action.EXIT_LONG, "s": Action.EXIT_SHORT}


class Says(Strategy):
    says = Param("")

    def __init__(self):
        self.rest = list(self.says)

    def decide(self, bar, now, position):
        said = self.rest.pop(0) if self.rest else "."
        return Intent(action=ACTIONS[said]) if said in ACTIONS else None
'''


def says(what: str, *closes: float, opens: tuple[float, ...] = (), cash: int = 100_000, notional: int = 100_000,
         symbols: tuple[str, ...] = ("ACME",), **changes: Any) -> Result:  # fmt: skip
    spec = StrategySpec(name="says", reference="says.py:Says", params={"says": what}, code=CODE)
    rows = [(o, max(o, c), min(o, c), c) for o, c in zip(opens or closes, closes, strict=True)]
    desk = msgspec.structs.replace(DESK, order_notional=D(notional), product=changes.pop("product", "MIS"))
    limits = msgspec.structs.replace(WIDE, permitted_products=("MIS", "CNC"))
    asked = job(spec, desk=desk, limits=limits, cash=D(cash), symbols=symbols, **changes)
    return run_backtest(asked, {symbol: bars(*rows, symbol=symbol) for symbol in symbols})


def quantities(result: Result) -> list[float]:
    return result.fills["qty"].tolist()


@pytest.mark.parametrize("every_bar", [False, True])
@pytest.mark.parametrize("product", ["MIS", "CNC"])
def test_what_was_lost_is_not_there_to_be_paid_with(product: str, every_bar: bool) -> None:
    result = says("L.lL.l", 100, 100, 50, 50, 50, 50, 75, product=product, every_bar=every_bar)

    assert prices(result) == [100, 50, 50, 75]
    assert quantities(result) == [1_000, 1_000, 1_000, 1_000]
    assert result.equity.iloc[-1] == 75_000
    assert (result.counts["denied"], result.counts["cut"]) == (0, 1)


def test_a_frame_of_the_same_prices_says_the_same() -> None:
    class BuyAndSell(Strategy):
        def __init__(self) -> None:
            self.rest = list("L.lL.l.")

        def decide(self, bar: Any, now: int, position: Any) -> Intent | None:
            said = self.rest.pop(0)
            return None if said == "." else Intent(Action.ENTER_LONG if said == "L" else Action.EXIT_LONG)

    closes = [100.0, 100, 50, 50, 50, 50, 75]
    days = pd.bdate_range("2024-01-01", periods=7, tz="Asia/Kolkata")
    frame = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), closes) | {"volume": 1_000}, index=days)

    tested = tradebot.backtest(BuyAndSell, frame, order_notional=100_000, commission_pct=0, accept_gaps=True)

    assert tested.equity.iloc[-1] == 75_000


def test_a_size_of_the_close_stays_and_is_cut_to_what_the_open_leaves_of_it() -> None:
    result = says("L", 100, 200, 200, opens=(100, 200, 200))

    assert result.orders["qty"].tolist() == [1_000]
    assert (prices(result), quantities(result), result.counts["cut"]) == ([200], [500], 1)
    assert result.orders["state"].tolist() == ["CANCELED"]


def test_charges_are_paid_out_of_the_same_cash() -> None:
    result = says("L", 100, 100, 100, costs=Costs(bill=Bill.PERCENT, commission_pct=D(1)))

    assert quantities(result) == [990]
    assert result.fills["charges"].sum() == 990


def test_an_entry_is_denied_when_not_one_lot_can_be_paid_and_says_so() -> None:
    result = says("L.lL", 100, 100, 100, 100, 200, cash=100, notional=100, opens=(100, 100, 100, 90, 200))

    assert (quantities(result), result.counts["denied"], result.counts["cut"]) == ([1, 1], 1, 0)
    assert result.orders["reason"].tolist()[-1] == "funds: 90.00 is left, and one lot takes 100.00"
    assert [(denial.control, denial.count) for denial in result.denials] == [("funds", 1)]


def test_intraday_margin_holds_within_the_sessions_of_its_market_alone() -> None:
    assert quantities(says("L", 100, 100, 100, cash=10_000)) == [100]
    from tests.backtest.one_trade import once_at  # bars of a session

    assert 1 / INTRADAY_MARGIN_RATE == 5
    starts = [1_704_167_100_000_000_000 + n * 60_000_000_000 for n in range(3)]
    desk = msgspec.structs.replace(DESK, order_notional=D(10**6))
    found = once_at(*starts, interval=60_000_000_000, market="nse", cash=D(200), closes=(100, 100, 100), desk=desk)
    assert quantities(found) == [10]


def test_of_two_entries_at_one_open_the_symbol_given_first_is_paid_first() -> None:
    for symbols in (("A", "B"), ("B", "A")):
        result = says("L", 100, 100, 100, symbols=symbols, notional=60_000)

        assert result.fills[["symbol", "qty"]].to_numpy().tolist() == [[symbols[0], 600], [symbols[1], 400]]


@pytest.mark.parametrize("every_bar", [False, True])
def test_a_short_that_eats_the_account_is_closed_at_the_first_price_and_trading_ends(every_bar: bool) -> None:
    result = says("S..L", 100, 100, 400, 400, 100, 100, cash=10_000, notional=10_000, every_bar=every_bar)

    assert (prices(result), purposes(result)) == ([100, 400], ["entry", "flatten"])
    assert result.equity.tolist() == [10_000, 10_000, -20_000, -20_000, -20_000, -20_000]
    assert result.notes == (
        "the account was worth nothing at 2024-01-01T05:32:00: everything was closed, and trading ended there",
    )


def test_a_debt_has_no_ratios() -> None:
    days = pd.date_range("2024-01-01", periods=4, freq="D", tz="UTC")
    equity = pd.Series([10_000.0, -20_000, -20_000, -20_000], index=days)
    none = says(".", 100, 100)

    found = metrics.performance_figures(equity, none.trades, none.fills, cash=10_000)

    for name in ("cagr", "volatility", "sharpe", "sortino", "calmar", "value_at_risk", "turnover"):
        assert found[name] is None, name
    assert found["net"] == -30_000


def test_a_ruin_seen_at_a_close_is_closed_at_the_next_open() -> None:
    result = says("S", 100, 100, 250, 240, cash=10_000, notional=10_000, opens=(100, 100, 150, 240))

    assert prices(result) == [100, 240]
    assert result.equity.iloc[-1] == -4_000


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_money_runs_out_at_the_same_bars_when_every_bar_is_walked(data: st.DataObject) -> None:
    draw = data.draw
    names = draw(st.sampled_from([("ACME",), ("ACME", "BETA")]))
    series = {
        name: random_bars(draw(st.integers(0, 10**6)), draw(st.integers(50, 400)), symbol=name, swing=60, gap=40)
        for name in names
    }
    asked = job(
        draw(specs()), symbols=names, matching=draw(matchings()),
        cash=D(draw(st.sampled_from([90, 1_000, 12_000]))),
        costs=Costs(bill=draw(st.sampled_from([Bill.NONE, Bill.INDIA]))),
        hours=TradingHours(market=draw(st.sampled_from(["always", "nse"]))),
    )  # fmt: skip

    sparse, dense = run_both_ways(asked, series)

    assert comparable(sparse) == comparable(dense)
    assert sparse.notes == dense.notes
