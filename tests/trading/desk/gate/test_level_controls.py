"""Stops and targets that cannot guard: the entry is denied with the figures, by the desk and by the control alone."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_rig import DeskRig, submitted
from tests.trading.desk.gate.gate_contexts import passes, request
from tradebot.domain.messages import Action
from tradebot.domain.order import OrderEvent, OrderEventType, OrderPurpose, Side
from tradebot.trading.desk.gate.gate import Gate
from tradebot.trading.desk.gate.level_controls import ValidLevels
from tradebot.trading.desk.gate.limits import Limits, build_gate

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
CONTROL = ValidLevels(max_stop_pct=D(50))


@pytest.mark.parametrize(
    ("side", "stop", "trail", "target", "passed"),
    [
        (BUY, None, None, None, True), (BUY, "99.95", "0.05", "100.05", True), (BUY, "50", "50", "1000", True),
        (BUY, "100", None, None, False), (BUY, "101", None, None, False), (BUY, "49.95", None, None, False),
        (BUY, "0", None, None, False), (BUY, "-5", None, None, False), (BUY, "NaN", None, None, False),
        (BUY, None, "0", None, False), (BUY, None, "50.05", None, False), (BUY, None, "NaN", None, False),
        (BUY, None, None, "100", False), (BUY, None, None, "99", False), (BUY, None, None, "Infinity", False),
        (SELL, "100.05", "0.05", "99.95", True), (SELL, "150", None, "0.05", True), (SELL, "100", None, None, False),
        (SELL, "99", None, None, False), (SELL, "150.05", None, None, False), (SELL, None, None, "101", False),
        (SELL, None, None, "0", False),
    ],
)  # fmt: skip
def test_an_entry_needs_a_stop_that_loses_and_a_target_that_wins(
    side: Side, stop: str | None, trail: str | None, target: str | None, passed: bool
) -> None:
    levels = {"stop_loss": stop, "trail_by": trail, "target": target}
    asked = request(side=side, **{name: None if level is None else D(level) for name, level in levels.items()})

    assert passes(CONTROL, asked, reference=D(100)) is passed


def test_an_exit_and_an_entry_without_a_price_to_judge_it_at() -> None:
    asked = request(stop_loss=D(101))
    assert passes(CONTROL, request(stop_loss=D(101), purpose=OrderPurpose.EXIT))
    for reference in (None, D("NaN"), D(0)):
        assert not passes(CONTROL, asked, reference=reference)
        assert passes(CONTROL, request(), reference=reference)


@pytest.mark.parametrize(
    ("action", "levels", "reason"),
    [
        (Action.ENTER_LONG, {"stop_loss": 1010.0}, "the stop 1010.0 of a BUY is not below the reference 1000.00"),
        (Action.ENTER_SHORT, {"stop_loss": 990.0}, "the stop 990.0 of a SELL is not above the reference 1000.00"),
        (Action.ENTER_LONG, {"stop_loss": 0.01}, "the stop rounds to 0.00, which is no price"),
        (Action.ENTER_LONG, {"stop_loss": float("nan")}, "the stop rounds to 0, which is no price"),
        (Action.ENTER_LONG, {"stop_loss": 499.0}, "50.10% from the reference 1000.00, above max_stop_pct 50"),
        (Action.ENTER_LONG, {"trail_by": 0.01}, "the distance of the trailing stop rounds to 0.00"),
        (Action.ENTER_LONG, {"target": 995.0}, "the target 995.0 of a BUY is not above the reference 1000.00"),
    ],
)  # fmt: skip
def test_the_desk_refuses_an_entry_with_the_figures_and_counts_it(
    action: Action, levels: dict[str, float], reason: str
) -> None:
    rig = DeskRig()
    gate: Gate = build_gate(Limits(allow_short=True), kill_reason=lambda: "")
    rig.desk.placement._gate = gate
    rig.quote("AAA", "1000")

    out = rig.signal("AAA", action, **levels)

    assert not submitted(out)
    (event,) = out
    assert isinstance(event, OrderEvent)
    assert event.type is OrderEventType.DENIED
    assert event.reason.startswith("protection: ")
    assert reason in event.reason
    assert [(d.control, d.strategy, d.count) for d in rig.desk.account.denials] == [("protection", "s", 1)]
    assert submitted(rig.signal("AAA", action, n=2))  # without levels it goes
