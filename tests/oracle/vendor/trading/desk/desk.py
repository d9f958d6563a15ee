"""The desk: the one writer of orders, positions and limits. Messages in; facts, orders and cancels out, in that order.

Synchronous and pure: between the gate's check and the reservation (the INTENT fact in the blotter) nothing can happen.
The engine journals the facts it returns and hands the orders to execution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tradebot.clock import SECOND
from tradebot.domain.control import Scope, Verb
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Close, Quotes
from tradebot.domain.messages import (
    Books,
    BrokerSession,
    Cancel,
    ClockApart,
    Command,
    DeskMessage,
    Executed,
    Frozen,
    Incident,
    LinkDown,
    LinkUp,
    Modify,
    OrderSeen,
    Outcome,
    Reconciled,
    Released,
    SessionBegins,
    Signals,
    SpaceLeft,
    Submit,
    Tick,
    Trailing,
)
from tradebot.domain.order import Execution, Order, OrderEvent, OrderFact, OrderRequest
from tests.oracle.vendor.domain.order_course import fills_whole
from tradebot.domain.order_states import GONE
from tests.oracle.vendor.trading.desk.acting import Acting
from tests.oracle.vendor.trading.desk.audit import Audit
from tests.oracle.vendor.trading.desk.blotter import Blotter, ChargesOf
from tests.oracle.vendor.trading.desk.breaker import Breaker
from tests.oracle.vendor.trading.desk.commands import Commands
from tests.oracle.vendor.trading.desk.conditions import Conditions
from tests.oracle.vendor.trading.desk.day_end import DayEnd
from tests.oracle.vendor.trading.desk.denials import Denials
from tests.oracle.vendor.trading.desk.exits import Exits
from tests.oracle.vendor.trading.desk.gate.gate import Gate
from tests.oracle.vendor.trading.desk.marks import Marks
from tests.oracle.vendor.trading.desk.ordering import DeskSettings, Ordering
from tests.oracle.vendor.trading.desk.post_trade import misfits
from tests.oracle.vendor.trading.desk.protection import Protection
from tests.oracle.vendor.trading.desk.reversals import Reversals
from tests.oracle.vendor.trading.desk.shortfalls import Shortfalls
from tests.oracle.vendor.trading.desk.sightings import Sightings
from tests.oracle.vendor.trading.desk.start import Start
from tests.oracle.vendor.trading.desk.vigil import UNREMARKABLE, WAITS, findings, waiting_cancel
from tests.oracle.vendor.trading.desk.worth import Worth

DeskOutput = OrderFact | Command | Reconciled | Incident | Trailing | Submit | Modify | Cancel
INTENT, SENDING, EXECUTED = OrderEvent.INTENT, OrderEvent.SENDING, OrderEvent.EXECUTED
INCIDENT = "incident"  # the rule that halts over what must not happen and did
NO_BEST: Mapping[str, Decimal] = {}


class Desk:
    """Turns signals and quotes into orders that passed the gate, and what the venue says into positions."""

    def __init__(
        self, *, universe: Universe, gate: Gate, settings: DeskSettings, charges_of: ChargesOf, id_prefix: str,
        absent_after_s: float, absence_is_proof: bool = False, keeps_ended: bool = True,
    ) -> None:  # fmt: skip
        self._universe, self._settings, self._gate = universe, settings, gate
        self.blotter = Blotter(charges_of, venue=settings.venue, keeps_ended=keeps_ended)
        self._exposure = self.blotter.exposure
        self.marks = Marks(universe)
        self.worth = Worth(universe, self.blotter, self.marks)
        self.conditions = Conditions()
        self.protection = Protection(len(universe))
        self._shortfalls = Shortfalls(self.blotter, universe, self.marks.reference)
        self.sightings = Sightings(
            self.blotter, universe, self._shortfalls, absent_after_s=absent_after_s, absence_is_proof=absence_is_proof
        )
        self._ordering = Ordering(
            universe=universe, blotter=self.blotter, marks=self.marks, conditions=self.conditions, gate=gate,
            settings=settings, id_prefix=id_prefix, day_profit=self.worth.day_profit, emit=self._emit,
            intend=self._intend,
        )  # fmt: skip
        self.exits = Exits(
            universe=universe, blotter=self.blotter, conditions=self.conditions, ordering=self._ordering,
            protection=self.protection,
        )  # fmt: skip
        self.reversals = Reversals(
            blotter=self.blotter, conditions=self.conditions, exits=self.exits, ordering=self._ordering,
            max_age=int(settings.signal_max_age_s * SECOND),
        )  # fmt: skip
        self._acting = Acting(
            universe=universe, blotter=self.blotter, exits=self.exits, ordering=self._ordering,
            reversals=self.reversals, settings=settings,
        )  # fmt: skip
        self._audit = Audit(
            universe=universe, product=settings.product, blotter=self.blotter, marks=self.marks,
            conditions=self.conditions, sightings=self.sightings, ordering=self._ordering, emit_all=self._emit_all,
            tell=self._tell, incident=self._incident, day_opens_at=lambda: self.day_end.opens_at,
        )  # fmt: skip
        self._commands = Commands(
            blotter=self.blotter, conditions=self.conditions, ordering=self._ordering, exits=self.exits,
            on_stop=settings.on_stop, note=self._commanded,
        )  # fmt: skip
        self.day_end = DayEnd(
            conditions=self.conditions, worth=self.worth, exits=self.exits, commands=self._commands,
            blotter=self.blotter, settings=settings, tell=self._tell_incident,
        )  # fmt: skip
        self._breaker = Breaker(settings)
        self._start = Start(
            blotter=self.blotter, worth=self.worth, conditions=self.conditions, shortfalls=self._shortfalls,
            exits=self.exits, breaker=self._breaker, gate=gate,
        )  # fmt: skip
        self._out: list[DeskOutput] = []
        # One look-up a message: the desk takes a handful for every order.
        self._takes: dict[type, Callable[[Any], None]] = {
            Quotes: self._on_quotes, Tick: lambda tick: self._clock(tick.at, tick.mono),
            Signals: self._acting.take_all, Outcome: self._on_outcome, OrderSeen: self._on_seen,
            Executed: lambda told: self._executed(told.execution, told.mono), Books: self._look,
            LinkDown: self._audit.link_down, LinkUp: self._audit.link_up, SessionBegins: self._on_session,
            Command: self._on_command, Frozen: self.conditions.freeze, BrokerSession: self._audit.session,
            ClockApart: self.conditions.take_clock, SpaceLeft: self.conditions.take_space,
        }  # fmt: skip

    # ---- in

    def apply(self, message: DeskMessage) -> list[DeskOutput]:
        """Take one message; returns what follows from it, facts before the orders they allow."""
        self._out = []
        take = self._takes.get(type(message))
        assert take is not None, f"the desk does not know {type(message).__name__}"
        take(message)
        if self.reversals.waiting:
            self.reversals.follow()
        return self._out

    def recover(
        self, facts: Sequence[OrderFact | Released], *, adopted: Sequence[tuple[str, Decimal, Decimal]], halted: str,
        opens_at: int, halts: Sequence[Command] = (), flattened: Iterable[str] = (),
        best: Mapping[str, Decimal] = NO_BEST,
    ) -> None:  # fmt: skip
        """Rebuild from the journal's facts before the first message; nothing is returned and nothing is sent.

        The day's profit counts from `opens_at` (market ns). `halts` still stand; `halted` is the reason of one that
        holds for everything, "" for none. `flattened` are ids of flatten commands that have been carried out.
        `best` is what trailing stops had seen, see `Trailing`.
        """
        for symbol, quantity, price in adopted:
            self.blotter.adopt(self._audit.key(symbol), quantity, price)
        self._start.take(facts, opens_at=opens_at)
        self.protection.recover(best)
        of_all = (Command(verb=Verb.HALT, reason=halted),) if halted else ()
        for command in (*of_all, *halts):
            self.conditions.halts.apply(command)
        self.conditions.halts.flattened.update(flattened)
        self.day_end.begin(opens_at)

    def adopt(self, books: Books) -> list[DeskOutput]:
        """Compare with the venue at start: fills missed are booked, and in a symbol with a difference nothing opens.

        What the journal does not know is not ours, all of it where the journal is empty: shown, and never traded.
        """
        self._out = []
        for order in self.blotter.live_anywhere():
            self._tell(order, OrderEvent.LINK_LOST, "a new process knows it from the journal only")
        self._look(books, is_start=True)
        return self._out

    # ---- what others may read

    def holdings(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return symbol -> (signed quantity, average price) of every open position."""
        return {symbol: (p.quantity, p.average_price) for symbol, p in self.blotter.open.items()}

    def holdings_at(self, close: Close) -> dict[str, tuple[Decimal, Decimal]]:
        """Return the holdings that the strategies are told with `close`."""
        return self.holdings()

    @property
    def counts(self) -> dict[str, int]:
        """Return how many signals came, were ignored, came too late, and how often the gate denied.

        `late_reversals` are entries that were dropped because the exit before them took too long.
        """
        return self._acting.counts | {"late_reversals": self.reversals.late, "denied": self.denials.total}

    @property
    def denials(self) -> Denials:
        """Return what the gate denied, by control and strategy."""
        return self._ordering.denials

    @property
    def _is_leaving(self) -> bool:
        # No new order leaves a daemon that stops, unless it was told to close what is open.
        return self.conditions.stopping and self._settings.on_stop != "flatten"

    # ---- quotes and time

    def _on_quotes(self, quotes: Quotes) -> None:
        self.marks.apply(quotes)
        self.conditions.mono = max(self.conditions.mono, quotes.seen_at)
        guarded = self.protection.mask[quotes.ids]
        if not guarded.any() or self._is_leaving:
            return
        for row in guarded.nonzero()[0]:
            self.exits.judge(int(quotes.ids[row]), int(quotes.last[row]), quoted_at=quotes.seen_at)

    def _clock(self, at: int, mono: int) -> None:
        c = self.conditions
        c.now = at
        if mono > c.mono:
            c.mono = mono
        self.blotter.release(c.mono)
        if self.protection.moved:
            self._out += self.protection.told(at=at, mono=c.mono)
        if self._shortfalls.short:
            self._emit_all(self._shortfalls.infer(at=c.now, mono=c.mono))
        self.day_end.watch_loss()
        if not self._is_leaving:
            self.day_end.close(at)
            if self.exits.wanted:
                self.exits.step(mono)
        if self._exposure.working and not c.orders_refused:
            self._ordering.chase(mono)

    def _on_session(self, session: SessionBegins) -> None:
        self._audit.session_over(self.conditions.session, self.conditions.now)
        self.conditions.begin(session)
        if self.day_end.begin(session.opens_at):
            self.conditions.halts.end_session()
            self.worth.begin_day()
            self._breaker.begin_day()
            self._gate.begin_day()

    # ---- what the venue says

    def _on_seen(self, seen: OrderSeen) -> None:
        self._emit_all(self.sightings.seen(seen.order, at=self.conditions.now, mono=seen.mono))

    def _executed(self, execution: Execution, mono: int) -> None:
        now, key = self.conditions.now, (execution.exchange, execution.execution_id)
        order = self.sightings.unheard(execution, key)
        if order is None or not fills_whole(order, execution):
            self._emit_all(self.sightings.executed(execution, at=now, mono=mono))
            return
        # The common course: what `_emit` would find out of this fact is known already.
        order_id, venue_order_id = order.request.order_id, execution.venue_order_id
        self._out.append(OrderFact(order_id, EXECUTED, now, mono, "", venue_order_id, None, execution))
        self.blotter.fill(order, execution, key, at=now, mono=mono)
        if self._shortfalls.short:
            self._shortfalls.filled(order_id)
        self._appraise(order, execution)
        self._filled(order)

    def _filled(self, order: Order) -> None:
        # What the fill that made an order whole means for the exits.
        request = order.request
        self.exits.filled(request)
        if self.exits.wanted:
            self.exits.heard(request.symbol)
        if self._breaker.rows:
            self._breaker.filled(request)
        if request.purpose.is_exit and request.symbol in self.blotter.open:
            self.exits.ended(order)

    def _look(self, books: Books, *, is_start: bool = False) -> None:
        self._audit.take(books)
        found = self._audit.compare(books, is_start=is_start)
        self._out.append(found)
        for part in found.released:
            self.exits.gone(part.key.symbol)

    def _on_outcome(self, outcome: Outcome) -> None:
        fact = outcome.fact
        # SENDING is in the journal already: its row had to be on disk before the first byte left.
        if fact.event is SENDING:
            self.blotter.record(fact)
            return
        self._emit(fact)
        if fact.event is OrderEvent.REPLACE_REFUSED:
            self._ordering.cancel(self.blotter.orders[fact.order_id], "its price could not be moved")
        if fact.venue_order_id:
            self._emit_all(self.sightings.linked(fact.venue_order_id, at=self.conditions.now, mono=fact.mono))
            if self.conditions.stopping and self._settings.on_stop == "cancel":
                self._ordering.cancel(self.blotter.orders[fact.order_id], "the daemon is stopping")

    def _tell(self, order: Order, event: OrderEvent, reason: str) -> None:
        c = self.conditions
        self._emit(OrderFact(order_id=order.order_id, event=event, at=c.now, mono=c.mono, reason=reason))

    def _emit_all(self, facts: Sequence[OrderFact]) -> None:
        for fact in facts:
            self._emit(fact)

    def _intend(
        self, request: OrderRequest, checks: tuple[str, ...], inputs: dict[str, float], reference: Decimal | None
    ) -> None:  # fmt: skip
        # The INTENT of an order of ours and the order itself: of a beginning there is nothing else to find out.
        c = self.conditions
        fact = OrderFact(
            request.order_id, INTENT, c.now, c.mono, "", "", request, None, None, checks, inputs, reference=reference
        )  # fmt: skip
        self.blotter.begin(fact)
        self._out += (fact, Submit(request=request))
        if self.exits.wanted:
            self.exits.heard(request.symbol)

    def _emit(self, output: OrderFact | Submit | Modify | Cancel) -> None:
        self._out.append(output)
        if not isinstance(output, OrderFact):
            return
        blotter, before = self.blotter, self.blotter.orders.get(output.order_id)
        order = blotter.record(output)
        self.exits.heard(order.request.symbol)
        if output.execution is not None or order.claim.filled:
            self._shortfalls.note(order, output, self.conditions.mono)
        if order.is_external:
            self._audit.heard(order, output)
            return
        if before is None:
            return
        was, state = before.state, order.state
        if not (output.event in UNREMARKABLE and was.is_live and not order.odd.quarantined):
            for finding in findings(before, output, order):
                self._incident(finding.text, order, finding.scope)
        if output.event is EXECUTED:
            if output.execution is not None:
                self._appraise(order, output.execution)
            self.exits.filled(order.request)
        if not self.conditions.orders_refused:  # a dead login is no fault of the order, and needs no resume
            for reason, scope in self._breaker.heard(before, output, order):
                self._commands.halt_once(reason, scope, control=Breaker.name)
        if was.is_live and not state.is_live and order.request.purpose.is_exit:
            self.exits.ended(order)
        order = blotter.orders.get(output.order_id, order)  # a halt just now may have cancelled it
        if was in GONE or order.cancel.wish is WAITS:
            waiting_cancel(order, revived=was in GONE and order.may_trade, cancel=self._ordering.send_cancel)

    def _appraise(self, order: Order, execution: Execution) -> None:
        for finding in misfits(order, execution, self._settings.fill_collar_pct):
            self._incident(finding.text, order, finding.scope)

    def _on_command(self, command: Command) -> None:
        self._commands.take(command)
        if command.verb == Verb.STOP:  # no stop moves any more: what is left is left by policy, or closed
            self._out += self.protection.told(at=self.conditions.now, mono=self.conditions.mono, every=0)

    def _commanded(self, command: Command) -> None:
        self._out.append(command)
        if command.verb == Verb.RESUME:
            self._breaker.resumed(command.scope)

    def _tell_incident(self, text: str) -> None:
        self._out.append(Incident(text=text, at=self.conditions.now))

    def _incident(self, text: str, order: Order, scope: Scope | None) -> None:
        self._out.append(Incident(text=text, at=self.conditions.now, order_id=order.order_id, symbol=order.symbol))
        if scope is not None:
            self._commands.halt_once(text, scope, control=INCIDENT)
