"""Position stops by themselves: which level a price reaches, what a trailing stop follows, and what is told of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from tests.trading.desk.gate.gate_contexts import REQUEST
from tradebot.domain.messages import TrailingStopPrices
from tradebot.domain.order import OrderPurpose, OrderRequest, Side
from tradebot.trading.desk.rules.position_stops import REPORT_INTERVAL_NS, LevelHit, PositionStops

D = Decimal


def entry(side: Side = Side.BUY, **levels: Any) -> OrderRequest:
    return replace(REQUEST, side=side, **{name: D(level) for name, level in levels.items()})


def guarded(side: Side = Side.BUY, **levels: Any) -> PositionStops:
    protection = PositionStops(3)
    protection.set_levels(1, entry(side, **levels))
    return protection


def hit(protection: PositionStops, price: str) -> str:
    found = protection.level_reached(1, D(price))
    return "" if found is None else found.purpose.value


@pytest.mark.parametrize(
    ("side", "prices", "hits"),
    [
        (Side.BUY, ("95.05", "109.95", "95"), ["", "", "stop"]), (Side.BUY, ("110",), ["target"]),
        (Side.SELL, ("104.95", "90.05", "105"), ["", "", "stop"]), (Side.SELL, ("90",), ["target"]),
    ],
)  # fmt: skip
def test_a_stop_and_a_target_are_reached_at_their_price(side: Side, prices: tuple[str, ...], hits: list[str]) -> None:
    protection = guarded(side, stop_loss=100 - 5 * side.sign, target=100 + 10 * side.sign)
    assert [hit(protection, price) for price in prices] == hits


@pytest.mark.parametrize(
    ("side", "prices", "hits"),
    [
        (Side.BUY, ("100", "98.05", "105", "104", "103"), ["", "", "", "", "trail"]),
        (Side.SELL, ("100", "101.95", "95", "96", "97"), ["", "", "", "", "trail"]),
    ],
)
def test_a_trailing_stop_follows_the_best_price_at_its_distance(
    side: Side, prices: tuple[str, ...], hits: list[str]
) -> None:
    protection = guarded(side, trail_by=2)
    assert [hit(protection, price) for price in prices] == hits


def test_the_words_of_a_hit_name_the_level_and_the_price() -> None:
    found = guarded(stop_loss="95.50").level_reached(1, D("95.05"))
    assert found == LevelHit(OrderPurpose.STOP, "stop at 95.5, last 95.05")


def test_a_guard_stands_for_its_instrument_alone_until_it_is_cleared_or_an_entry_brings_none() -> None:
    protection = guarded(stop_loss=95)
    assert protection.mask.tolist() == [False, True, False]
    protection.clear_levels(2)
    assert protection.mask.tolist() == [False, True, False]
    protection.clear_levels(1)
    assert protection.mask.tolist() == [False, False, False]
    for level in ("stop_loss", "trail_by", "target"):
        protection.set_levels(1, entry(**{level: 5}))
        assert protection.mask[1], level
    protection.set_levels(1, entry())
    assert (protection.mask.tolist(), protection.protective_levels(1)) == ([False, False, False], None)


def test_a_further_fill_of_one_order_keeps_the_best_price_and_another_order_begins_anew() -> None:
    protection = guarded(trail_by=2)
    hit(protection, "110")
    protection.set_levels(1, entry(trail_by=2))
    assert hit(protection, "108") == "trail"
    protection.set_levels(1, replace(entry(trail_by=2), order_id="T2"))
    assert hit(protection, "108") == ""


def test_what_a_trailing_stop_saw_is_told_once_and_not_too_often() -> None:
    protection = guarded(trail_by=2)
    protection.set_levels(0, replace(entry(stop_loss=1), order_id="T2"))
    protection.level_reached(0, D(50))
    assert protection.trailing_updates(at=5, mono=REPORT_INTERVAL_NS) == (), "a stop that does not trail"
    hit(protection, "110")
    assert protection.trailing_updates(at=5, mono=REPORT_INTERVAL_NS - 1) == ()
    assert protection.trailing_updates(at=5, mono=REPORT_INTERVAL_NS) == (
        TrailingStopPrices(at=5, best_prices={"T1": D(110)}),
    )
    assert protection.trailing_updates(at=6, mono=3 * REPORT_INTERVAL_NS) == (), "nothing moved"
    for price in ("109", "110"):
        hit(protection, price)
        assert protection.moved_ids == set(), price
    hit(protection, "111")
    assert protection.trailing_updates(at=7, mono=2 * REPORT_INTERVAL_NS - 1) == ()
    assert protection.trailing_updates(at=7, mono=2 * REPORT_INTERVAL_NS - 1, every_ns=0) == (
        TrailingStopPrices(at=7, best_prices={"T1": D(111)}),
    )


def test_a_short_follows_lower_prices_alone() -> None:
    protection = guarded(Side.SELL, trail_by=2)
    hit(protection, "90")
    assert protection.trailing_updates(at=5, mono=REPORT_INTERVAL_NS) == (
        TrailingStopPrices(at=5, best_prices={"T1": D(90)}),
    )
    for price in ("91", "90"):
        hit(protection, price)
        assert protection.moved_ids == set(), price


def test_a_desk_without_a_restart_to_outlive_notes_nothing() -> None:
    protection = guarded(trail_by=2)
    protection.reports_trailing = False
    hit(protection, "110")
    assert protection.moved_ids == set()


def test_what_moved_is_not_told_of_a_guard_that_is_gone() -> None:
    protection = guarded(trail_by=2)
    hit(protection, "110")
    protection.clear_levels(1)
    assert protection.trailing_updates(at=5, mono=REPORT_INTERVAL_NS) == ()


def test_best_prices_of_an_earlier_run_are_taken_by_the_order_and_seen_in_the_levels() -> None:
    protection = guarded(stop_loss=90, trail_by=2, target=120)
    hit(protection, "100")
    protection.restore_best({"T0": D(500)})
    levels = protection.protective_levels(1)
    assert levels is not None
    assert levels == (True, 90, 2, 120, 100)
    assert levels.current_levels == {"stop": 90, "trail": 98, "target": 120}
    protection.restore_best({"T1": D(110)})
    assert protection.protective_levels(1) == (True, 90, 2, 120, 110)
    protection.update_best(1, D(115))
    assert protection.protective_levels(1) == (True, 90, 2, 120, 115)


def test_levels_of_a_short_and_of_a_guard_that_saw_nothing_yet() -> None:
    protection = guarded(Side.SELL, trail_by=2)
    levels = protection.protective_levels(1)
    assert levels is not None
    assert levels.current_levels == {}
    hit(protection, "100")
    levels = protection.protective_levels(1)
    assert levels is not None
    assert levels.current_levels == {"trail": 102}
