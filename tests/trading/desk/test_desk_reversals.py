"""The entry of a reversal follows when its exit has filled flat, and the gate is asked then; or it counts as late."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec
import pytest

from tests.trading.desk.recorded_day import NAMES, SETTINGS, Day, accepted
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.messages import Action, ClockTick, Command, FillReport, Signal, Signals
from tradebot.domain.order import OrderEvent, OrderEventType, OrderPurpose, OrderRequest, Side
from tradebot.replay.recorded_run import RecordedLine
from tradebot.replay.rerun import replay_run

D = Decimal


def reversing(day: Day, *actions: Action, quantity: float | None = None) -> None:
    """Say all of `actions` of the first symbol at one close."""
    signals = tuple(
        Signal(
            signal_id=f"s{day.number()}", strategy="s", symbol=NAMES[0], action=action, bar_at=day.at,
            quoted_at=day.mono, made_at=day.mono, quantity=quantity,
        )
        for action in actions
    )  # fmt: skip
    message = Signals(at=day.at, interval=60 * SECOND, signals=signals)
    day.signals.append(RecordedLine(day.count, message))
    day.give(message)


def exiting(*, quantity: float | None = None) -> tuple[Day, OrderRequest]:
    """A day that is long, and has sent the exit of a close that wants to be short."""
    day = Day()
    reversing(day, Action.ENTER_LONG, quantity=quantity)
    entry = accepted(day)
    day.give(FillReport(fill=day.execution(entry, entry.quantity), mono=day.mono))
    reversing(day, Action.EXIT_LONG, Action.ENTER_SHORT, quantity=quantity)
    return day, accepted(day)


def later(day: Day, seconds: float) -> None:
    day.at, day.mono = day.at + int(seconds * SECOND), day.mono + int(seconds * SECOND)
    day.give(ClockTick(at=day.at, mono=day.mono))


def fill(day: Day, request: OrderRequest, quantity: Decimal) -> None:
    day.give(FillReport(fill=day.execution(request, quantity), mono=day.mono))


def test_the_entry_follows_when_the_exit_has_filled_flat() -> None:
    day, exit_ = exiting()

    fill(day, exit_, exit_.quantity - 3)
    assert day.waiting == []
    fill(day, exit_, D(3))

    (entry,) = day.waiting
    assert (entry.side, entry.purpose, entry.quantity) == (Side.SELL, OrderPurpose.ENTRY, D(10))
    assert day.desk.account.signal_counts["ignored"] == day.desk.account.signal_counts["late_reversals"] == 0


def test_an_entry_as_large_as_the_exit_is_not_taken_for_the_same_order_again() -> None:
    day, exit_ = exiting(quantity=7)

    fill(day, exit_, exit_.quantity)

    assert [(r.side, r.quantity, r.purpose) for r in (exit_, *day.waiting)] == [
        (Side.SELL, D(7), OrderPurpose.EXIT), (Side.SELL, D(7), OrderPurpose.ENTRY),
    ]  # fmt: skip


def test_an_exit_that_takes_longer_than_a_signal_may_age_drops_the_entry_and_counts_it() -> None:
    day, exit_ = exiting()

    later(day, SETTINGS.signal_max_age_s + 0.1)
    fill(day, exit_, exit_.quantity)

    assert day.waiting == []
    assert day.desk.account.signal_counts["late_reversals"] == 1


def test_an_entry_waits_for_as_long_as_a_signal_may_age() -> None:
    day, exit_ = exiting()
    later(day, SETTINGS.signal_max_age_s - 0.1)
    fill(day, exit_, exit_.quantity)
    assert [entry.side for entry in day.waiting] == [Side.SELL]


def test_the_gate_is_asked_when_the_exit_has_filled_and_its_denial_is_written_down() -> None:
    day, exit_ = exiting()

    day.give(Command(verb=CommandVerb.HALT, reason="by hand", id="h"))
    fill(day, exit_, exit_.quantity)

    assert day.waiting == []
    last = day.said[-1].message
    assert isinstance(last, OrderEvent)
    assert (last.type, last.reason) == (OrderEventType.DENIED, "halt: halted: by hand")


def test_an_entry_of_the_same_side_as_what_is_being_closed_is_ignored() -> None:
    day, exit_ = exiting()
    day.desk._desk.rules.entries.waiting.clear()

    reversing(day, Action.ENTER_LONG)
    fill(day, exit_, exit_.quantity)

    assert (day.waiting, day.desk.account.signal_counts["ignored"]) == ([], 1)


def test_what_an_operator_closes_is_followed_by_nothing() -> None:
    day = Day()
    reversing(day, Action.ENTER_LONG)
    fill(day, entry := accepted(day), entry.quantity)
    day.give(Command(verb=CommandVerb.FLATTEN, id="f", scope=Scope.for_symbol(NAMES[0])))
    exit_ = accepted(day)

    reversing(day, Action.EXIT_LONG, Action.ENTER_SHORT)
    fill(day, exit_, exit_.quantity)

    assert (day.waiting, day.desk.account.signal_counts["ignored"]) == ([], 2)


def test_a_process_that_starts_again_has_forgotten_the_entry() -> None:
    day, exit_ = exiting()
    events = [line.message for line in day.said if isinstance(line.message, OrderEvent)]
    again = Day()
    again.desk.recover_state(
        [told for event in events for told in sent(event)],
        adopted=(),
        halted="",
        opens_at=day.at,
        halts=(),
        flattened=(),
    )

    again.give(FillReport(fill=day.execution(exit_, exit_.quantity), mono=again.mono))

    assert again.desk.account.open_positions() == {}
    assert again.waiting == []


def sent(event: OrderEvent) -> list[OrderEvent]:
    """Return what the journal holds where the desk says `event`: execution wrote the SENDING row before."""
    if event.type is not OrderEventType.ACCEPTED:
        return [event]
    return [OrderEvent(order_id=event.order_id, type=OrderEventType.SENDING, at=event.at, mono=event.mono), event]


@pytest.mark.parametrize("reverses", [True, False])
def test_a_replay_makes_the_same_reversal_and_none_where_the_run_made_none(reverses: bool) -> None:
    day = Day()
    day.desk.book.settings = msgspec.structs.replace(day.desk.book.settings, reverses=reverses)
    reversing(day, Action.ENTER_LONG)
    fill(day, entry := accepted(day), entry.quantity)
    reversing(day, Action.EXIT_LONG, Action.ENTER_SHORT)
    fill(day, exit_ := accepted(day), exit_.quantity)
    recorded = day.recorded()
    if not reverses:  # the terms of a run from before reversals say nothing of them
        desk = {name: value for name, value in recorded.terms.desk.items() if name != "reverses"}
        recorded = recorded._replace(terms=msgspec.structs.replace(recorded.terms, desk=desk))

    found = asyncio.run(replay_run(recorded))

    assert found.difference is None, found.difference
    assert found.facts == len(day.said)
    assert len(day.waiting) == reverses
