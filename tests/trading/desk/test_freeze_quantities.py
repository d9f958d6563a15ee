"""Freeze quantities: an entry above what an exchange takes as one order is denied, an exit of more goes in parts."""

from __future__ import annotations

from decimal import Decimal

from tests.trading.desk.account_day import Day
from tests.trading.desk.gate.gate_contexts import context_with, request
from tradebot.backtest.fast_gate import FastGate
from tradebot.domain.commands import CommandVerb
from tradebot.domain.instrument import Instrument, InstrumentKind
from tradebot.domain.messages import Action, Command
from tradebot.domain.order import OrderKind
from tradebot.trading.desk.gate.limits import Limits, build_gate
from tradebot.trading.desk.gate.order_controls import FreezeQuantity

D = Decimal


def test_150_000_shares_in_one_order_are_refused_with_figures() -> None:
    freeze = FreezeQuantity(shares=D(100_000), others={"NIFTYFUT": D(1800)})
    answer = freeze.check(request(quantity=D(150_000)), context_with())
    assert answer == "quantity 150000 is above the 100000 that NSE takes as one order"
    assert freeze.check(request(quantity=D(100_000)), context_with()) is None
    contract = Instrument(symbol="NIFTYFUT", exchange="NFO", token=1, kind=InstrumentKind.FUTURE)
    assert freeze.check(request(quantity=D(1801), exchange="NFO"), context_with(instrument=contract)) is not None
    other = Instrument(symbol="BANKFUT", exchange="NFO", token=2, kind=InstrumentKind.FUTURE)
    assert freeze.check(request(quantity=D(10**7)), context_with(instrument=other)) is None, "nobody knows it"


def test_both_ways_past_the_gate_hold_to_it() -> None:
    limits = Limits(
        freeze_quantity=D(50), max_order_quantity=D(10**6), max_order_notional=D(10**9),
        max_position_notional=D(10**9), max_gross_notional=D(10**9),
    )  # fmt: skip
    gate = build_gate(limits, kill_reason=lambda: "")
    way, instrument = FastGate(limits, gate), context_with().instrument
    for quantity, passes in ((50, True), (51, False)):
        asked = request(quantity=D(quantity), kind=OrderKind.LIMIT, order_id=f"T{quantity}", signal_id=f"s{quantity}")
        clears = way.allows_entry(asked, instrument, D(0), D(100), 0, 10**12, 0, None, lambda: D(0))
        assert clears is passes
        if not passes:
            assert gate.check_order(asked, context_with()).control == "freeze"


def test_an_exit_of_more_than_one_order_may_have_goes_in_parts_until_nothing_is_left() -> None:
    day = Day(owned=0)
    day.signal(Action.ENTER_LONG, 12)
    day.fill(day.papers[-1], 12, is_told=True)
    day.desk.placement.requests._max_quantity = lambda instrument: D(5)
    day.follow(day.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="f")))
    for _ in range(5):
        if (paper := day.papers[-1]).left:
            day.fill(paper, paper.left, is_told=True)
        day.pass_time(3)
    assert [paper.quantity for paper in day.papers[1:]] == [5, 5, 2]
    assert day.desk.account.open_positions() == {}


def test_the_rest_of_an_exit_is_still_wanted_by_a_process_that_starts_between_two_parts() -> None:
    day = Day(owned=0)
    day.signal(Action.ENTER_LONG, 12)
    day.fill(day.papers[-1], 12, is_told=True)
    day.desk.placement.requests._max_quantity = lambda instrument: D(5)
    day.signal(Action.EXIT_LONG, 12)
    day.fill(day.papers[-1], 5, is_told=True)

    again = Day(owned=0)
    again.net = day.net
    again.desk.recover_state(day.said, adopted=(), halted="", opens_at=day.at)
    again.pass_time(1)
    assert [paper.quantity for paper in again.papers] == [7]
