"""The sweep of the kill switch against a venue that loses, refuses, delays and hides."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from tradebot.clock import SECOND, ManualClock
from tradebot.control.cancel_sweep import CancelSweep, SweepReport
from tradebot.domain.order import OrderKind, Side, VenueOrder, VenueOrderStatus, VenuePosition
from tradebot.domain.venue_reports import GttReport
from tradebot.domain.venue_rows import VenueRows
from tradebot.errors import AccessDenied, LinkLost, OutcomeUnknown
from tradebot.venues.venue import Accepted, Refused, Reply

S = VenueOrderStatus


def order(id_: str, status: VenueOrderStatus = S.OPEN) -> VenueOrder:
    return VenueOrder(
        venue_order_id=id_, tag="", symbol="TCS", exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT, status=status,
        quantity=Decimal(5), filled=Decimal(0),
    )  # fmt: skip


def stop(id_: str, quantity: int = 5, **fields: Any) -> VenueOrder:
    """A stop that would sell what `held` says is there."""
    made = replace(order(id_, S.PENDING_TRIGGER), side=Side.SELL, kind=OrderKind.STOP_LIMIT, quantity=Decimal(quantity))
    return replace(made, trigger_price=Decimal(990), **fields)


def held(quantity: int = 5, **fields: Any) -> VenuePosition:
    position = VenuePosition(
        symbol="TCS", exchange="NSE", product="MIS", quantity=Decimal(quantity), average_price=Decimal(1000)
    )
    return replace(position, **fields)


class Venue:
    """A book in memory; `on_cancel(id, nth)` decides what a cancel does, `on_look(n)` what happens before a look."""

    def __init__(self, *ids: str) -> None:
        self.book = {id_: order(id_) for id_ in ids}
        self.cancels: list[str] = []
        self.looks = 0
        self.positions: list[VenuePosition] | None = None  # None: the venue does not tell them
        self.position_reads = 0
        self.on_cancel: Callable[[str, int], Reply] = lambda id_, nth: self.end(id_)
        self.on_look: Callable[[int], None] = lambda n: None
        self.clock = ManualClock(1000 * SECOND)

    def end(self, id_: str, status: VenueOrderStatus = S.CANCELED) -> Reply:
        self.book[id_] = replace(self.book[id_], status=status)
        return Accepted(venue_order_id=id_)

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        self.looks += 1
        self.on_look(self.looks)
        return VenueRows(self.book.values())

    async def fetch_positions(self) -> VenueRows[VenuePosition]:
        self.position_reads += 1
        if self.positions is None:
            raise LinkLost("gone")
        return VenueRows(self.positions)

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        self.cancels.append(venue_order_id)
        return self.on_cancel(venue_order_id, self.cancels.count(venue_order_id))

    async def sweep(self, within_s: float = 30.0, *, with_stops: bool = False) -> SweepReport:
        return await CancelSweep(self, self.clock, with_stops=with_stops).cancel_until_clean(within_s=within_s)


async def test_every_working_order_is_cancelled_once_whoever_placed_it_and_ended_ones_are_left_alone() -> None:
    venue = Venue("1", "2", "3", "4", "5")
    venue.book["2"] = order("2", S.PENDING_TRIGGER)
    venue.book["3"] = order("3", S.ACKED)
    venue.book["4"] = order("4", S.FILLED)
    venue.book["5"] = order("5", S.REJECTED)
    outcome = await venue.sweep()
    assert outcome.is_clean
    assert venue.cancels == ["1", "3", "2"]  # the stop last, because the positions are read for it
    assert outcome.positions is None  # the venue did not tell, which changes nothing


async def test_a_cancel_without_an_answer_is_asked_again_while_the_order_works() -> None:
    venue = Venue("1")

    def lossy(id_: str, nth: int) -> Reply:
        if nth < 3:
            raise OutcomeUnknown("no answer")
        return venue.end(id_)

    venue.on_cancel = lossy
    assert (await venue.sweep()).is_clean
    assert venue.cancels == ["1"] * 3
    assert venue.clock.now_ns - 1000 * SECOND >= 2 * SECOND  # not hammered


async def test_an_order_that_filled_before_its_cancel_is_no_failure() -> None:
    venue = Venue("1")

    def too_late(id_: str, nth: int) -> Reply:
        venue.end(id_, S.FILLED)
        return Refused(reason="it is complete")

    venue.on_cancel = too_late
    outcome = await venue.sweep()
    assert outcome.is_clean
    assert [(line.order.status, line.answer) for line in outcome.orders] == [(S.FILLED, "it is complete")]


async def test_an_order_that_was_on_its_way_is_found_by_the_second_look() -> None:
    venue = Venue()

    def arrive(look: int) -> None:
        if look == 2:
            venue.book["9"] = order("9")

    venue.on_look = arrive
    outcome = await venue.sweep()
    assert outcome.is_clean
    assert venue.cancels == ["9"]


async def test_a_failed_look_is_no_evidence_and_breaks_the_row_of_clean_looks() -> None:
    venue = Venue()

    def fail(look: int) -> None:
        if look in (1, 3):
            raise LinkLost("reset")

    venue.on_look = fail
    assert (await venue.sweep()).is_clean
    assert venue.looks == 5


async def test_what_is_left_when_the_time_is_over_is_said_with_the_last_answer() -> None:
    venue = Venue("1", "2")
    venue.on_cancel = lambda id_, nth: Refused(reason="the exchange is frozen") if id_ == "2" else venue.end(id_)
    outcome = await venue.sweep(within_s=5)
    assert not outcome.is_clean
    assert [(line.order.venue_order_id, line.answer) for line in outcome.orders if line.still_works] == [
        ("2", "the exchange is frozen")
    ]
    assert 4 <= venue.cancels.count("2") <= 6


async def test_a_venue_that_never_answers_is_not_clean() -> None:
    venue = Venue()

    def fail(look: int) -> None:
        raise LinkLost("no route")

    venue.on_look = fail
    outcome = await venue.sweep(within_s=3)
    assert (outcome.is_clean, outcome.failure) == (False, "no route")


async def test_a_denied_look_ends_the_sweep() -> None:
    venue = Venue()

    def deny(look: int) -> None:
        raise AccessDenied("token")

    venue.on_look = deny
    with pytest.raises(AccessDenied):
        await venue.sweep()


@pytest.mark.parametrize(
    ("stops", "positions", "kept"),
    [
        ([stop("1")], [held()], ["1"]),
        ([stop("1", 2), stop("2", 3)], [held()], ["1", "2"]),
        ([stop("1"), stop("2")], [held()], ["1"]),  # both together would sell more than is held
        ([stop("1", 6), stop("2", 5)], [held()], ["2"]),
        ([stop("1", 9, filled=Decimal(4))], [held()], ["1"]),
        ([stop("1", side=Side.BUY)], [held(-5)], ["1"]),
        ([stop("1", side=Side.BUY)], [held()], []),  # it would add to the position
        ([stop("1")], [held(-5)], []),
        ([stop("1")], [held(0)], []),
        ([stop("1")], [], []),
        ([stop("1")], None, []),
        ([stop("1")], [held(symbol="INFY")], []),
        ([stop("1")], [held(exchange="BSE")], []),
        ([stop("1")], [held(product="CNC")], []),
        ([stop("1", status=S.OPEN)], [held()], []),  # it waits for no trigger
        ([stop("1", gtt=GttReport())], None, ["1"]),
        ([stop("1", gtt=GttReport()), stop("2")], [held()], ["1", "2"]),
    ],
)
async def test_a_stop_that_only_closes_what_is_held_stays_and_every_other_order_goes(
    stops: list[VenueOrder], positions: list[VenuePosition] | None, kept: list[str]
) -> None:
    venue = Venue("9")
    venue.book |= {stop.venue_order_id: stop for stop in stops}
    venue.positions = positions
    outcome = await venue.sweep()
    assert outcome.is_clean
    assert [order.venue_order_id for order in outcome.kept] == kept
    assert venue.cancels == ["9", *(stop.venue_order_id for stop in stops if stop.venue_order_id not in kept)]


async def test_with_stops_everything_goes() -> None:
    venue = Venue()
    venue.book = {"1": stop("1"), "2": stop("2", gtt=GttReport())}
    venue.positions = [held()]
    outcome = await venue.sweep(with_stops=True)
    assert (outcome.is_clean, outcome.kept, venue.cancels) == (True, (), ["1", "2"])


async def test_a_stop_goes_when_an_exit_that_filled_meanwhile_has_closed_what_it_guarded() -> None:
    venue = Venue("9")
    venue.book["1"] = stop("1")
    venue.positions = [held()]

    def too_late(id_: str, nth: int) -> Reply:
        venue.positions = [held(0)]
        return venue.end(id_, S.FILLED if id_ == "9" else S.CANCELED)

    venue.on_cancel = too_late
    outcome = await venue.sweep()
    assert (outcome.is_clean, outcome.kept, venue.cancels) == (True, (), ["9", "1"])


async def test_a_stop_that_triggers_while_the_book_is_read_is_left_to_close() -> None:
    venue = Venue()
    venue.book["1"] = stop("1")
    venue.positions = [held()]

    def fire(look: int) -> None:
        if look == 2:
            venue.book["1"] = stop("1", status=S.OPEN)

    venue.on_look = fire
    outcome = await venue.sweep()
    assert (venue.cancels, [order.status for order in outcome.kept]) == ([], [S.OPEN])


async def test_positions_that_cannot_be_read_once_more_do_not_cost_a_stop_and_no_other_cancel_waits_for_them() -> None:
    venue = Venue("9")
    venue.book["1"] = stop("1")
    venue.positions = [held()]

    def vanish(look: int) -> None:
        if look == 2:
            venue.positions = None

    read_before: list[int] = []

    def ended(id_: str, nth: int) -> Reply:
        read_before.append(venue.position_reads)
        return venue.end(id_)

    venue.on_look, venue.on_cancel = vanish, ended
    outcome = await venue.sweep()
    assert (outcome.is_clean, venue.cancels, read_before) == (True, ["9"], [0])
    assert [order.venue_order_id for order in outcome.kept] == ["1"]
