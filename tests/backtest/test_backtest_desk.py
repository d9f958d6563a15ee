"""The desk of a backtest says what a live one says, over random days with limits and faults."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.seam import handle_fast, view
from tests.trading.desk.recorded_day import LIMITS, NAMES, SETTINGS, VENUE, Day, Step, accepted
from tradebot.backtest.backtest_desk import BacktestDesk
from tradebot.backtest.fast_gate import FastGate
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.messages import (
    Command,
    DeskMessage,
    FillReport,
    OrderReport,
    ReleasedPosition,
    RequestResult,
    Submit,
    TrailingStopPrices,
)
from tradebot.domain.order import OrderEvent, OrderEventType, OrderKind, OrderRequest, VenueOrderStatus
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.decisions import ReleasePosition
from tradebot.trading.desk.desk import build_desk
from tradebot.trading.desk.fill_charges import charges_by_market
from tradebot.trading.desk.gate.limits import Limits, build_gate
from tradebot.trading.desk.settings import DeskSettings

D = Decimal
SIGNALS = (Step.ENTER, Step.SIGNAL)


class Twice(Day):
    """A day that two desks live through: one may take short ways, the other has a gate that knows none."""

    def __init__(self, limits: Limits, rules: DeskSettings) -> None:
        self.limits, self.rules = limits, rules
        self.cleared = 0
        super().__init__()

    def step(self, step: Step, n: int) -> None:
        if step in SIGNALS and n % 4:  # most signals come with fresh quotes
            self.quote(range(len(NAMES)), [0] * len(NAMES))
        super().step(step, n)

    @property
    def desk(self) -> Any:
        return self._desk

    @desk.setter
    def desk(self, _: Any) -> None:
        self._desk = _Pair(self)


class _Pair:
    """Stands where the day's desk is: both desks are given what it is given, and what they say is compared."""

    def __init__(self, day: Twice) -> None:
        self.day = day
        gate, controls = (build_gate(day.limits, kill_reason=lambda: day.reason) for _ in range(2))
        clearance: Any = FastGate(day.limits, gate)
        for name in ("allows_entry", "allows_exit"):
            setattr(clearance, name, self._counted(getattr(clearance, name)))
        books = [Book(day.universe, day.rules, charges_by_market(day.universe)) for _ in range(2)]
        self.short: Any = BacktestDesk(
            books[0], gate=gate, clearance=clearance, id_prefix="T1", zero_latency=False, **VENUE
        )
        self.long: Any = build_desk(books[1], gate=controls, id_prefix="T1", **VENUE)

    def _counted(self, way: Any) -> Any:
        def ask(*args: Any) -> bool:
            answer: bool = way(*args)
            self.day.cleared += answer
            return answer

        return ask

    def apply_message(self, message: DeskMessage) -> list[Any]:
        return self._compared(handle_fast(self.short, message), self.long.apply_message(message))

    def adopt_snapshot(self, snapshot: Any) -> list[Any]:
        return self._compared(self.short.desk.adopt_snapshot(snapshot), self.long.adopt_snapshot(snapshot))

    def recover_state(self, events: Any, **rest: Any) -> None:
        for desk in (self.short.desk, self.long):
            desk.recover_state(events, **rest)

    def _compared(self, said: Sequence[Any], other: Sequence[Any]) -> list[Any]:
        # A backtest has no restart: its desk says nothing of trailing stops.
        assert list(said) == [what for what in other if not isinstance(what, TrailingStopPrices)]
        assert view(self.short) == view(self.long)
        return list(said)


limits = st.builds(
    Limits,
    allow_short=st.booleans(),
    permitted_products=st.just(("MIS",)),
    max_order_notional=st.just(D(20_000)),
    max_position_notional=st.just(D(25_000)),
    max_gross_notional=st.sampled_from([D(25_000), D(10**9)]),
    max_daily_loss=st.sampled_from([D(20), D(10**9)]),
    max_open_orders=st.sampled_from([2, 20]),
    price_collar_pct=st.just(D(2)),
    orders_per_minute=st.sampled_from([3, 200]),
    stale_after_s=st.sampled_from([5.0, 100.0]),
)
rules = st.builds(
    msgspec.structs.replace,
    st.just(SETTINGS),
    order_kind=st.sampled_from([OrderKind.MARKET, OrderKind.LIMIT]),
    protection_pct=st.sampled_from([D("0.5"), D(1), D(2)]),
    on_stop=st.sampled_from(["cancel", "flatten", "leave"]),
    chase=st.sampled_from(["cancel", "modify"]),
    fill_collar_pct=st.sampled_from([None, D("0.02"), D(1)]),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(limits, rules, st.lists(st.tuples(st.sampled_from(Step), st.integers(0, 999)), min_size=20, max_size=100))
def test_a_desk_with_short_ways_says_what_one_without_says(
    limits: Limits, rules: DeskSettings, steps: list[tuple[Step, int]]
) -> None:
    day = Twice(limits, rules)
    for step, n in steps:
        day.step(step, n)


def test_what_passes_on_a_plain_day_is_cleared_by_the_short_way() -> None:
    day = Twice(LIMITS, SETTINGS)
    for n in range(60):
        for step in (Step.WAIT, Step.QUOTE, Step.SIGNAL, Step.ANSWER, Step.FILL):
            day.step(step, n * 4 if step in (Step.ANSWER, Step.FILL) else n)

    desk = day.desk.short
    assert day.cleared == len(desk.book.blotter.orders) - desk.account.signal_counts["denied"] > 3


def test_a_whole_fill_far_from_its_reference_is_told_by_the_short_way_too() -> None:
    day = Twice(LIMITS, msgspec.structs.replace(SETTINGS, fill_collar_pct=D("0.1")))
    day.step(Step.ENTER, 1)
    entry = accepted(day)
    day.quote([1], [15])  # 0.6% away

    day.give(FillReport(fill=day.execution(entry, entry.quantity), mono=day.mono))

    halts = [str(line.message.scope) for line in day.said if isinstance(line.message, Command)]
    assert halts == [f"symbol:{entry.symbol}"]


def test_what_an_exit_leaves_open_that_filled_whole_is_closed_at_the_next_tick() -> None:
    day = Twice(LIMITS, SETTINGS)
    day.step(Step.ENTER, 1)
    entry = accepted(day)
    half = entry.quantity // 2
    day.give(FillReport(fill=day.execution(entry, half), mono=day.mono))
    day.give(Command(verb=CommandVerb.FLATTEN, id="f", scope=Scope.parse(f"symbol:{entry.symbol}")))
    first = accepted(day)
    day.give(FillReport(fill=day.execution(entry, entry.quantity - half), mono=day.mono))
    day.give(FillReport(fill=day.execution(first, first.quantity), mono=day.mono))

    day.step(Step.TICK, 0)

    assert (first.quantity, day.waiting[-1].quantity) == (half, entry.quantity - half)


def test_an_exit_that_the_gate_holds_back_a_second_time_is_tried_again_as_well() -> None:
    day = Twice(LIMITS, SETTINGS)
    bought(day)
    day.reason = "the file"
    day.step(Step.SIGNAL, 1)
    assert day.waiting == []
    for desk in (day.desk.short.desk, day.desk.long):  # others sell what is held
        position = desk.book.positions.open["B"]
        sold = ReleasedPosition(key=position.key, quantity=position.quantity, price=D(1000), at=day.at)
        desk.carry_out([ReleasePosition(sold)])
    day.reason = ""
    day.step(Step.WAIT, 0)
    second = bought(day)

    day.reason = "the file"
    day.step(Step.SIGNAL, 1)  # said once, and not again
    day.reason = ""
    day.step(Step.TICK, 0)

    assert [request.quantity for request in day.waiting] == [second.quantity]


def test_what_was_cancelled_a_moment_ago_keeps_an_entry_from_the_short_way() -> None:
    limits = msgspec.structs.replace(LIMITS, max_position_notional=D(15_000), duplicate_window_s=0.0)
    day = Twice(limits, SETTINGS)
    day.step(Step.ENTER, 1)
    first = accepted(day)
    day.give(OrderReport(order=day.shown(first, VenueOrderStatus.CANCELED), mono=day.mono))

    day.step(Step.ENTER, 1)  # both together are 20,000 while the first is reserved

    assert day.desk.short.account.signal_counts["denied"] == 1


def test_time_that_passes_without_a_tick_ends_what_was_reserved() -> None:
    day = Twice(LIMITS, SETTINGS)
    day.step(Step.ENTER, 1)
    first = accepted(day)
    day.give(OrderReport(order=day.shown(first, VenueOrderStatus.CANCELED), mono=day.mono))
    desk = day.desk.short
    assert desk.blotter.exposure.has_orders(first.symbol)

    desk.set_time(day.mono + 3 * SECOND)

    assert not desk.blotter.exposure.has_orders(first.symbol)


def test_what_an_exit_of_an_earlier_run_leaves_open_is_wanted_closed() -> None:
    before = Twice(LIMITS, SETTINGS)
    before.step(Step.ENTER, 1)
    entry = accepted(before)
    before.give(FillReport(fill=before.execution(entry, entry.quantity), mono=before.mono))
    before.give(Command(verb=CommandVerb.FLATTEN, id="f", scope=Scope.parse(f"symbol:{entry.symbol}")))
    exit_ = accepted(before)
    events = [line.message for line in before.said if isinstance(line.message, OrderEvent)]
    day = Twice(LIMITS, SETTINGS)
    day.desk.recover_state(
        [told for event in events for told in sent_first(event)], adopted=[(entry.symbol, D(3), D(1000))], halted="",
        opens_at=day.at,
    )  # fmt: skip

    day.give(FillReport(fill=before.execution(exit_, exit_.quantity), mono=day.mono))

    day.step(Step.TICK, 0)

    assert [request.quantity for request in day.waiting] == [3]


def sent_first(event: OrderEvent) -> list[OrderEvent]:
    """Return what the journal holds where the desk says `event_type`: execution wrote the SENDING row before."""
    if event.type is not OrderEventType.ACCEPTED:
        return [event]
    return [OrderEvent(order_id=event.order_id, type=OrderEventType.SENDING, at=event.at, mono=event.mono), event]


def bought(day: Twice) -> OrderRequest:
    """Let B be bought, whole."""
    day.step(Step.ENTER, 1)
    entry = accepted(day)
    day.give(FillReport(fill=day.execution(entry, entry.quantity), mono=day.mono))
    return entry


class Prompt(Day):
    """A day at a venue that answers in the moment, lived through by a desk that knows it and by one that is told."""

    UNTOLD = (OrderEventType.INTENT, OrderEventType.SENDING, OrderEventType.ACCEPTED, OrderEventType.EXECUTED)
    # No other answers, no lists, no orders placed elsewhere, no end.
    STEPS = tuple(step for step in Step if step not in (Step.ANSWER, Step.POLL, Step.OUTSIDE, Step.STOP))

    def __init__(self, limits: Limits, rules: DeskSettings) -> None:
        self.limits, self.rules = limits, msgspec.structs.replace(rules, fill_collar_pct=None)
        super().__init__()

    @property
    def desk(self) -> Any:
        return self

    @desk.setter
    def desk(self, _: Any) -> None:
        once, told = (build_gate(self.limits, kill_reason=lambda: self.reason) for _ in range(2))
        books = [
            Book(self.universe, self.rules, charges_by_market(self.universe), keeps_ended=keeps)
            for keeps in (False, True)
        ]
        clearance = FastGate(self.limits, once)
        self.once = BacktestDesk(books[0], gate=once, clearance=clearance, id_prefix="T1", zero_latency=True, **VENUE)
        self.told = build_desk(books[1], gate=told, id_prefix="T1", **VENUE)

    def recover_state(self, events: Any, **rest: Any) -> None:
        for desk in (self.once.desk, self.told):
            desk.recover_state(events, **rest)

    def adopt_snapshot(self, books: Any) -> list[Any]:
        return []  # such a venue keeps no books that could be missed

    def apply_message(self, message: DeskMessage) -> list[Any]:
        said, full = list(handle_fast(self.once, message)), self.told.apply_message(message)
        for submit in [what for what in full if isinstance(what, Submit)]:
            c, order_id = self.told.book.conditions, submit.request.order_id
            for event_type, venue_order_id in ((OrderEventType.SENDING, ""), (OrderEventType.ACCEPTED, order_id)):
                event = OrderEvent(
                    order_id=order_id, type=event_type, at=c.now, mono=c.mono, venue_order_id=venue_order_id
                )
                full += self.told.apply_message(RequestResult(event=event))
            self.accepted.append(submit.request)
        assert self._told(said) == self._told(full)
        assert self._known(self.once) == self._known(self.told)
        return said

    def _told(self, said: list[Any]) -> list[Any]:
        return [
            what for what in said
            if not (isinstance(what, TrailingStopPrices) or (isinstance(what, OrderEvent) and what.type in self.UNTOLD))
        ]  # fmt: skip

    def _known(self, desk: Any) -> dict[str, Any]:
        # But for what has ended, and for prices that fills are not held against.
        found = view(desk)
        for name in ("state", "look wanted"):
            del found[name]
        live = {order_id: order for order_id, order in found["orders"].items() if order.is_live}
        found["orders"] = {i: msgspec.structs.replace(order, reference=None) for i, order in live.items()}
        return found

    def follow(self, output: list[Any]) -> None:
        pass

    def step(self, step: Step, n: int) -> None:
        if step in SIGNALS and n % 4:
            self.quote(range(len(NAMES)), [0] * len(NAMES))
        super().step(step, n)

    def report_order(self, n: int) -> None:
        if self.accepted:  # what was cancelled fills no more
            request = self.accepted.pop(0)
            self.give(OrderReport(order=self.shown(request, VenueOrderStatus.CANCELED), mono=self.mono))

    def execution(self, request: OrderRequest, quantity: Decimal) -> Any:
        return msgspec.structs.replace(super().execution(request, quantity), venue_order_id=request.order_id)

    def shown(self, request: OrderRequest, status: VenueOrderStatus) -> Any:
        return msgspec.structs.replace(super().shown(request, status), venue_order_id=request.order_id)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    limits, rules, st.lists(st.tuples(st.sampled_from(Prompt.STEPS), st.integers(0, 999)), min_size=20, max_size=100)
)
def test_a_desk_whose_orders_are_accepted_at_once_decides_as_one_that_is_told_so(
    limits: Limits, rules: DeskSettings, steps: list[tuple[Step, int]]
) -> None:
    day = Prompt(limits, rules)
    for step, n in steps:
        day.step(step, n)


def test_a_desk_whose_orders_are_accepted_at_once_keeps_none_that_was_filled() -> None:
    day = Prompt(LIMITS, msgspec.structs.replace(SETTINGS, max_daily_loss=D(10**9)))
    for n in range(60):
        for step in (Step.WAIT, Step.QUOTE, Step.SIGNAL, Step.FILL):
            day.step(step, n * 4 if step is Step.FILL else n)

    assert day.once.book.positions.fill_count == day.told.book.positions.fill_count > 10
    assert (
        len(day.once.book.blotter.orders)
        == len(day.once.book.blotter.by_venue_id)
        == day.once.book.blotter.exposure.working
        < 6
    )
    assert not day.once.book.blotter.booked_fills
