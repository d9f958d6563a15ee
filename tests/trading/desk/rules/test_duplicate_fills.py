"""A trade told under two ids: booked twice and halted, and one taken back when the venue's books know of the other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.trading.desk.desk_rig import DeskRig, events, submitted
from tradebot.clock import SECOND
from tradebot.domain.messages import AccountSnapshot, Action, Command
from tradebot.domain.order import Fill, OrderEventType, OrderRequest, Side, VenueOrderStatus, VenuePosition
from tradebot.domain.venue_rows import UnreadRow
from tradebot.trading.desk.book.blotter import JUST_FILLED_NS
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.rules.report_translator import DISPUTE_POLLING_NS

D, E = Decimal, OrderEventType


class Doubled:
    """Ten shares bought, the one fill told a second time under another id."""

    def __init__(self, **other: object) -> None:
        self.rig = DeskRig()
        self.request: OrderRequest = self.rig.bought()
        self.fill = next(iter(self.rig.desk.book.blotter.booked_fills.values())).execution
        twin = {name: getattr(self.fill, name) for name in self.fill.__struct_fields__} | {"execution_id": "99"} | other
        self.twin = Fill(**twin)
        self.event = self.books(self.fill, self.twin)

    def books(
        self, *fills: Fill, holds: int = 10, filled: int = 10, unread: tuple[UnreadRow, ...] = ()
    ) -> list[DeskOutput]:  # fmt: skip
        rig = self.rig
        position = VenuePosition(
            symbol="AAA", exchange="NSE", product="MIS", quantity=D(holds), average_price=D(1000)
        )  # fmt: skip
        shown = rig.venue_order(self.request, VenueOrderStatus.FILLED, filled=filled)
        return rig.desk.apply_message(
            AccountSnapshot(
                asked_at=rig.mono, orders=(shown,), fills=fills, positions=(position,), cash=D(0),
                unread=unread,
            )
        )  # fmt: skip

    @property
    def quantity(self) -> Decimal:
        return self.rig.desk.book.positions.open_quantity("AAA")

    def later(self, *fills: Fill, **more: Any) -> list[OrderEventType]:
        self.rig.tick(3)
        return events(self.books(*fills, **more))


def test_both_are_booked_and_the_symbol_is_halted() -> None:
    day = Doubled()
    assert E.EXECUTED in events(day.event)
    assert day.quantity == 20
    assert [str(o.scope) for o in day.event if isinstance(o, Command)] == ["symbol:AAA"]


def test_the_one_that_the_books_know_nothing_of_for_five_seconds_is_taken_back_and_stays_so() -> None:
    day = Doubled()
    day.later(day.fill)
    wanted = day.rig.desk.account.next_poll_at()
    assert wanted == day.rig.mono + 5 * SECOND
    assert E.REVERSED not in day.later(day.fill)
    assert E.REVERSED in day.later(day.fill)
    assert day.quantity == 10
    day.later(day.fill)
    assert day.rig.desk.account.next_poll_at() is None
    assert E.EXECUTED not in day.later(day.fill, day.twin)
    assert not submitted(day.rig.signal("AAA", Action.ENTER_LONG, n=2)), "a person lifts the halt"


@pytest.mark.parametrize("more", [{"holds": 20}, {"filled": 20}, {"holds": 0}])
def test_nothing_is_taken_back_while_positions_or_orders_say_otherwise(more: dict[str, int]) -> None:
    day = Doubled()
    for _ in range(6):
        assert E.REVERSED not in day.later(day.fill, **more)
    assert day.quantity == 20


@pytest.mark.parametrize(
    ("row", "is_taken_back"),
    [
        ({"book": "trades"}, False), ({"book": "trades", "symbol": "AAA"}, False),
        ({"book": "trades", "venue_order_id": "V1"}, False), ({"book": "positions", "symbol": "AAA"}, False),
        ({"book": "positions"}, False), ({"book": "trades", "symbol": "BBB"}, True),
        ({"book": "trades", "venue_order_id": "V9"}, True), ({"book": "orders", "symbol": "AAA"}, True),
        ({"book": "positions", "symbol": "BBB"}, True),
    ],
)  # fmt: skip
def test_what_a_row_that_cannot_be_read_may_be_is_not_taken_back(row: dict[str, str], is_taken_back: bool) -> None:
    day = Doubled()
    unread = (UnreadRow(reason="odd", **row),)
    found = [E.REVERSED in day.later(day.fill, unread=unread) for _ in range(6)]
    assert any(found) is is_taken_back


def test_books_that_say_it_for_five_seconds_and_no_longer_take_nothing_back() -> None:
    day = Doubled()
    found = []
    for seconds in (1, 5, 0.05):
        day.rig.tick(seconds)
        found.append(E.REVERSED in events(day.books(day.fill)))
    assert found == [False, False, True]


def test_a_fill_that_has_no_like_is_not_taken_back() -> None:
    for other in ({"price": D(1001)}, {"quantity": D(3)}, {"traded_at": 5}, {"side": Side.SELL}):
        day = Doubled(**other)
        for _ in range(6):
            assert E.REVERSED not in day.later(day.fill, holds=int(day.quantity - 10))


def test_books_that_know_of_it_again_begin_anew() -> None:
    day = Doubled()
    for _ in range(4):
        assert E.REVERSED not in day.later(day.fill)
        assert E.REVERSED not in day.later(day.fill, day.twin)


def test_an_exit_of_what_may_have_been_told_twice_is_as_large_as_the_venue_shows() -> None:
    day = Doubled()
    rig = day.rig

    def leave(n: int) -> list[Decimal]:
        return [request.quantity for request in submitted(rig.signal("AAA", Action.EXIT_LONG, n=n))]

    assert leave(1) == [], "the venue was not asked since the fill"
    assert rig.desk.account.next_poll_at() is not None
    rig.tick(3)
    rig.quote("AAA", "1000")
    day.books(day.fill)
    (sent,) = submitted(rig.tick())
    assert sent.quantity == 10
    rig.outcome(sent, E.SENDING)
    rig.outcome(sent, E.ACCEPTED, "V2")
    rig.fill(sent, 10, "1000", "V2")
    assert day.quantity == 10, "which nobody holds"
    rig.tick(3)
    rig.quote("AAA", "1000")
    assert submitted(rig.tick()) == []
    day.books(day.fill, holds=0)
    assert submitted(rig.tick()) == []


def test_an_excess_that_the_venue_holds_as_well_is_closed_whole() -> None:
    day = Doubled()
    rig = day.rig
    rig.tick(3)
    rig.quote("AAA", "1000")
    day.books(day.fill, day.twin, holds=20, filled=20)
    (sent,) = submitted(rig.signal("AAA", Action.EXIT_LONG, n=2))
    assert sent.quantity == 20


def test_a_fill_told_with_other_figures_makes_the_next_look_come_soon_for_ten_seconds() -> None:
    rig = DeskRig()
    request = rig.bought()
    fill = next(iter(rig.desk.book.blotter.booked_fills.values())).execution
    other = Fill(**({name: getattr(fill, name) for name in fill.__struct_fields__} | {"price": D(1010)}))
    shown = rig.venue_order(request, VenueOrderStatus.FILLED, filled=10)

    def look(*fills: Fill) -> list[DeskOutput]:
        position = VenuePosition(symbol="AAA", exchange="NSE", product="MIS", quantity=D(10), average_price=D(1000))
        return rig.desk.apply_message(
            AccountSnapshot(asked_at=rig.mono, orders=(shown,), fills=fills, positions=(position,), cash=D(0))
        )

    assert E.QUARANTINED in events(look(other))
    assert rig.desk.account.next_poll_at() == rig.mono, "which is now"
    rig.tick(0.5)
    assert events(look(other)) == [E.REVERSED, E.EXECUTED]
    rig.tick(10)
    look(other)
    assert rig.desk.account.next_poll_at() is None


@pytest.mark.parametrize(("less", "is_wanted"), [(1, True), (0, False)])
def test_a_fill_in_dispute_makes_looks_come_soon_until_ten_seconds_are_over(*, less: int, is_wanted: bool) -> None:
    rig = DeskRig()
    rig.bought()
    missing_fills = rig.desk.rules.venue_reports._missing_fills
    missing_fills.disputed_mono = rig.mono
    rig.mono += DISPUTE_POLLING_NS - less
    snapshot = AccountSnapshot(asked_at=rig.mono, orders=(), fills=(), positions=rig.positions(), cash=D(0))
    rig.desk.apply_message(snapshot)
    assert rig.desk.account.next_poll_at() == (rig.mono if is_wanted else None)


@pytest.mark.parametrize(("after", "is_known"), [(0, False), (1, True)])
def test_only_books_asked_for_long_enough_after_the_fill_tell_what_is_held_in_excess(
    *, after: int, is_known: bool
) -> None:
    rig = DeskRig()
    request = rig.bought()
    rig.fill(request, 2, "1000")
    assert rig.desk.book.blotter.overfilled == {"AAA": (rig.mono, None)}
    asked_at = rig.mono + JUST_FILLED_NS + after
    held = VenuePosition(symbol="AAA", exchange="NSE", product="MIS", quantity=D(10), average_price=D(1000))
    snapshot = AccountSnapshot(asked_at=asked_at, orders=(), fills=(), positions=(held,), cash=D(0))
    rig.desk.book.blotter.check_overfills(snapshot)
    assert rig.desk.book.blotter.overfilled == {"AAA": (rig.mono, D(10) if is_known else None)}
    assert rig.desk.book.blotter.closable_quantity("AAA") == (10 if is_known else 0)
