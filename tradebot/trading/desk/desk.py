"""The desk: a message comes in, rules return decisions, the book is written, and what follows goes out.

Synchronous and pure. What a decision leads to is carried out before the next decision, so that a rule that is asked
again sees the book as it is then. The engine journals the facts that go out and hands the orders to execution; facts
stand before the orders they allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tradebot.domain.commands import CommandVerb
from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.market_data import BarBatch, Quotes
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
    LinkDown,
    LinkUp,
    Modify,
    ReconciliationResult,
    ReleasedPosition,
    SessionBegins,
    TrailingStopPrices,
)
from tradebot.domain.order import OrderEvent
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.book.marks import NewestQuotes
from tradebot.trading.desk.book.state_hash import hash_state
from tradebot.trading.desk.decisions import (
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
)
from tradebot.trading.desk.gate.gate import Gate
from tradebot.trading.desk.placing.placement import Placement
from tradebot.trading.desk.placing.requests import OrderRequests
from tradebot.trading.desk.rules.ruleset import Ruleset

NO_BEST: Mapping[str, Decimal] = {}


class Desk:
    """One account: signals and quotes become orders that passed the gate, and what the venue says positions.

    `book` is what it knows, `placement` how orders are placed, `rules` who decides; see `build_desk` for a desk of them.
    """

    def __init__(self, book: Book, placement: Placement, rules: Ruleset) -> None:
        self.book, self.placement, self.rules = book, placement, rules
        self.account = AccountView(book, rules, placement)
        self._out: list[DeskOutput] = []
        # What a message or a decision writes into the book, before the rules hear of it.
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
            ApplyCommand: self._apply_command,
            ClosePosition: book.request_close,
            ClosePositions: book.request_closes,
            ForgetPosition: book.forget_position,
            ReleasePosition: book.release_position,
            CheckOverfills: book.check_overfills,
            AttributePositions: book.attribute_positions,
            BlockSymbol: book.block_symbol,
            SetUnaccounted: book.set_unaccounted,
        }
        out = self._put
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
        """Take one message; returns what follows from it, facts before the orders they allow."""
        self._out = []
        self._dispatch(Reconcile(message, is_start=False) if type(message) is AccountSnapshot else message)
        if self.rules.entries.waiting:
            self._carry_out(self.rules.entries.send_waiting())
        return self._out

    def adopt_snapshot(self, books: AccountSnapshot) -> list[DeskOutput]:
        """Compare with the venue at start: fills missed are booked, and in a symbol with a difference nothing opens.

        What the journal does not know is not ours, all of it where the journal is empty: shown, and never traded.
        """
        self._out = []
        self._carry_out(self.rules.venue_links.on_start())
        self._dispatch(Reconcile(books, is_start=True))
        return self._out

    def recover_state(
        self,
        facts: Sequence[OrderEvent | ReleasedPosition],
        *,
        adopted: Sequence[tuple[str, Decimal, Decimal]],
        halted: str,
        opens_at: int,
        halts: Sequence[Command] = (),
        flattened: Iterable[str] = (),
        best: Mapping[str, Decimal] = NO_BEST,
    ) -> None:
        """Rebuild from the journal's facts before the first message; nothing is returned and nothing is sent.

        The day's profit counts from `opens_at` (market ns). `halts` still stand; `halted` is the reason of one that
        holds for everything, "" for none. `flatten_ids` are ids of flatten commands that have been carried out.
        `best` is what trailing stops had seen, see `TrailingStopPrices`.
        """
        book = self.book
        for symbol, quantity, price in adopted:  # by runs from before a row named the exchange
            key = book.position_key(symbol)
            if not key.exchange:
                key = msgspec.structs.replace(key, exchange=HOME_EXCHANGE)
            book.blotter.adopt_position(key, quantity, price)
        for fact in facts:
            self._replay_event(fact, is_today=fact.at >= opens_at)
        self.rules.stop_levels.position_stops.restore_best(best)
        of_all = (Command(verb=CommandVerb.HALT, reason=halted),) if halted else ()
        for command in (*of_all, *halts):
            book.conditions.halts.apply_command(command)
        book.conditions.halts.flatten_ids.update(flattened)
        book.conditions.times.begin_trading_day(opens_at)

    def carry_out(self, decisions: Decisions) -> list[DeskOutput]:
        """Carry out decisions that follow from no message, for who asks the rules itself; returns what follows."""
        self._out = []
        self._carry_out(decisions)
        return self._out

    def advance_mono(self, mono: int) -> None:
        """Let it be monotonic `mono`, unless it was later already, as a run noted it in front of what it was given."""
        self.book.conditions.mono = max(self.book.conditions.mono, mono)

    def restore_quotes(self, newest: NewestQuotes) -> None:
        """Take the newest quotes as a run noted them, for symbols whose quotes it did not note one by one."""
        self.book.marks.restore_quotes(newest)

    def holdings_at(self, close: BarBatch) -> dict[str, tuple[Decimal, Decimal]]:
        """Return the holdings that the strategies are told with `close`."""
        return self.account.open_positions()

    def state_hash(self) -> str:
        """Return a hash of what the account holds and works, by which a replay sees that it came to the same."""
        return hash_state(self.book)

    # ---- the loop

    def _dispatch(self, what: object) -> None:
        kind = type(what)
        write, hears = self._writes.get(kind), self.rules.subscribers.get(kind)
        assert write is not None or hears is not None, f"the desk does not know {kind.__name__}"
        if write is not None:
            write(what)
        for rule in hears or ():
            if decisions := rule(what):
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

    def _replay_event(self, fact: OrderEvent | ReleasedPosition, *, is_today: bool) -> None:
        # What rules decide on a fact of the journal they decided then. Of days before neither refusals count nor what
        # passed the gate, and their profit is none of this day's.
        book, rules = self.book, self.rules
        if isinstance(fact, ReleasedPosition):
            book.release_position(ReleasePosition(fact))
            rules.stop_levels.on_release_position(ReleasePosition(fact))
        else:
            change = book.record_event(fact)
            if is_today:
                self.placement.restore_passed(change.after, fact)
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
    """Return the desk of a book; its order ids are `id_prefix` and a count, `absent_after_s` and `absence_is_proof` are
    the venue's, see `VenueRules`. `placement_of` makes the way in which it places."""
    requests = OrderRequests(book, id_prefix=id_prefix, max_quantity=gate.max_quantity)
    placement = placement_of(book, gate, requests)
    rules = Ruleset(book, requests, placement, absent_after_s=absent_after_s, absence_is_proof=absence_is_proof)
    return Desk(book, placement, rules)
