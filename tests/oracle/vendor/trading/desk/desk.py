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
from tradebot.domain.market import BarBatch, Quotes
from tradebot.domain.messages import (
    AccountSnapshot,
    BrokerSession,
    Cancel,
    ClockOffset,
    Command,
    DeskMessage,
    FrozenSymbols,
    Incident,
    LinkDown,
    LinkUp,
    Modify,
    ReconciliationResult,
    ReleasedPosition,
    SessionBegins,
    DiskSpaceState,
    ClockTick,
    TrailingStopPrices,
)
from tradebot.domain.order import OrderEvent
from tests.oracle.vendor.trading.desk.account_view import AccountView
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.book.marks import NewestQuotes
from tests.oracle.vendor.trading.desk.book.states import state_of
from tests.oracle.vendor.trading.desk.decisions import (
    CheckExcess,
    ClosePosition,
    ClosePositions,
    Decisions,
    DeskOutput,
    Forget,
    Known,
    Look,
    Place,
    Record,
    Release,
    Settle,
    Stand,
    Suspect,
    Unaccounted,
)
from tests.oracle.vendor.trading.desk.gate.gate import Gate
from tests.oracle.vendor.trading.desk.placing.placement import Placement
from tests.oracle.vendor.trading.desk.placing.requests import OrderRequests
from tests.oracle.vendor.trading.desk.rules.ruleset import Ruleset

NO_BEST: Mapping[str, Decimal] = {}


class Desk:
    """One account: signals and quotes become orders that passed the gate, and what the venue says positions.

    `book` is what it knows, `placement` how orders are placed, `rules` who decides; see `desk_of` for a desk of them.
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
            Look: book.take_look,
            LinkDown: book.conditions.lose_link,
            LinkUp: book.conditions.regain_link,
            BrokerSession: book.conditions.take_login,
            FrozenSymbols: book.conditions.freeze,
            ClockOffset: book.conditions.take_clock,
            DiskSpaceState: book.conditions.take_space,
            SessionBegins: self._begin_session,
            Stand: self._stand,
            ClosePosition: book.want_closed,
            ClosePositions: book.want_all_closed,
            Forget: book.forget,
            Release: book.release,
            CheckExcess: book.check_excess,
            Settle: book.settle,
            Suspect: book.suspect,
            Unaccounted: book.leave_unaccounted,
        }
        out = self._put
        self._carries_out: dict[type, Callable[[Any], object]] = {
            Record: self._record,
            Known: book.know,
            Place: self._place,
            Cancel: out,
            Modify: out,
            Incident: out,
            ReconciliationResult: out,
            TrailingStopPrices: out,
        }

    # ---- in

    def apply(self, message: DeskMessage) -> list[DeskOutput]:
        """Take one message; returns what follows from it, facts before the orders they allow."""
        self._out = []
        self._take(Look(message, is_start=False) if type(message) is AccountSnapshot else message)
        if self.rules.entries.waiting:
            self._run(self.rules.entries.follow())
        return self._out

    def adopt(self, books: AccountSnapshot) -> list[DeskOutput]:
        """Compare with the venue at start: fills missed are booked, and in a symbol with a difference nothing opens.

        What the journal does not know is not ours, all of it where the journal is empty: shown, and never traded.
        """
        self._out = []
        self._run(self.rules.venue_links.on_start())
        self._take(Look(books, is_start=True))
        return self._out

    def recover(
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
        holds for everything, "" for none. `flattened` are ids of flatten commands that have been carried out.
        `best` is what trailing stops had seen, see `Trailing`.
        """
        book = self.book
        for symbol, quantity, price in adopted:  # by runs from before a row named the exchange
            key = book.key(symbol)
            if not key.exchange:
                key = msgspec.structs.replace(key, exchange=HOME_EXCHANGE)
            book.blotter.adopt(key, quantity, price)
        for fact in facts:
            self._recall(fact, is_today=fact.at >= opens_at)
        self.rules.stop_levels.guards.recover(best)
        of_all = (Command(verb=CommandVerb.HALT, reason=halted),) if halted else ()
        for command in (*of_all, *halts):
            book.conditions.halts.apply_command(command)
        book.conditions.halts.flatten_ids.update(flattened)
        book.conditions.times.begin_day(opens_at)

    def carry_out(self, decisions: Decisions) -> list[DeskOutput]:
        """Carry out decisions that follow from no message, for who asks the rules itself; returns what follows."""
        self._out = []
        self._run(decisions)
        return self._out

    def advance(self, mono: int) -> None:
        """Let it be monotonic `mono`, unless it was later already, as a run noted it in front of what it was given."""
        self.book.conditions.mono = max(self.book.conditions.mono, mono)

    def restore_quotes(self, newest: NewestQuotes) -> None:
        """Take the newest quotes as a run noted them, for symbols whose quotes it did not note one by one."""
        self.book.marks.restore(newest)

    def holdings_at(self, close: BarBatch) -> dict[str, tuple[Decimal, Decimal]]:
        """Return the holdings that the strategies are told with `close`."""
        return self.account.holdings()

    def state(self) -> str:
        """Return a hash of what the account holds and works, by which a replay sees that it came to the same."""
        return state_of(self.book)

    # ---- the loop

    def _take(self, what: object) -> None:
        kind = type(what)
        write, hears = self._writes.get(kind), self.rules.hears.get(kind)
        assert write is not None or hears is not None, f"the desk does not know {kind.__name__}"
        if write is not None:
            write(what)
        for rule in hears or ():
            if decisions := rule(what):
                self._run(decisions)

    def _run(self, decisions: Decisions) -> None:
        for decision in decisions:
            carry_out = self._carries_out.get(type(decision), self._take)
            carry_out(decision)

    def _record(self, decision: Record) -> None:
        change = self.book.record(decision.fact)
        self._out.append(decision.fact)
        for rule in self.rules.of_change(change):
            if decisions := rule(change):
                self._run(decisions)

    def _place(self, decision: Place) -> None:
        self.placement.place(decision, self._out)

    def _stand(self, decision: Stand) -> None:
        self.book.conditions.halts.apply_command(decision.command)
        self._out.append(decision.command)

    def _put(self, output: Any) -> None:
        self._out.append(output)

    def _begin_session(self, session: SessionBegins) -> None:
        if self.book.take_session(session):
            self.rules.reject_breaker.begin_day()
            self.placement.begin_day()

    def _recall(self, fact: OrderEvent | ReleasedPosition, *, is_today: bool) -> None:
        # What rules decide on a fact of the journal they decided then. Of days before neither refusals count nor what
        # passed the gate, and their profit is none of this day's.
        book, rules = self.book, self.rules
        if isinstance(fact, ReleasedPosition):
            book.release(Release(fact))
            rules.stop_levels.on_release(Release(fact))
        else:
            change = book.record(fact)
            if is_today:
                self.placement.recall(change.after, fact)
            for rule in rules.of_change(change):
                rule(change)
        if not is_today:
            book.worth.begin_day(is_marked=False)
            rules.reject_breaker.begin_day()


def desk_of(
    book: Book,
    *,
    gate: Gate,
    id_prefix: str,
    absent_after_s: float,
    absence_is_proof: bool = False,
    placement_of: Callable[[Book, Gate, OrderRequests], Placement] = Placement,
) -> Desk:
    """Return the desk of a book; its order ids are `id_prefix` and a count, `absent_after_s` and `absence_is_proof` are
    the venue's, see `Profile`. `placement_of` makes the way in which it places."""
    requests = OrderRequests(book, id_prefix=id_prefix, most=gate.most)
    placement = placement_of(book, gate, requests)
    rules = Ruleset(book, requests, placement, absent_after_s=absent_after_s, absence_is_proof=absence_is_proof)
    return Desk(book, placement, rules)
