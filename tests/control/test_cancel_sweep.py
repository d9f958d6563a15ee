"""The sweep of the kill switch against a venue that loses, refuses, delays and hides."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from tradebot.clock import SECOND, ManualClock
from tradebot.control.cancel_sweep import CancelSweep, SweepReport
from tradebot.domain.order import OrderKind, Side, VenueOrder, VenueOrderStatus, VenuePosition
from tradebot.domain.venue_rows import VenueRows
from tradebot.errors import AccessDenied, LinkLost, OutcomeUnknown
from tradebot.venues.venue import Accepted, Refused, Reply

S = VenueOrderStatus


def order(id_: str, status: VenueOrderStatus = S.OPEN) -> VenueOrder:
    return VenueOrder(
        venue_order_id=id_, tag="", symbol="TCS", exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT, status=status,
        quantity=Decimal(5), filled=Decimal(0),
    )  # fmt: skip


class Venue:
    """A book in memory; `on_cancel(id, nth)` decides what a cancel does, `on_look(n)` what happens before a look."""

    def __init__(self, *ids: str) -> None:
        self.book = {id_: order(id_) for id_ in ids}
        self.cancels: list[str] = []
        self.looks = 0
        self.on_cancel: Callable[[str, int], Reply] = lambda id_, nth: self.end(id_)
        self.on_look: Callable[[int], None] = lambda n: None
        self.clock = ManualClock(1000 * SECOND)

    def end(self, id_: str, status: VenueOrderStatus = S.CANCELED) -> Reply:
        self.book[id_] = order(id_, status)
        return Accepted(venue_order_id=id_)

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        self.looks += 1
        self.on_look(self.looks)
        return VenueRows(self.book.values())

    async def fetch_positions(self) -> VenueRows[VenuePosition]:
        raise LinkLost("gone")

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        self.cancels.append(venue_order_id)
        return self.on_cancel(venue_order_id, self.cancels.count(venue_order_id))

    async def sweep(self, within_s: float = 30.0) -> SweepReport:
        return await CancelSweep(self, self.clock).cancel_until_clean(within_s=within_s)


async def test_every_working_order_is_cancelled_once_whoever_placed_it_and_ended_ones_are_left_alone() -> None:
    venue = Venue("1", "2", "3", "4", "5")
    venue.book["2"] = order("2", S.PENDING_TRIGGER)
    venue.book["3"] = order("3", S.ACKED)
    venue.book["4"] = order("4", S.FILLED)
    venue.book["5"] = order("5", S.REJECTED)
    outcome = await venue.sweep()
    assert outcome.is_clean
    assert venue.cancels == ["1", "2", "3"]
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
