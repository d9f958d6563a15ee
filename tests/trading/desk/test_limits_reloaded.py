"""Limits that change while the desk runs: in force from the next order on; what the controls remember stays."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.trading.desk.desk_rig import DeskRig, submitted, with_all_controls
from tradebot.domain.messages import Action, LimitsReloaded
from tradebot.trading.desk.gate.limits import Limits

D = Decimal


def reload(rig: DeskRig, *, order_notional: int = 10_000, **limits: Any) -> None:
    changed = msgspec.to_builtins(Limits(stale_after_s=15.0, **limits))
    reloaded = LimitsReloaded(limits=changed, order_notional=D(order_notional))
    assert rig.desk.apply_message(reloaded) == [reloaded], "the journal says which limits hold from here on"


def rig_at(price: str = "1000") -> DeskRig:
    rig = with_all_controls(DeskRig())
    rig.quote("AAA", price)
    rig.quote("BBB", price)
    return rig


def test_the_next_order_is_judged_by_the_limits_of_now() -> None:
    rig = rig_at()
    reload(rig, max_order_notional=D(5_000))
    assert submitted(rig.signal("AAA", Action.ENTER_LONG)) == []
    denied = list(rig.desk.book.blotter.orders.values())[-1]
    assert denied.reason == "size: notional 10000.00 is above max_order_notional 5000"
    reload(rig)
    assert len(submitted(rig.signal("AAA", Action.ENTER_LONG, n=2))) == 1


def test_an_entry_has_the_size_of_now() -> None:
    rig = rig_at()
    reload(rig, order_notional=3_000)
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    assert request.quantity == 3


def test_the_orders_of_the_day_and_the_signals_acted_on_are_not_forgotten() -> None:
    rig = rig_at()
    assert len(submitted(rig.signal("AAA", Action.ENTER_LONG))) == 1
    reload(rig, orders_per_day=1)
    assert submitted(rig.signal("BBB", Action.ENTER_LONG)) == []
    reload(rig)
    rig.tick(10)
    rig.quote("BBB", "1000")
    assert len(submitted(rig.signal("BBB", Action.ENTER_LONG, n=2))) == 1
    reload(rig)
    assert submitted(rig.signal("BBB", Action.ENTER_LONG, n=2)) == []


@pytest.mark.parametrize(("limit", "halted"), [(500, True), (5_000, False)])
def test_the_loss_of_the_day_is_judged_by_the_limit_of_now(limit: int, halted: bool) -> None:
    rig = with_all_controls(DeskRig())
    rig.bought()
    rig.quote("AAA", "940")
    reload(rig, max_daily_loss=D(limit))
    rig.tick()
    assert bool(rig.desk.book.conditions.halt_reason) is halted
