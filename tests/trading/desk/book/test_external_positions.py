"""What the venue holds beyond ours, look by look: what is accounted for at once, what after two, and what stays."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from tradebot.domain.messages import AccountSnapshot
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    Side,
    VenuePosition,
)
from tradebot.domain.order_reducer import apply_event, open_order
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import NettingKey, PositionKey
from tradebot.domain.venue_rows import UnreadRow
from tradebot.trading.desk.book.external_positions import ExternalPositions, OwnQuantities

D = Decimal
MIS, CNC, NRML = (("NSE", "AAA", product) for product in ("MIS", "CNC", "NRML"))


class Account:
    """An account whose net is shown look by look, each asked for one nanosecond after the one before."""

    def __init__(self, *, is_over: Callable[[NettingKey], bool] = lambda line: False, **ours: int) -> None:
        self.external = ExternalPositions({})
        self.own = OwnQuantities({("NSE", "AAA", product): D(quantity) for product, quantity in ours.items()})
        self.asked_at, self._is_over = 0, is_over

    def apply_snapshot(self, *, unread: tuple[UnreadRow, ...] = (), **net: int) -> None:
        shown = tuple(
            VenuePosition(symbol="AAA", exchange="NSE", product=product, quantity=D(n), average_price=D(100))
            for product, n in net.items()
        )
        self.asked_at += 1
        snapshot = AccountSnapshot(
            asked_at=self.asked_at, orders=(), fills=(), positions=shown, cash=D(0), unread=unread
        )  # fmt: skip
        self.external.begin_snapshot(self.asked_at)
        self.external.apply_snapshot(snapshot, self.own)
        self.external.attribute_rests(
            self.own, asked_at=self.asked_at, symbols={"AAA"}, is_traded=lambda line: line == MIS, is_over=self._is_over
        )

    def hear(self, quantity: int, *, product: str = "MIS") -> None:
        side = Side.BUY if quantity > 0 else Side.SELL
        self.external.apply_fill(Fill("7", "X1", "AAA", "NSE", side, D(abs(quantity)), D(100), 0, product))

    def lost_quantity(self, held: int) -> Decimal:
        return self.external.lost_quantity(position(held))


def position(held: int) -> Position:
    return Position(PositionKey("kite", *MIS), D(held), D(100 * held))


@pytest.mark.parametrize("net", [10, 12, 14, 16], ids=["neither", "theirs", "ours", "both"])
def test_positions_may_have_any_of_two_fills_that_came_since_the_trades_were_listed(net: int) -> None:
    account = Account()
    account.hear(2)
    account.own = OwnQuantities({MIS: D(10)}, late={MIS: D(2)}, late_ours={MIS: D(4)})

    account.apply_snapshot(MIS=net)

    assert account.external.quantities == {MIS: D(2)}


@pytest.mark.parametrize(("book", "is_hidden"), [("holdings", True), ("orders", False), ("trades", False)])
def test_a_row_of_holdings_that_cannot_be_read_hides_what_is_held_for_delivery_and_no_other_row_does(
    book: str, is_hidden: bool
) -> None:
    account = Account()
    account.apply_snapshot(CNC=5, MIS=3)

    account.apply_snapshot(unread=(UnreadRow(book=book, reason="odd", symbol="AAA"),))

    assert account.external.quantities == ({CNC: D(5)} if is_hidden else {})


@pytest.mark.parametrize(
    ("net", "lost"),
    [
        ({"MIS": 0, "CNC": 10}, 10), ({"MIS": 0, "CNC": 4, "NRML": 6}, 10),  # converted while we were away
        ({"MIS": 0, "CNC": 4}, 0), ({"MIS": 7}, 0),  # and where it did not come back whole, nothing explains it yet
    ],
)  # fmt: skip
def test_at_the_first_look_what_ours_lost_is_converted_where_other_products_won_as_much(
    net: dict[str, int], lost: int
) -> None:
    account = Account(MIS=10)
    account.apply_snapshot(**net)
    assert account.lost_quantity(10) == lost


def test_at_the_first_look_what_stands_beside_ours_is_not_ours_though_another_line_of_ours_lost_more() -> None:
    account = Account(MIS=10, NRML=8)
    account.apply_snapshot(MIS=13, NRML=0)
    account.apply_snapshot(MIS=13, NRML=0)
    assert account.external.unexplained_rests() == {}, "where we do not trade, what two looks say is so"
    assert account.lost_quantity(10) == 0
    assert account.external.quantities == {MIS: D(3), NRML: D(-8)}


def test_what_is_held_where_we_traded_nothing_today_is_a_difference_all_the_same() -> None:
    account = Account(is_over=lambda line: True)
    account.apply_snapshot(MIS=0)
    for _ in range(3):
        account.apply_snapshot(MIS=5)
    assert account.external.unexplained_rests() == {MIS: D(5)}


def test_what_another_hand_did_is_unsettled_until_books_asked_for_later_account_for_it() -> None:
    account = Account()
    account.apply_snapshot()
    account.external.mark_unsettled(MIS, 2, "an order placed elsewhere")
    account.apply_snapshot()
    assert account.external.unsettled_symbols() == {"AAA": "an order placed elsewhere"}, "asked for in the same moment"
    account.apply_snapshot(MIS=4)
    assert account.external.unsettled_symbols() == {"AAA": "an order placed elsewhere"}, "they show what nobody told of"
    account.hear(4)
    account.apply_snapshot(MIS=4)
    assert account.external.unsettled_symbols() == {}


@pytest.mark.parametrize("held", [1, -1, 2])
def test_one_piece_that_another_hand_closed_is_lost_and_cannot_be_closed(held: int) -> None:
    account = Account(MIS=held)
    account.apply_snapshot(MIS=held)
    account.hear(-held)
    assert account.lost_quantity(held) == held
    assert account.external.closable_quantity(position(held)) == 0


def test_what_one_look_alone_says_takes_no_exit_back_and_what_two_say_does() -> None:
    account = Account(MIS=10)
    account.apply_snapshot(MIS=10)
    account.apply_snapshot(MIS=4)
    assert account.external.closable_quantity(position(10)) == 4, "what leaves now closes no more than was seen"
    assert account.external.closable_quantity(position(10), is_sure=True) == 10
    assert account.external.unexplained_rests() == {}
    account.apply_snapshot(MIS=4)
    assert account.external.closable_quantity(position(10), is_sure=True) == 4
    assert account.external.unexplained_rests() == {MIS: D(-6)}


def test_what_is_there_no_more_and_was_not_ours_is_no_difference() -> None:
    account = Account()
    account.apply_snapshot(MIS=5)
    account.apply_snapshot()
    account.apply_snapshot()
    assert (account.external.quantities, account.external.unexplained_rests()) == ({}, {})


def test_a_conversion_takes_an_exit_back_at_the_first_look() -> None:
    account = Account(MIS=10)
    account.apply_snapshot(MIS=10)
    account.apply_snapshot(MIS=4, CNC=6)
    assert account.external.closable_quantity(position(10), is_sure=True) == 4


def test_what_is_held_beyond_ours_is_shown_with_the_average_price_of_the_venue_and_is_none_of_ours() -> None:
    account = Account(MIS=10)
    account.apply_snapshot(MIS=13)
    (shown,) = account.external.as_messages("kite")
    assert (shown.key.netting_key, shown.quantity, shown.average_price) == (MIS, D(3), D(100))
    assert account.external.own_quantity(MIS, {MIS: D(13)}) == 10


@pytest.mark.parametrize(("held", "side", "free"), [(1, Side.SELL, 0), (1, Side.BUY, 1), (-1, Side.BUY, 0)])
def test_an_order_of_another_hand_on_the_side_of_our_exit_counts_as_if_it_had_filled(
    held: int, side: Side, free: int
) -> None:
    request = OrderRequest("EXT-X1", "AAA", "NSE", side, OrderKind.LIMIT, D(1), purpose=OrderPurpose.EXTERNAL)
    order = apply_event(
        open_order(OrderEvent("EXT-X1", OrderEventType.INTENT, 0, request=request)),
        OrderEvent("EXT-X1", OrderEventType.SENDING, 0),
    )
    external = ExternalPositions({"EXT-X1": order})
    external.exposure.add_live("EXT-X1", "AAA")
    assert external.closable_quantity(position(held)) == free


def test_a_fill_that_the_first_look_showed_beside_ours_and_the_stream_told_later_counts_once() -> None:
    account = Account(MIS=10)
    account.apply_snapshot(MIS=12)
    account.hear(2)
    for _ in range(2):
        account.apply_snapshot(MIS=12)
    assert (account.external.unexplained_rests(), account.external.quantities) == ({}, {MIS: D(2)})
    assert account.lost_quantity(10) == 0


@pytest.mark.parametrize(("looks", "rests"), [(3, {}), (14, {MIS: D(-2)})])
def test_a_fill_is_told_behind_the_first_look_for_a_while_and_no_longer(
    looks: int, rests: dict[tuple[str, str, str], Decimal]
) -> None:
    account = Account(MIS=10)
    for _ in range(looks):
        account.apply_snapshot(MIS=12)
    account.hear(2)
    for _ in range(3):
        account.apply_snapshot(MIS=12)
    assert account.external.unexplained_rests() == rests


def test_a_line_is_in_doubt_while_another_look_may_tell_more_of_it() -> None:
    account = Account(MIS=10)
    account.apply_snapshot(MIS=10)
    assert not account.external.needs_poll
    account.apply_snapshot(MIS=4)
    assert account.external.needs_poll, "one look alone said so"
    account.apply_snapshot(MIS=4)
    assert not account.external.needs_poll, "and now two did"
    account.external.mark_unsettled(MIS, 9, "an order placed elsewhere")
    assert account.external.needs_poll


def test_other_hands_bound_a_symbol_where_something_of_theirs_is_held() -> None:
    account = Account()
    account.apply_snapshot(CNC=5)
    assert [account.external.bounds_symbol(symbol) for symbol in ("AAA", "BBB")] == [True, False]


@pytest.mark.parametrize(("symbol", "beyond"), [("AAA", {MIS: D(5)}), ("", {MIS: D(5)}), ("BBB", {}), ("MIS", {})])
def test_a_row_of_positions_that_cannot_be_read_hides_its_symbol_or_all(
    symbol: str, beyond: dict[tuple[str, str, str], Decimal]
) -> None:
    account = Account()
    account.apply_snapshot(MIS=5)
    account.apply_snapshot(unread=(UnreadRow(book="positions", reason="odd", symbol=symbol),))
    assert account.external.quantities == beyond
