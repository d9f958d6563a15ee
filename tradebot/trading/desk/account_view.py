"""The read-only view of a desk's account, for strategies, status, summary and page; it keeps no state."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from decimal import Decimal
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tradebot.domain.message import Message
from tradebot.domain.messages import Command, ExternalPosition, SessionBegins
from tradebot.domain.order import Order
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import PositionKey
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.placing.denials import Denials
from tradebot.trading.desk.placing.placement import Placement
from tradebot.trading.desk.rules.position_stops import ProtectiveLevels
from tradebot.trading.desk.rules.resting_stops import RestingStopView
from tradebot.trading.desk.rules.ruleset import Ruleset


class HaltsView(Protocol):
    """The active halts."""

    @property
    def active_commands(self) -> tuple[Command, ...]:
        """Return the commands that halt or flatten now."""
        ...

    @property
    def flatten_ids(self) -> Set[str]:
        """Return the ids of the flatten commands that have been carried out."""
        ...


class LinksView(Protocol):
    """Which links to the venue are lost, and why."""

    @property
    def stale_sources(self) -> Mapping[str, str]:
        """Return source -> why its data is stale."""
        ...

    @property
    def session_lost(self) -> str:
        """Return why our login is no longer valid, empty while it is."""
        ...

    @property
    def orders_refused(self) -> bool:
        """Return whether an order route refused our login."""
        ...


class SessionTimesView(Protocol):
    """The times of the session and its day."""

    @property
    def session(self) -> SessionBegins | None:
        """Return the session in force or next to come, None before the first."""
        ...

    @property
    def day_opens_at(self) -> int:
        """Return the market ns at which the session of this day opens."""
        ...


class TradingState(Protocol):
    """The conditions under which orders are judged, read-only; `Conditions` in `book/conditions.py` has them."""

    @property
    def now(self) -> int:
        """Return the market time in ns."""
        ...

    @property
    def mono(self) -> int:
        """Return the monotonic time in ns."""
        ...

    @property
    def times(self) -> SessionTimesView:
        """Return the times of the session."""
        ...

    @property
    def links(self) -> LinksView:
        """Return the state of the links to the venue."""
        ...

    @property
    def halts(self) -> HaltsView:
        """Return the active halts."""
        ...

    @property
    def halt_reason(self) -> str:
        """Return why a halt of everything blocks all entries, empty where none does."""
        ...

    @property
    def is_stopping(self) -> bool:
        """Return whether the daemon is stopping."""
        ...

    @property
    def unaccounted(self) -> Mapping[str, str]:
        """Return symbol -> what no snapshot accounts for there, which blocks entries."""
        ...

    @property
    def unprotected(self) -> Mapping[str, str]:
        """Return symbol -> why no stop rests at the venue, which blocks entries there."""
        ...

    @property
    def blind_reason(self) -> str:
        """Return why too little is known about the account at the venue for any entry, else empty."""
        ...

    @property
    def clock_offset_reason(self) -> str:
        """Return why the host's clock blocks entries, else empty."""
        ...

    @property
    def disk_short(self) -> str:
        """Return why the journal's disk blocks entries, else empty."""
        ...

    @property
    def disk_full(self) -> str:
        """Return why the journal's disk blocks exits too, else empty."""
        ...


class AccountView:
    """One account as its desk knows it now. Money is exact and in the account's currency."""

    def __init__(self, book: Book, rules: Ruleset, placement: Placement) -> None:
        self._book, self._blotter, self._rules, self._placement = book, book.blotter, rules, placement

    # ---- positions

    def open_positions(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return symbol -> (signed quantity, average price) of every open position of ours."""
        return {symbol: (p.quantity, p.average_price) for symbol, p in self._blotter.positions.open.items()}

    @property
    def open_symbols(self) -> Collection[str]:
        """Return the symbols in which we have an open position."""
        return self._blotter.positions.open.keys()

    def open_quantities(self) -> dict[str, Decimal]:
        """Return symbol -> signed quantity of every open position of ours."""
        return {symbol: position.quantity for symbol, position in self._blotter.positions.open.items()}

    def open_instrument_ids(self) -> Iterator[int]:
        """Yield the ids of the run's instruments in which we have an open position."""
        ids = self._book.universe.ids_by_symbol
        return (ids[symbol] for symbol in self.open_symbols if symbol in ids)

    def is_exposed(self) -> bool:
        """Return whether we have a live order or an open position.

        An open position counts although no order works: others may close or convert it, and only a snapshot shows that.
        """
        return self.has_live_order() or bool(self.open_symbols)

    def own_positions(self) -> Iterable[Position]:
        """Return the positions that were ever ours, flat ones included."""
        return self._blotter.positions.by_key.values()

    def external_positions(self) -> tuple[ExternalPosition, ...]:
        """Return the positions at the venue that are not ours."""
        return self._book.external.as_messages(self._book.settings.venue)

    def protective_levels(self, id_: int) -> ProtectiveLevels | None:
        """Return the stop and target levels of the position in an instrument, None without any."""
        return self._rules.stop_levels.protective_levels(id_)

    @property
    def protected_mask(self) -> npt.NDArray[np.bool_]:
        """Return instrument id -> whether a stop or target protects it; bool, one element per instrument."""
        return self._rules.stop_levels.protected_mask

    # ---- orders

    def kept_orders(self) -> Mapping[str, Order]:
        """Return order_id -> order for all orders kept, in order of intent; denied and external ones included."""
        return self._blotter.orders

    def live_orders(self) -> Iterator[Order]:
        """Yield the orders of ours that may still trade, UNKNOWN included."""
        return self._blotter.live_orders()

    def has_live_order(self) -> bool:
        """Return whether an order of ours may still trade."""
        return next(self.live_orders(), None) is not None

    def has_unsettled_order(self) -> bool:
        """Return whether an order of ours may still trade that is not a stop at rest at the venue."""
        return any(not order.rests for order in self.live_orders())

    def resting_stops(self) -> list[RestingStopView]:
        """Return how each open position that wants a stop at the venue is protected there."""
        return self._rules.resting_stops.views()

    def stop_delays(self) -> Sequence[int]:
        """Return the newest delays between a fill and the stop that rests for it, monotonic ns."""
        return tuple(self._rules.resting_stops.delays)

    def all_live_orders(self) -> Iterator[Order]:
        """Yield all orders that may still trade, those placed elsewhere last."""
        return self._blotter.all_live_orders()

    @property
    def signal_counts(self) -> dict[str, int]:
        """Return how many `signals` came, were `ignored` or late (`late_signals`), and how many orders were `denied`.

        `late_reversals` counts entries that were dropped because the exit before them took too long.
        """
        return self._rules.entries.counts | {"denied": self.denials.total}

    @property
    def denials(self) -> Denials:
        """Return the gate's denials, by control and strategy."""
        return self._placement.denials

    @property
    def control_names(self) -> tuple[str, ...]:
        """Return the names of the gate's controls, in the order in which they are asked."""
        return self._placement.control_names

    @property
    def limits(self) -> Message | None:
        """Return the limits that the gate judges by now, None where it was built without."""
        return self._placement.limits

    def limit_usage(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return limit -> (used, most): `daily_loss` and `gross` in money, `open_orders` and `orders_per_day` counts.

        A limit whose control the gate does not have is left out.
        """
        return self._placement.limit_usage()

    # ---- prices and money

    def last_price(self, symbol: str) -> Decimal | None:
        """Return the last price of a symbol; None before its first quote and for a symbol outside the universe."""
        return self._book.marks.last_price(symbol)

    def last_price_of(self, key: PositionKey) -> Decimal | None:
        """Return the last price of the instrument of a position, None without one."""
        return self._book.marks.last_price_of(key)

    @property
    def newest_quote_mono(self) -> int:
        """Return the monotonic ns of the newest quote, 0 before the first."""
        return self._book.marks.newest_mono

    def unrealized_profit(self) -> Decimal:
        """Return the profit of all open positions before charges; a position without a price counts as zero."""
        return self._blotter.positions.unrealized_profit(self._book.marks.last_price)

    def total_profit(self) -> Decimal:
        """Return realized and unrealized profit after charges, since the journal began."""
        return self._book.pnl.total_profit()

    def day_profit(self) -> Decimal:
        """Return realized and unrealized profit after charges, since the day began."""
        return self._book.pnl.day_profit()

    @property
    def fill_totals(self) -> tuple[int, Decimal, Decimal]:
        """Return (number of fills, charges, realized profit before charges), since the journal began."""
        return self._blotter.positions.fill_count, self._blotter.positions.charges, self._blotter.positions.realized

    @property
    def day_fill_totals(self) -> tuple[int, Decimal]:
        """Return (number of fills, charges) of the day."""
        fills, charges = self._book.pnl.day_base_fills
        return self._blotter.positions.fill_count - fills, self._blotter.positions.charges - charges

    # ---- the moment

    @property
    def conditions(self) -> TradingState:
        """Return the conditions under which orders are judged: time, session, halts, lost links."""
        return self._book.conditions

    def next_poll_at(self) -> int | None:
        """Return the monotonic ns from which a poll of the venue may resolve a doubt, None when no poll can."""
        return self._rules.venue_reports.next_poll_at()
