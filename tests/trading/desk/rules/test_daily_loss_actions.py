"""The day's loss: entries end at the limit, what is intraday is closed at one and a half times it, for the session."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tests.trading.desk.desk_rig import OPEN, DeskRig, submitted
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb, HaltExpiry
from tradebot.domain.messages import Action, Command, FillReport, Incident, ReleasedPosition, SessionBegins
from tradebot.domain.order import OrderEventType, OrderPurpose, OrderRequest
from tradebot.domain.position_key import PositionKey
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.gate.gate import Gate

D = Decimal
FALL = (("985", -151), ("975", -251), ("960", -401), ("900", -1001))  # of ten shares bought at 1,000, one rupee charged


def commands(outputs: list[DeskOutput]) -> list[tuple[CommandVerb, HaltExpiry, str]]:
    return [(o.verb, o.until, o.control) for o in outputs if isinstance(o, Command)]


def fallen(rig: DeskRig) -> dict[int, tuple[list[tuple[CommandVerb, HaltExpiry, str]], list[OrderRequest]]]:
    """Return, by the day's profit, what the desk commands and submits as the price falls."""
    rig.bought()
    found = {}
    for price, profit in FALL:
        rig.quote("AAA", price)
        assert rig.desk.book.pnl.day_profit() == profit
        outputs = rig.tick()
        found[profit] = commands(outputs), submitted(outputs)
    return found


def test_entries_end_at_the_limit_and_everything_is_closed_at_one_and_a_half_times_it() -> None:
    found = fallen(DeskRig(max_daily_loss=D(200)))

    assert found[-151] == ([], [])
    assert found[-251] == ([(CommandVerb.HALT, HaltExpiry.SESSION, "daily_loss")], [])
    told, (exit_,) = found[-401]
    assert told == [(CommandVerb.FLATTEN, HaltExpiry.SESSION, "daily_loss")]
    assert (exit_.purpose, exit_.quantity) == (OrderPurpose.FLATTEN, D(10))
    assert exit_.reason == "the day is at -401.00, max_daily_loss is 200: 1.5 times that"
    assert found[-1001] == ([], [])  # its exit is under way


def test_a_fall_past_both_at_once_halts_and_closes() -> None:
    rig = DeskRig(max_daily_loss=D(200))
    rig.bought()
    rig.quote("AAA", "900")
    outputs = rig.tick()
    assert [verb for verb, _, _ in commands(outputs)] == [CommandVerb.HALT, CommandVerb.FLATTEN]
    assert len(submitted(outputs)) == 1


def test_a_limit_that_only_halts_closes_nothing() -> None:
    found = fallen(DeskRig(max_daily_loss=D(200), on_daily_loss="halt"))
    assert [commands_ for commands_, _ in found.values()] == [
        [],
        [(CommandVerb.HALT, HaltExpiry.SESSION, "daily_loss")],
        [],
        [],
    ]
    assert not any(requests for _, requests in found.values())


def test_a_persons_halt_does_not_keep_a_loss_from_being_closed() -> None:
    rig = DeskRig(max_daily_loss=D(200))
    rig.bought()
    rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand"))
    rig.quote("AAA", "975")
    assert commands(rig.tick()) == []
    rig.quote("AAA", "960")
    outputs = rig.tick()
    assert commands(outputs) == [(CommandVerb.FLATTEN, HaltExpiry.SESSION, "daily_loss")]
    assert len(submitted(outputs)) == 1


def test_what_may_be_held_overnight_is_told_and_not_closed() -> None:
    rig = DeskRig(max_daily_loss=D(200), product="CNC")
    rig.desk.placement._gate = Gate([])
    rig.quote("AAA", "1000")
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    bought = msgspec.structs.replace(rig.execution(request, 10, "1000"), venue_order_id="V1", product="CNC")
    for event_type in (OrderEventType.SENDING, OrderEventType.ACCEPTED):
        rig.outcome(request, event_type, "V1")
    rig.desk.apply_message(FillReport(fill=bought, mono=rig.mono))
    rig.quote("AAA", "960")
    outputs = rig.tick()
    (told,) = [o for o in outputs if isinstance(o, Incident)]
    assert told.text == (
        "the day is at -401.00, max_daily_loss is 200; not closed, since it may be held overnight: AAA"
    )  # fmt: skip
    assert submitted(outputs) == []
    assert [o for o in rig.tick() if isinstance(o, Incident)] == []


def test_it_lasts_until_the_session_ends_over_a_restart_as_well() -> None:
    rig = DeskRig(max_daily_loss=D(200))
    rig.bought()
    rig.quote("AAA", "900")
    standing = [o for o in rig.tick() if isinstance(o, Command)]

    fresh = DeskRig(max_daily_loss=D(200))
    fresh.desk.recover_state((), adopted=[("AAA", D(10), D(1000))], halted="", opens_at=OPEN, halts=standing)
    fresh.quote("AAA", "1100")
    (exit_,) = submitted(fresh.tick())
    assert exit_.purpose is OrderPurpose.FLATTEN

    opens_at = OPEN + 86_400 * SECOND
    closes_at = opens_at + 22_500 * SECOND
    fresh.desk.apply_message(
        SessionBegins(opens_at=opens_at, closes_at=closes_at, entries_until=closes_at, square_off_at=closes_at)
    )
    assert not fresh.desk.book.conditions.halts


def test_what_an_early_run_took_over_is_given_up_also_by_a_run_that_does_not_name_it() -> None:
    rig = DeskRig()
    sold = ReleasedPosition(key=PositionKey("", "NSE", "OLD", "MIS"), quantity=D(4), price=D(100), at=OPEN)
    rig.desk.recover_state([sold], adopted=[("OLD", D(10), D(90))], halted="", opens_at=OPEN)
    assert rig.desk.book.positions.position_of("OLD").quantity == 6


def test_nothing_is_opened_after_that() -> None:
    rig = DeskRig(max_daily_loss=D(200))
    fallen(rig)
    rig.quote("BBB", "500")
    assert submitted(rig.signal("BBB", Action.ENTER_LONG)) == []
