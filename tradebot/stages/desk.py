"""The desk: the one writer of orders, positions and limits. Messages in; facts, orders and cancels out, in that order.

Synchronous and pure: between the gate's check and the reservation (the INTENT fact in the blotter) nothing can happen.
The engine journals the facts it returns and hands the orders to execution.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tradebot.clock import SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import (
    Action,
    Books,
    Cancel,
    Command,
    DeskMessage,
    Executed,
    LinkDown,
    LinkUp,
    OrderSeen,
    Outcome,
    Reconciled,
    SessionBegins,
    Signal,
    Signals,
    Submit,
    Tick,
)
from tradebot.domain.order import ZERO, Order, OrderEvent, OrderFact, OrderState, Purpose
from tradebot.stages.blotter import Blotter, ChargesOf
from tradebot.stages.conditions import Conditions
from tradebot.stages.gate.gate import Gate
from tradebot.stages.marks import Marks
from tradebot.stages.ordering import DeskSettings, Ordering
from tradebot.stages.protection import Protection
from tradebot.stages.sightings import Sightings

DeskOutput = OrderFact | Command | Reconciled | Submit | Cancel


class Desk:
    """Turns signals and quotes into orders that passed the gate, and what the venue says into positions."""

    def __init__(
        self, *, universe: Universe, gate: Gate, settings: DeskSettings, charges_of: ChargesOf, id_prefix: str,
        absent_after_s: float,
    ) -> None:  # fmt: skip
        self._universe, self._settings = universe, settings
        self.blotter = Blotter(charges_of)
        self.marks = Marks(universe)
        self.conditions = Conditions()
        self._protection = Protection(len(universe))
        self._sightings = Sightings(self.blotter, universe, absent_after_s=absent_after_s)
        self._ordering = Ordering(
            universe=universe, blotter=self.blotter, marks=self.marks, conditions=self.conditions, gate=gate,
            settings=settings, id_prefix=id_prefix, day_profit=self.day_profit, emit=self._emit,
        )  # fmt: skip
        self._wanted: dict[str, tuple[Purpose, str]] = {}  # symbol -> why it must become flat
        self._opens_at = 0
        self._base = ZERO  # profit at the start of the day
        self._rejects = 0  # in a row
        self._out: list[DeskOutput] = []
        self._counts = {"signals": 0, "ignored": 0, "late_signals": 0}

    # ---- in

    def apply(self, message: DeskMessage) -> list[DeskOutput]:
        """Take one message; returns what follows from it, facts before the orders they allow."""
        self._out = []
        now = self.conditions.now
        match message:
            case Quotes():
                self._on_quotes(message)
            case Tick():
                self._on_tick(message)
            case Signals():
                for signal in message.signals:
                    self._on_signal(signal)
            case Outcome():
                self._on_outcome(message.fact)
            case OrderSeen():
                self._emit_all(self._sightings.seen(message.order, at=now, mono=message.mono))
            case Executed():
                self._emit_all(self._sightings.executed(message.execution, at=now, mono=message.mono))
            case Books():
                self._on_books(message)
            case LinkDown():
                self.conditions.down[message.source] = message.reason
            case LinkUp():
                self.conditions.down.pop(message.source, None)
            case SessionBegins():
                self._on_session(message)
            case Command():
                self._on_command(message)
            case _:
                raise AssertionError(f"the desk does not know {type(message).__name__}")
        return self._out

    def recover(
        self, facts: Sequence[OrderFact], *, adopted: Sequence[tuple[str, Decimal, Decimal]], halted: str, opens_at: int
    ) -> None:
        """Rebuild from the journal's facts before the first message; nothing is returned and nothing is sent.

        The day's profit counts from `opens_at` (market ns); `halted` is the reason of a halt that still stands.
        """
        for symbol, quantity, price in adopted:
            self.blotter.adopt(symbol, quantity, price)
        for fact in facts:
            if fact.at < opens_at:
                self._base = self.blotter.realized - self.blotter.charges
            order = self.blotter.record(fact)
            if fact.event is OrderEvent.EXECUTED:
                self._guard(order)
        self.conditions.halted, self._opens_at = halted, opens_at

    def adopt(self, books: Books) -> list[DeskOutput]:
        """Compare with the venue at start: fills missed are booked, what has no explanation is taken over or halted.

        With an empty blotter the venue's positions are adopted; otherwise an unexplained difference halts its symbol.
        """
        self._out = []
        if not self.blotter.orders and not self.blotter.positions:
            traded = {e.symbol for e in books.executions}
            adopted = tuple(
                (p.symbol, p.quantity, p.average_price)
                for p in books.positions
                if p.quantity and p.symbol in self._universe and p.symbol not in traded
            )
            for symbol, quantity, price in adopted:
                self.blotter.adopt(symbol, quantity, price)
            if adopted:
                self._out.append(Reconciled(at=self.conditions.now, cash=books.cash, adopted=adopted))
        self._emit_all(self._sightings.books(books, at=self.conditions.now, mono=self.conditions.mono))
        self._sightings.differences(books)  # the first of the two looks that a difference must last
        self._on_books(books)
        return self._out

    # ---- what others may read

    def holdings(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return symbol -> (signed quantity, average price) of every open position."""
        return {p.symbol: (p.quantity, p.average_price) for p in self.blotter.positions.values() if not p.is_flat}

    def profit(self) -> Decimal:
        """Return realized and unrealized profit after charges, since the journal began."""
        return self.blotter.realized - self.blotter.charges + self.blotter.unrealized(self.marks.price)

    def day_profit(self) -> Decimal:
        """Return the profit after charges since the session's start."""
        return self.profit() - self._base

    @property
    def counts(self) -> dict[str, int]:
        """Return how many signals came, were ignored, came too late, and how often the gate denied."""
        return self._counts | {"denied": self._ordering.denied}

    # ---- quotes and time

    def _on_quotes(self, quotes: Quotes) -> None:
        self.marks.apply(quotes)
        self.conditions.mono = max(self.conditions.mono, quotes.seen_at)
        guarded = self._protection.mask[quotes.ids]
        if not guarded.any():
            return
        for row in guarded.nonzero()[0]:
            id_ = int(quotes.ids[row])
            instrument = self._universe[id_]
            if not self._protection.mask[id_] or instrument.symbol in self._wanted:
                continue
            hit = self._protection.judge(id_, instrument.symbol, instrument.price(int(quotes.last[row])))
            if hit is not None:
                self._want_flat(hit.symbol, hit.purpose, hit.reason, quoted_at=quotes.seen_at)

    def _on_tick(self, tick: Tick) -> None:
        c = self.conditions
        c.now, c.mono = tick.at, max(c.mono, tick.mono)
        if not c.halted and self.day_profit() <= -self._settings.max_daily_loss:
            self._halt(f"the day is at {self.day_profit():.2f}, max_daily_loss is {self._settings.max_daily_loss}")
        if c.squares_off():
            for symbol in self.holdings():
                self._wanted.setdefault(symbol, (Purpose.FLATTEN, "square-off before the close"))
        for symbol in list(self._wanted):
            self._exit(symbol, quoted_at=tick.mono)
        self._chase(tick.mono)

    def _on_session(self, session: SessionBegins) -> None:
        self.conditions.session = session
        if session.opens_at != self._opens_at:
            self._opens_at = session.opens_at
            self._base = self.profit()

    def _chase(self, mono: int) -> None:
        # A protected market order leaves its rest in the book as a limit; one that hangs is taken back, and an exit
        # is then sent again with a fresh protection price because its symbol is still wanted flat.
        limit = int(self._settings.chase_after_s * SECOND)
        for order in self.blotter.live():
            if order.acked_mono and mono - order.acked_mono > limit:
                self._ordering.cancel(order, "not filled in time")

    # ---- signals and exits

    def _on_signal(self, signal: Signal) -> None:
        self._counts["signals"] += 1
        symbol = signal.symbol
        if symbol not in self._universe:
            self._counts["ignored"] += 1
            return
        position = self.blotter.position(symbol)
        if not signal.action.is_entry:
            wrong_way = position.quantity <= 0 if signal.action is Action.EXIT_LONG else position.quantity >= 0
            if wrong_way or symbol in self._wanted:
                self._counts["ignored"] += 1
            else:
                self._wanted[symbol] = (Purpose.EXIT, f"{signal.strategy}: {signal.action}")
                self._exit(symbol, quoted_at=signal.quoted_at, signal=signal)
        elif not position.is_flat or symbol in self._wanted or next(self.blotter.live(symbol), None) is not None:
            self._counts["ignored"] += 1
        elif signal.made_at - signal.quoted_at > self._settings.signal_max_age_s * SECOND:
            self._counts["late_signals"] += 1
        else:
            self._ordering.enter(signal)

    def _want_flat(self, symbol: str, purpose: Purpose, reason: str, *, quoted_at: int) -> None:
        self._wanted.setdefault(symbol, (purpose, reason))
        self._exit(symbol, quoted_at=quoted_at)

    def _exit(self, symbol: str, *, quoted_at: int, signal: Signal | None = None) -> None:
        if self.blotter.position(symbol).is_flat:
            self._wanted.pop(symbol, None)
            self._protection.clear(self._universe.id(symbol))
            return
        purpose, reason = self._wanted[symbol]
        self._ordering.exit(symbol, purpose=purpose, reason=reason, quoted_at=quoted_at, signal=signal)

    # ---- what the venue says

    def _on_outcome(self, fact: OrderFact) -> None:
        # SENDING is in the journal already: its row had to be on disk before the first byte left.
        if fact.event is OrderEvent.SENDING:
            self.blotter.record(fact)
            return
        self._emit(fact)
        if fact.venue_order_id:
            self._emit_all(self._sightings.linked(fact.venue_order_id, at=self.conditions.now, mono=fact.mono))
            if self.conditions.stopping and self._settings.on_stop == "cancel":
                self._ordering.cancel(self.blotter.orders[fact.order_id], "the daemon is stopping")

    def _on_books(self, books: Books) -> None:
        c = self.conditions
        self._emit_all(self._sightings.books(books, at=c.now, mono=c.mono))
        c.halted_symbols = self._sightings.differences(books)
        self._out.append(Reconciled(at=c.now, differences=tuple(c.halted_symbols.values()), cash=books.cash))

    def _emit_all(self, facts: Sequence[OrderFact]) -> None:
        for fact in facts:
            self._emit(fact)

    def _emit(self, output: OrderFact | Submit | Cancel) -> None:
        self._out.append(output)
        if not isinstance(output, OrderFact):
            return
        before = self.blotter.orders.get(output.order_id)
        order = self.blotter.record(output)
        if output.event is OrderEvent.EXECUTED:
            self._guard(order)
            self._rejects = 0
        elif order.state is OrderState.REJECTED and before is not None and before.state is not OrderState.REJECTED:
            self._rejects += 1
            if self._rejects >= self._settings.max_rejects_in_a_row and not self.conditions.halted:
                self._halt(f"{self._rejects} orders in a row were rejected, the last because: {order.reason}")

    def _guard(self, order: Order) -> None:
        symbol = order.symbol
        if symbol not in self._universe:
            return
        id_ = self._universe.id(symbol)
        if self.blotter.position(symbol).is_flat:
            self._protection.clear(id_)
            self._wanted.pop(symbol, None)
        elif not order.request.purpose.is_exit:
            self._protection.set(id_, order.request)

    # ---- commands

    def _on_command(self, command: Command) -> None:
        match command.verb:
            case "stop":
                self._stop()
            case "halt":
                self._halt(command.reason)
            case "resume":
                self.conditions.halted = ""
                self._out.append(command)
            case _:
                raise AssertionError(f"the desk does not know the command {command.verb}")

    def _stop(self) -> None:
        self.conditions.stopping = True
        policy = self._settings.on_stop
        for order in self.blotter.live():
            if policy == "cancel" or (policy == "flatten" and not order.request.purpose.is_exit):
                self._ordering.cancel(order, "the daemon is stopping")
        if policy == "flatten":
            for symbol in self.holdings():
                self._want_flat(symbol, Purpose.FLATTEN, "the daemon is stopping", quoted_at=self.conditions.mono)

    def _halt(self, reason: str) -> None:
        self.conditions.halted = reason
        self._out.append(Command(verb="halt", reason=reason))
        for order in self.blotter.live():
            if not order.request.purpose.is_exit:
                self._ordering.cancel(order, "halted")
