"""Day orders: which orders the end of a day ends, when, and which it leaves alone."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_rig import DAY, OPEN, DeskRig, events
from tradebot.clock import SECOND
from tradebot.domain.messages import AccountSnapshot, Incident, SessionBegins
from tradebot.domain.order import OrderEventType, OrderRequest, OrderState
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.rules.day_orders import GRACE_NS

D, E = Decimal, OrderEventType
CLOSES_AT = OPEN + 22_500 * SECOND


def to(rig: DeskRig, at: int) -> None:
    """Let it be market ns `at`."""
    rig.tick((at - rig.at) / SECOND)


def look(rig: DeskRig) -> list[DeskOutput]:
    """Let the venue list nothing at all."""
    return rig.desk.apply_message(AccountSnapshot(asked_at=rig.mono, orders=(), fills=(), positions=(), cash=D(0)))


def state(rig: DeskRig, request: OrderRequest) -> OrderState:
    return rig.desk.book.blotter.orders[request.order_id].state


@pytest.mark.parametrize(("after", "is_ended"), [(GRACE_NS - SECOND, False), (GRACE_NS, True)])
def test_an_order_that_outlives_its_day_is_ended_and_told_once_its_venue_had_the_time(
    *, after: int, is_ended: bool
) -> None:
    rig = DeskRig()
    entry = rig.entered()
    to(rig, CLOSES_AT + after)
    outputs = look(rig)
    assert (E.DAY_ENDED in events(outputs)) is is_ended
    assert state(rig, entry) is (OrderState.UNKNOWN if is_ended else OrderState.ACKED)
    assert len([o for o in outputs if isinstance(o, Incident)]) == is_ended


def test_what_is_in_doubt_already_is_not_told_again_at_every_look() -> None:
    rig = DeskRig()
    rig.entered()
    to(rig, CLOSES_AT + GRACE_NS)
    look(rig)
    rig.tick(1)
    outputs = look(rig)
    assert E.DAY_ENDED not in events(outputs)
    assert [o for o in outputs if isinstance(o, Incident)] == []


def test_an_order_of_today_is_not_ended_for_the_close_of_yesterday() -> None:
    rig = DeskRig()
    to(rig, OPEN + DAY)
    rig.desk.apply_message(
        SessionBegins(
            opens_at=OPEN + DAY,
            closes_at=CLOSES_AT + DAY,
            entries_until=CLOSES_AT + DAY,
            square_off_at=CLOSES_AT + DAY,
        )
    )
    entry = rig.entered()
    assert E.DAY_ENDED not in events(look(rig))
    assert state(rig, entry) is OrderState.ACKED


@pytest.mark.parametrize(("before", "is_ended"), [(1, True), (0, False)])
def test_what_is_begun_in_the_moment_of_a_close_is_not_of_the_day_before_it(*, before: int, is_ended: bool) -> None:
    rig = DeskRig()
    entry = rig.entered()
    times = rig.desk.book.conditions.times
    times.session = None
    times.closed_at = rig.desk.book.blotter.orders[entry.order_id].times.begun_at + before
    to(rig, times.closed_at + GRACE_NS)
    assert (E.DAY_ENDED in events(look(rig))) is is_ended
