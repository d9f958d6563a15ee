"""Fills where only bars are known: opens, gaps, stops before targets, slippage, latency, volume; each case by hand."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np
import pytest

from tests.backtest.bars_by_hand import bars, job
from tests.backtest.one_trade import CODE, FLAT, once, prices, purposes
from tradebot.backtest import honesty_checks
from tradebot.backtest.check import CheckVerdict
from tradebot.backtest.result import Result
from tradebot.backtest.run import run_backtest
from tradebot.domain.order import OrderKind
from tradebot.exchange.bar_matching import BarFillModel
from tradebot.exchange.slippage import Slippage
from tradebot.strategies.loading import StrategySpec


def test_an_order_of_one_close_fills_at_the_next_open() -> None:
    result = once((101, 103, 99, 102), (104, 105, 103, 104), (106, 106, 106, 106), leaves=2)

    assert prices(result) == [101, 104]
    assert result.trades["net"].tolist() == [30.0]
    assert result.trades["bars"].tolist() == [1]


def test_a_stop_inside_the_bar_fills_at_its_price() -> None:
    result = once((100, 101, 99, 100), (100, 101, 97, 98), stop=98.0)

    assert prices(result) == [100, 98]
    assert purposes(result) == ["entry", "stop"]


def test_a_bar_that_opens_beyond_the_stop_fills_it_at_the_open() -> None:
    result = once((100, 101, 99, 100), (95, 97, 94, 96), stop=98.0)

    assert prices(result) == [100, 95]


def test_of_a_stop_and_a_target_in_one_bar_the_stop_counts() -> None:
    result = once((100, 101, 99, 100), (100, 103, 97, 102), stop=98.0, target=102.0)

    assert prices(result) == [100, 98]
    assert purposes(result) == ["entry", "stop"]


def test_a_target_alone_fills_at_its_price_and_at_an_open_beyond_it() -> None:
    assert prices(once((100, 101, 99, 100), (100, 103, 99, 102), target=102.0)) == [100, 102]
    assert prices(once((100, 101, 99, 100), (103, 104, 99, 102), target=102.0)) == [100, 103]


def test_the_bar_of_the_entry_may_touch_the_stop() -> None:
    result = once((100, 101, 97, 100), (100, 101, 99, 100), stop=98.0)

    assert prices(result) == [100, 98]
    assert result.trades["bars"].tolist() == [0]


def test_a_trailing_stop_follows_the_high_and_not_one_that_comes_later_in_the_bar() -> None:
    rising = [(100, 104, 100, 104), (104, 108, 103, 108), (108, 109, 102.5, 103)]

    assert prices(once(*rising, trail=5.0)) == [100, 103]


def test_a_trailing_stop_ends_on_the_way_from_the_high_to_the_close() -> None:
    assert prices(once((100, 110, 100, 104), trail=5.0)) == [100, 105]


def test_a_short_is_the_mirror_of_a_long() -> None:
    assert prices(once((100, 101, 99, 100), (100, 103, 97, 98), stop=102.0, target=98.0, short=True)) == [100, 102]
    assert prices(once((100, 101, 99, 100), (106, 107, 105, 106), stop=102.0, short=True)) == [100, 106]
    assert prices(once((100, 100, 90, 96), trail=5.0, short=True)) == [100, 95]


@pytest.mark.parametrize(
    ("model", "bought", "sold"),
    [
        ("none", 100, 98),
        ("2ticks", 100.1, 97.9),
        ("10bps", 100.1, 97.9),
        ("spread:0.2", 100.1, 97.9),
        ("volume:50", 100.05, 97.95),
    ],
)
def test_slippage_moves_the_price_against_the_order_and_onto_the_tick(model: str, bought: float, sold: float) -> None:
    matching = BarFillModel(slippage=Slippage.parse(model))

    result = once((100, 101, 99, 100), (100, 101, 97, 98), stop=98.0, matching=matching)

    assert prices(result) == [bought, sold]


def test_slippage_does_not_pass_the_protection_of_a_market_order() -> None:
    matching = BarFillModel(slippage=Slippage.parse("300bps"))

    assert prices(once((100, 101, 99, 100), matching=matching, protection="2")) == [102]


def test_latency_in_bars_lets_opens_pass() -> None:
    result = once((101, 101, 101, 101), (102, 102, 102, 102), (103, 103, 103, 103),
                  matching=BarFillModel(latency_bars=1))  # fmt: skip

    assert prices(result) == [102]


def test_an_order_under_way_when_the_bar_opens_waits_for_the_next_open() -> None:
    rows = [(101, 101, 101, 101), (102, 102, 97, 98), (96, 96, 96, 96)]

    assert prices(once(*rows, matching=BarFillModel(latency_s=0.2))) == [102]
    assert prices(once(*rows, matching=BarFillModel(latency_s=0.2), stop=99.0)) == [102, 96]


def test_a_large_order_takes_its_share_of_the_volume_and_its_rest_is_taken_back() -> None:
    matching = BarFillModel(participation=Decimal("0.1"))

    result = once(FLAT, FLAT, matching=matching, quantity=25.0, volume=100)

    assert result.fill_rows.quantity.tolist() == [10]
    assert result.orders["state"].tolist() == ["CANCELED"]


def test_an_exit_larger_than_the_volume_is_sent_again_until_it_is_through() -> None:
    matching = BarFillModel(participation=Decimal("0.01"))

    result = once(FLAT, *[FLAT] * 8, matching=matching, quantity=10.0, volume=1_000, leaves=2)
    thin = once(
        FLAT, *[FLAT] * 8, matching=BarFillModel(participation=Decimal("0.1")), quantity=10.0, leaves=2, volume=40
    )

    assert result.fill_rows.quantity.tolist() == [10, 10]
    assert thin.fill_rows.quantity.tolist() == [4, 4]
    assert thin.trades["qty"].tolist() == [4.0]


def test_a_limit_fills_where_the_price_goes_through_it_and_not_where_it_only_touches() -> None:
    touched = once((103, 103, 101, 103), kind=OrderKind.LIMIT, protection="1")
    through = once((103, 103, 100.95, 103), kind=OrderKind.LIMIT, protection="1")
    better = once((100.5, 103, 100, 103), kind=OrderKind.LIMIT, protection="1")

    assert (prices(touched), prices(through), prices(better)) == ([], [101], [100.5])


def test_a_stop_is_touched_on_the_way_on_from_a_limit_that_filled_inside_the_bar() -> None:
    result = once((103, 103, 97, 103), kind=OrderKind.LIMIT, protection="1", stop=99.0)

    assert purposes(result) == ["entry", "stop"]
    assert prices(result) == [101, 99]


@pytest.mark.parametrize("every_bar", [True, False])
@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        ({"stop": 101.0}, "the stop 101.0 of a BUY is not below the reference 100.00"),
        ({"stop": 99.0, "short": True}, "the stop 99.0 of a SELL is not above the reference 100.00"),
        ({"stop": 0.01}, "the stop rounds to 0.00, which is no price; the reference is 100.00"),
        ({"stop": 49.0}, "the stop 49.0 is 51.00% from the reference 100.00, above max_stop_pct 50"),
        ({"target": 98.0}, "the target 98.0 of a BUY is not above the reference 100.00"),
        ({"trail": 0.01}, "the distance of the trailing stop rounds to 0.00: it would fire at once"),
    ],
)  # fmt: skip
def test_an_entry_whose_guard_cannot_guard_is_refused_and_the_checks_name_the_strategy(
    levels: dict[str, float], reason: str, *, every_bar: bool
) -> None:
    spec = StrategySpec(name="once", reference="once.py:Once", params=levels, code=CODE)
    series = {"ACME": bars(FLAT, FLAT, (100, 103, 97, 102), FLAT)}

    result = run_backtest(job(spec, every_bar=every_bar), series)

    assert len(result.fill_rows) == 0
    assert result.orders["reason"].tolist() == [f"protection: {reason}"]
    assert [(d.control, d.strategy, d.count) for d in result.denials] == [("protection", "once", 1)]
    check = honesty_checks.check_protection(result)
    assert check.verdict is CheckVerdict.FAIL
    assert "once" in check.text
    assert reason in check.text
    assert honesty_checks.check_protection(once(FLAT, stop=98.0)).verdict is CheckVerdict.PASS


def still(volumes: list[int], *closes: float, every_bar: bool = False, **params: object) -> Result:
    """Enter at the first close; of the bars some traded nothing."""
    spec = StrategySpec(name="once", reference="once.py:Once", params=params, code=CODE)
    series = bars(*((p, p, p, p) for p in closes))
    series = msgspec.structs.replace(series, volume=np.array(volumes, dtype=np.int64))
    return run_backtest(job(spec, every_bar=every_bar), {"ACME": series})


@pytest.mark.parametrize("every_bar", [False, True])
def test_an_exit_waits_for_the_next_bar_in_which_something_trades(every_bar: bool) -> None:
    result = still([9, 9, 0, 0, 9, 9], 100, 100, 100, 100, 70, 60, leaves=2, every_bar=every_bar)

    assert (prices(result), purposes(result)) == ([100, 70], ["entry", "exit"])
    assert (result.counts["waited"], result.counts["orders"]) == (1, 2)


def test_a_stop_that_a_price_without_trades_touches_takes_the_next_trade() -> None:
    result = still([9, 9, 0, 9], 100, 100, 90, 70, stop=95.0)

    assert (prices(result), purposes(result)) == ([100, 70], ["entry", "stop"])


def test_an_entry_that_finds_no_trade_is_taken_back_as_it_is_live() -> None:
    result = still([9, 0, 9, 9], 100, 100, 100, 100)

    assert result.orders["state"].tolist() == ["CANCELED"]
    assert result.counts["waited"] == 1


def test_bars_without_any_volume_are_data_without_volumes() -> None:
    result = still([0, 0, 0, 0], 100, 100, 100, 70, leaves=2)

    assert (prices(result), result.counts["waited"]) == ([100, 100], 0)
