"""Positions: a symbol that is held in two products shows one that is open, and each line keeps its own count."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from tests.domain.order_events import execution
from tradebot.domain.order import Side
from tradebot.domain.position_key import PositionKey
from tradebot.trading.desk.book.positions import Positions

D = Decimal
MIS, CNC = ("NSE", "AAA", "MIS"), ("NSE", "AAA", "CNC")


def trade(positions: Positions, product: str, signed: int, *, symbol: str = "AAA", exchange: str = "NSE") -> None:
    fill = replace(
        execution("T1", "a"), quantity=D(abs(signed)), side=Side.BUY if signed > 0 else Side.SELL, product=product,
        symbol=symbol, exchange=exchange,
    )  # fmt: skip
    old = positions.position_for_fill(fill)
    positions.replace_position(old, old.apply_fill(fill, D(1)), D(1))


def test_when_one_of_two_products_is_closed_the_other_one_is_open() -> None:
    positions = Positions("")
    trade(positions, "MIS", 5)
    trade(positions, "CNC", 3)
    assert positions.open_quantity("AAA") == 5, "the first one"
    trade(positions, "MIS", -5)
    assert positions.open_quantity("AAA") == 3
    assert [positions.netted_quantity(MIS), positions.netted_quantity(CNC)] == [0, 3]
    trade(positions, "CNC", -3)
    assert positions.open == {}
    assert positions.position_of("AAA").key.product == "CNC", "the one traded last"


def test_what_is_held_of_another_symbol_stays_where_one_has_two_products() -> None:
    positions = Positions("")
    trade(positions, "MIS", 5)
    trade(positions, "CNC", 3)
    trade(positions, "MIS", 2, symbol="BBB")
    trade(positions, "MIS", -2, symbol="BBB")
    assert list(positions.open) == ["AAA"]
    assert positions.dirty_pnl == {"AAA", "BBB"}
    assert positions.charges == 4


def test_a_symbol_is_traded_at_the_exchange_and_in_the_product_of_the_fill() -> None:
    positions = Positions("V")
    trade(positions, "MIS", 5)
    trade(positions, "MIS", 2, exchange="BSE")
    assert {key: p.quantity for key, p in positions.by_key.items()} == {
        PositionKey("V", "NSE", "AAA", "MIS"): 5,
        PositionKey("V", "BSE", "AAA", "MIS"): 2,
    }


def test_a_symbol_without_a_price_counts_as_no_profit() -> None:
    positions = Positions("")
    trade(positions, "MIS", 5)
    trade(positions, "MIS", -2, symbol="BBB")
    assert positions.unrealized_profit(lambda symbol: D(110) if symbol == "AAA" else None) == 50
    assert positions.unrealized_profit(lambda symbol: D(110)) == 30
