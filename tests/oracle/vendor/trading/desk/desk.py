"""The desk: a message comes in, rules return decisions, the book is written, and what follows goes out.

It is synchronous and does no I/O. A decision and all that follows from it are carried out before the next decision, so
that a rule always sees the current book. The engine journals the order events that go out, and gives the orders to the
order sender. The INTENT event of an order goes out before the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tradebot.domain.commands import CommandVerb
from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.market import BarBatch, Quotes
from tradebot.domain.messages import (
    AccountSnapshot,
    BrokerSession,
    Cancel,
    ClockOffset,
    ClockTick,
    Command,
    DeskMessage,
    DiskSpaceState,
    FrozenSymbols,
    Incident,
    LimitsReloaded,
    LinkDown,
    LinkUp,
    Modify,
    ReconciliationResult,
    ReleasedPosition,
    SessionBegins,
    TrailingStopPrices,
)
from tradebot.domain.order import OrderEvent
from tests.oracle.vendor.trading.desk.account_view import AccountView
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.book.marks import NewestQuotes
from tests.oracle.vendor.trading.desk.book.state_hash import hash_state
from tests.oracle.vendor.trading.desk.decisions import (
    ApplyCommand,
    AttributePositions,
    BlockSymbol,
    CheckOverfills,
    ClosePosition,
    ClosePositions,
    Decisions,
    DeskOutput,
    ForgetPosition,
    PlaceOrder,
    Reconcile,
    RecordEvent,
    RecordJournaled,
    ReleasePosition,
    SetUnaccounted,
    SetUnprotected,
)
from tests.oracle.vendor.trading.desk.gate.gate import Gate
from tests.oracle.vendor.trading.desk.gate.limits import Limits
from tests.oracle.vendor.trading.desk.placing.placement import Placement
from tests.oracle.vendor.trading.desk.placing.requests import OrderRequests
from tests.oracle.vendor.trading.desk.rules.ruleset import Ruleset

NO_BEST: Mapping[str, Decimal] = {}


class Desk:
    """The desk of one account: turns signals and quotes into orders that passed the gate, and reports into positions.

    `book` is what it knows, `placement` places orders, `rules` decide; `build_desk` builds one with its rules.
    """

    def __init__(self, book: Book, placement: Placement, rules: Ruleset) -> None:
        self.book, self.placement, self.rules = book, placement, rules
        self.account = AccountView(book, rules, placement)
        self._out: list[DeskOutput] = []
        # type of a message or decision -> what writes it into the book, before its subscribers are asked
        self._writes: dict[type, Callable[[Any], object]] = {
            Quotes: book.take_quotes,
            ClockTick: book.take_tick,
            Command: book.take_command,
            Reconcile: book.begin_reconcile,
            LinkDown: book.conditions.lose_link,
            LinkUp: book.conditions.regain_link,
            BrokerSession: book.conditions.take_login,
            FrozenSymbols: book.conditions.set_frozen,
            ClockOffset: book.conditions.take_clock_offset,
            DiskSpaceState: book.conditions.take_disk_space,
            SessionBegins: self._begin_session,
            LimitsReloaded: self._change_limits,
            ApplyCommand: self._apply_command,
            ClosePosition: book.request_close,
            ClosePositions: book.request_closes,
            ForgetPosition: book.forget_position,
            ReleasePosition: book.release_position,
            CheckOverfills: book.check_overfills,
            AttributePositions: book.attribute_positions,
            BlockSymbol: book.block_symbol,
            SetUnaccounted: book.set_unaccounted,
            SetUnprotected: book.conditions.set_unprotected,
        }
        out = self._put
        # type of a decision -> what carries it out; a decision of another type is dispatched as a message is
        self._carries_out: dict[type, Callable[[Any], object]] = {
            RecordEvent: self._record,
            RecordJournaled: book.record_journaled,
            PlaceOrder: self._place,
            Cancel: out,
            Modify: out,
            Incident: out,
            ReconciliationResult: out,
            TrailingStopPrices: out,
        }

    # ---- in

    def apply_message(self, message: DeskMessage) -> list[DeskOutput]:
        """Take one message; return what follows from it, the INTENT of each order before the order.

        Raises AssertionError for a message of an unknown type.
        """
        self._out = []
        self._dispatch(Reconcile(message, is_start=False) if type(message) is AccountSnapshot else message)
        if self.rules.entries.waiting:
            self._carry_out(self.rules.entries.send_waiting())
        return self._out

    def adopt_snapshot(self, snapshot: AccountSnapshot) -> list[DeskOutput]:
        """Compare the book with the venue's account snapshot at start; return what follows.

        Fills that the journal lacks are booked, and a symbol with a difference opens nothing. A position that the
        journal does not know is not ours: it is shown and never traded. With an empty journal none is ours.
        """
        self._out = []
        self._carry_out(self.rules.venue_links.on_start())
        self._dispatch(Reconcile(snapshot, is_start=True))
        return self._out

    def recover_state(
        self,
        events: Sequence[OrderEvent | ReleasedPosition],
        *,
        adopted: Sequence[tuple[str, Decimal, Decimal]],
        halted: str,
        opens_at: int,
        halts: Sequence[Command] = (),
        flattened: Iterable[str] = (),
        best: Mapping[str, Decimal] = NO_BEST,
    ) -> None:
        """Rebuild the book from the journal's events before the first message; nothing goes out.

        The day's profit counts from `opens_at` (market ns). `halts` are still active; `halted` is the reason of a halt
        of everything, "" without one. `flattened` are the ids of flatten commands that have been carried out. `adopted`
        are positions without fills: (symbol, signed quantity, average price). `best` holds the best prices that
        trailing stops follow: order id of the entry -> price.
        """
        book = self.book
        for symbol, quantity, price in adopted:  # adopted by early runs, whose rows named no exchange
            key = book.position_key(symbol)
            if not key.exchange:
                key = msgspec.structs.replace(key, exchange=HOME_EXCHANGE)
            book.blotter.adopt_position(key, quantity, price)
        for event in events:
            self._replay_event(event, is_today=event.at >= opens_at)
        self.rules.stop_levels.position_stops.restore_best(best)
        self.rules.resting_stops.begin_run()
        global_halt = (Command(verb=CommandVerb.HALT, reason=halted),) if halted else ()
        for command in (*global_halt, *halts):
            book.conditions.halts.apply_command(command)
        book.conditions.halts.flatten_ids.update(flattened)
        book.conditions.awaits_books = True
        book.conditions.times.begin_trading_day(opens_at)

    def carry_out(self, decisions: Decisions) -> list[DeskOutput]:
        """Carry out decisions that follow from no message, for a caller that asks the rules itself.

        Returns what follows.
        """
        self._out = []
        self._carry_out(decisions)
        return self._out

    def advance_mono(self, mono: int) -> None:
        """Set the monotonic time to `mono` (ns), unless it is later already.

        A replay calls this before each input, with the time that the run recorded.
        """
        self.book.conditions.mono = max(self.book.conditions.mono, mono)

    def restore_quotes(self, newest: NewestQuotes) -> None:
        """Take the recorded newest quotes of symbols whose quotes the run did not all record."""
        self.book.marks.restore_quotes(newest)

    def holdings_at(self, batch: BarBatch) -> dict[str, tuple[Decimal, Decimal]]:
        """Return the positions that strategies get with a batch of bars: symbol -> (signed quantity, average price)."""
        return self.account.open_positions()

    def state_hash(self) -> str:
        """Return a hash of the account's state, by which a replay verifies that it reached the same one."""
        return hash_state(self.book)

    # ---- the loop

    def _dispatch(self, item: object) -> None:
        kind = type(item)
        write, subscribers = self._writes.get(kind), self.rules.subscribers.get(kind)
        assert write is not None or subscribers is not None, f"the desk does not know {kind.__name__}"
        if write is not None:
            write(item)
        for rule in subscribers or ():
            if decisions := rule(item):
                self._carry_out(decisions)

    def _carry_out(self, decisions: Decisions) -> None:
        for decision in decisions:
            carry_out = self._carries_out.get(type(decision), self._dispatch)
            carry_out(decision)

    def _record(self, decision: RecordEvent) -> None:
        change = self.book.record_event(decision.event)
        self._out.append(decision.event)
        for rule in self.rules.change_subscribers(change):
            if decisions := rule(change):
                self._carry_out(decisions)

    def _place(self, decision: PlaceOrder) -> None:
        self.placement.place_order(decision, self._out)

    def _apply_command(self, decision: ApplyCommand) -> None:
        self.book.conditions.halts.apply_command(decision.command)
        self._out.append(decision.command)

    def _put(self, output: Any) -> None:
        self._out.append(output)

    def _begin_session(self, session: SessionBegins) -> None:
        if self.book.take_session(session):
            self.rules.reject_breaker.forget_rejections()
            self.placement.begin_market_day()

    def _change_limits(self, reloaded: LimitsReloaded) -> None:
        limits = msgspec.convert(reloaded.limits, Limits)
        self.placement.change_limits(limits, reloaded.order_notional)
        self.rules.daily_loss.set_limit(limits.max_daily_loss)
        self._out.append(reloaded)

    def _replay_event(self, event: OrderEvent | ReleasedPosition, *, is_today: bool) -> None:
        # The rules' decisions about a journaled event were carried out at the time, so they are dropped here. Events of
        # earlier days count neither as rejections nor for the gate's limits, and their profit is not the day's.
        book, rules = self.book, self.rules
        if isinstance(event, ReleasedPosition):
            book.release_position(ReleasePosition(event))
            rules.stop_levels.on_release_position(ReleasePosition(event))
        else:
            change = book.record_event(event)
            if is_today:
                self.placement.restore_passed(change.after, event)
            for rule in rules.change_subscribers(change):
                rule(change)
        if not is_today:
            book.pnl.reset_day_base(is_marked=False)
            rules.reject_breaker.forget_rejections()


def build_desk(
    book: Book,
    *,
    gate: Gate,
    id_prefix: str,
    absent_after_s: float,
    absence_is_proof: bool = False,
    placement_of: Callable[[Book, Gate, OrderRequests], Placement] = Placement,
) -> Desk:
    """Return the desk of a book.

    Its order ids are `id_prefix` and a count. `VenueRules` in `venues/venue_rules.py` explains `absent_after_s` and
    `absence_is_proof`. `placement_of` makes its placement.
    """
    requests = OrderRequests(book, id_prefix=id_prefix, max_quantity=gate.max_quantity)
    placement = placement_of(book, gate, requests)
    rules = Ruleset(book, requests, placement, absent_after_s=absent_after_s, absence_is_proof=absence_is_proof)
    return Desk(book, placement, rules)
