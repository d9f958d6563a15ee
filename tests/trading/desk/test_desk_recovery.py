"""A desk that is rebuilt: what stands again after a restart, what is not done again, and whose day it is."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_rig import OPEN, DeskRig, submitted
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.messages import Action, Command, ReleasedPosition
from tradebot.domain.order import OrderEvent, OrderEventType

D, E = Decimal, OrderEventType


def bought(*, at: int = OPEN) -> list[OrderEvent]:
    """The events of an entry of AAA with a stop that was filled whole at market ns `at`."""
    rig = DeskRig()
    request = rig.bought(stop_loss=990.0, trail_by=5.0)
    (fill,) = rig.desk.account.kept_orders()[request.order_id].fills
    begun = OrderEvent(request.order_id, E.INTENT, at, 1, request=request)
    sent = [
        OrderEvent(request.order_id, event_type, at, 1, venue_order_id=id_)
        for event_type, id_ in ((E.SENDING, ""), (E.ACCEPTED, "V1"))
    ]
    return [begun, *sent, OrderEvent(request.order_id, E.EXECUTED, at, 1, venue_order_id="V1", fill=fill)]


def test_a_flatten_that_was_carried_out_before_closes_nothing_again() -> None:
    for id_, count in (("f1", 0), ("f2", 1)):
        rig = DeskRig()
        rig.desk.recover_state(bought(), adopted=(), halted="", opens_at=OPEN, flattened=("f1",))
        rig.quote("AAA", "1000")
        assert (
            len(submitted(rig.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id=id_)))) == count
        )


def test_a_halt_of_everything_and_halts_of_a_scope_stand_again() -> None:
    rig = DeskRig()
    of_symbol = Command(verb=CommandVerb.HALT, reason="odd", scope=Scope.for_symbol("AAA"))
    rig.desk.recover_state((), adopted=(), halted="", opens_at=OPEN, halts=(of_symbol,))
    for symbol, count in (("AAA", 0), ("BBB", 1)):
        rig.quote(symbol, "1000")
        assert len(submitted(rig.signal(symbol, Action.ENTER_LONG))) == count
    other = DeskRig()
    other.desk.recover_state((), adopted=(), halted="the daemon ended", opens_at=OPEN)
    assert other.desk.account.conditions.halt_reason == "the daemon ended"


@pytest.mark.parametrize(("at", "charges"), [(OPEN, 1), (OPEN + 1, 1), (OPEN - 1, 0)])
def test_what_was_filled_from_the_opening_on_is_of_this_day(at: int, charges: int) -> None:
    rig = DeskRig()
    rig.desk.recover_state(bought(at=at), adopted=(), halted="", opens_at=OPEN)
    assert rig.desk.account.day_fill_totals == (charges, D(charges))
    assert rig.desk.account.day_profit() == -charges
    assert rig.desk.account.open_quantities() == {"AAA": 10}


def test_what_was_given_up_is_neither_held_nor_guarded() -> None:
    rig = DeskRig()
    events = bought()
    key = rig.desk.book.position_key("AAA")
    part = ReleasedPosition(key=key, quantity=D(10), price=D(1000), at=OPEN)
    rig.desk.recover_state(events, adopted=(), halted="", opens_at=OPEN)
    assert rig.desk.account.protective_levels(0) is not None
    rig = DeskRig()
    rig.desk.recover_state([*events, part], adopted=(), halted="", opens_at=OPEN)
    assert rig.desk.account.protective_levels(0) is None
    assert rig.desk.account.open_quantities() == {}


def test_a_trailing_stop_stands_where_the_best_price_had_moved_it() -> None:
    rig = DeskRig()
    rig.desk.recover_state(bought(), adopted=(), halted="", opens_at=OPEN, best={"T00001": D(1100)})
    levels = rig.desk.account.protective_levels(0)
    assert levels is not None
    assert levels.current_levels == {"stop": 990, "trail": 1095}


def test_what_was_held_without_fills_is_held_at_its_price() -> None:
    rig = DeskRig()
    rig.desk.recover_state((), adopted=[("AAA", D(5), D(900))], halted="", opens_at=OPEN)
    assert rig.desk.account.open_positions() == {"AAA": (D(5), D(900))}
    rig.quote("AAA", "1000")
    assert rig.desk.account.unrealized_profit() == 500


def test_the_time_that_a_run_noted_does_not_go_back() -> None:
    rig = DeskRig()
    now = rig.mono
    for told, mono in ((now - 1, now), (now + SECOND, now + SECOND), (now, now + SECOND)):
        rig.desk.advance_mono(told)
        assert rig.desk.account.conditions.mono == mono
