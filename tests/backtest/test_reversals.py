"""A close that says exit and enter the other side: the entry follows at the open that made the position flat."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.backtest.bars_by_hand import DESK, MINUTE, START, bars, job
from tradebot.backtest.job import TradingHours
from tradebot.backtest.result import Result
from tradebot.backtest.run import run_backtest
from tradebot.clock import SECOND
from tradebot.domain.market import BarSeries
from tradebot.domain.order import OrderKind
from tradebot.exchange.bar_matching import BarFillModel
from tradebot.strategies.loading import StrategySpec

CODE = '''"""Always in the market, on the side of 100 on which the price closed; `mirrored`, on the other."""
from tradebot.indicators.expressions import crossed_above, crossed_below
from tradebot.strategies.strategy import Param, Rules, Strategy


class Sides(Strategy):
    mirrored, stop = Param(False), Param(0.0)

    def rules(self, bars):
        up, down = crossed_above(bars.close, 100.0), crossed_below(bars.close, 100.0)
        if self.mirrored:
            up, down = down, up
        return Rules(
            enter_long=up, exit_long=down, enter_short=down, exit_short=up,
            stop_loss=(bars.close - self.stop, bars.close + self.stop) if self.stop else None,
        )
'''
CASE = (99, 101, 103, 99, 97, 95, 101, 104, 104)


def sides(*prices: float, series: BarSeries | None = None, **changes: object) -> Result:
    params = changes.pop("params", {})
    spec = StrategySpec(name="sides", reference="sides.py:Sides", params=params, code=CODE)  # type: ignore[arg-type]
    asked = job(spec, **changes)
    return run_backtest(asked, {"ACME": bars(*((p, p, p, p) for p in prices)) if series is None else series})


def told(result: Result) -> list[tuple[str, str, float, int]]:
    """(side, purpose, price, minute of the fill)"""
    fills = result.fills
    minutes = ((result.fill_rows.at - START) // MINUTE).tolist()
    return list(zip(fills["side"].str.lower(), fills["purpose"].astype(str), fills["price"], minutes, strict=True))


@pytest.mark.parametrize("every_bar", [False, True])
def test_the_reversing_entry_follows_its_exit_at_the_same_open(every_bar: bool) -> None:
    result = sides(*CASE, every_bar=every_bar)

    assert told(result) == [
        ("buy", "entry", 103.0, 2),
        ("sell", "exit", 97.0, 4), ("sell", "entry", 97.0, 4),
        ("buy", "exit", 104.0, 7), ("buy", "entry", 104.0, 7),
    ]  # fmt: skip
    assert result.counts["ignored"] == 1  # the first exit, of nothing
    assert result.counts["late_reversals"] == 0


def test_the_mirror_of_it_is_short_first() -> None:
    result = sides(*CASE, params={"mirrored": True})

    assert [row[:3] for row in told(result)] == [
        ("sell", "entry", 103.0), ("buy", "exit", 97.0), ("buy", "entry", 97.0), ("sell", "exit", 104.0),
        ("sell", "entry", 104.0),
    ]  # fmt: skip


def test_a_stop_of_the_reversing_entry_holds_from_its_first_bar_on() -> None:
    rows = [(p, p, p, p) for p in CASE[:4]] + [(97.0, 101.0, 97.0, 98.0), (98.0, 98.0, 98.0, 98.0)]

    result = sides(series=bars(*rows), params={"stop": 1.5})

    assert told(result)[-2:] == [("sell", "entry", 97.0, 4), ("buy", "stop", 100.5, 4)]


def test_a_market_that_was_shut_between_close_and_open_loses_no_reversal() -> None:
    series = bars(*((p, p, p, p) for p in CASE))
    starts = series.starts.copy()
    starts[4:] += 1440 * MINUTE

    result = sides(series=msgspec.structs.replace(series, starts=starts))

    assert [row[:3] for row in told(result)][1:3] == [("sell", "exit", 97.0), ("sell", "entry", 97.0)]


def test_an_exit_that_fills_too_late_leaves_the_reversal_behind_and_it_is_counted() -> None:
    # The exit may not take less than 99 less 1%, and the next bar stands below that all the time.
    desk = msgspec.structs.replace(DESK, order_kind=OrderKind.LIMIT, protection_pct=Decimal(1))
    result = sides(99, 101, 101.5, 99, 97, 97, 97, desk=desk)

    assert [row[:2] for row in told(result)] == [("buy", "entry"), ("sell", "exit")]
    assert result.counts["late_reversals"] == 1


def test_a_bar_of_latency_moves_both_and_drops_none() -> None:
    result = sides(*CASE, matching=BarFillModel(latency_bars=1))

    assert [row[:2] for row in told(result)] == [("buy", "entry"), ("sell", "exit"), ("sell", "entry"), ("buy", "exit")]
    assert result.counts["late_reversals"] == 0


def test_the_gate_is_asked_when_the_exit_has_filled() -> None:
    series = bars(*((p, p, p, p) for p in CASE[:6]))
    starts = 1_704_167_100 * SECOND + 340 * MINUTE + series.starts - START  # from 14:55 on, 2 January 2024
    starts[4:] += 3 * MINUTE

    result = sides(series=msgspec.structs.replace(series, starts=starts), hours=TradingHours(market="nse"))

    assert result.orders["purpose"].tolist() == ["entry", "exit", "entry"]
    assert result.orders["reason"].tolist()[-1] == "session: the time for new positions is over"
