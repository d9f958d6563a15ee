"""What others may read of a desk: strategies, status, summary and page. It changes nothing and keeps nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from decimal import Decimal
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tradebot.domain.messages import Command, ExternalPosition, SessionBegins
from tradebot.domain.order import Order
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import PositionKey
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.placing.denials import Denials
from tradebot.trading.desk.placing.placement import Placement
from tradebot.trading.desk.rules.position_stops import ProtectiveLevels
from tradebot.trading.desk.rules.ruleset import Ruleset


class HaltsView(Protocol):
    """The halts in force."""

    @property
    def active_commands(self) -> tuple[Command, ...]: ...
    @property
    def flatten_ids(self) -> Set[str]: ...


class LinksView(Protocol):
    """Which links to the venue are lost and why."""

    @property
    def stale_sources(self) -> Mapping[str, str]: ...
    @property
    def session_lost(self) -> str: ...
    @property
    def orders_refused(self) -> bool: ...


class SessionTimesView(Protocol):
    """The times of the session and of its day."""

    @property
    def session(self) -> SessionBegins | None: ...
    @property
    def day_opens_at(self) -> int: ...


class TradingState(Protocol):
    """The conditions of the moment, to be read; what each means stands at `Conditions`."""

    @property
    def now(self) -> int: ...
    @property
    def mono(self) -> int: ...
    @property
    def times(self) -> SessionTimesView: ...
    @property
    def links(self) -> LinksView: ...
    @property
    def halts(self) -> HaltsView: ...
    @property
    def halt_reason(self) -> str: ...
    @property
    def is_stopping(self) -> bool: ...
    @property
    def unaccounted(self) -> Mapping[str, str]: ...
    @property
    def blind_reason(self) -> str: ...
    @property
    def clock_offset_reason(self) -> str: ...
    @property
    def disk_short(self) -> str: ...
    @property
    def disk_full(self) -> str: ...


class AccountView:
    """One account as its desk knows it at this moment. Money is exact and in the account's currency."""

    def __init__(self, book: Book, rules: Ruleset, placement: Placement) -> None:
        self._book, self._blotter, self._rules, self._placement = book, book.blotter, rules, placement

    # ---- positions

    def open_positions(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return symbol -> (signed quantity, average price) of every open position of ours."""
        return {symbol: (p.quantity, p.average_price) for symbol, p in self._blotter.positions.open.items()}

    @property
    def open_symbols(self) -> Collection[str]:
        """The symbols in which something of ours is open."""
        return self._blotter.positions.open.keys()

    def open_quantities(self) -> dict[str, Decimal]:
        """Return symbol -> signed quantity of every open position of ours."""
        return {symbol: position.quantity for symbol, position in self._blotter.positions.open.items()}

    def open_instrument_ids(self) -> Iterator[int]:
        """Yield the instruments of the run in which something of ours is open."""
        ids = self._book.universe.ids_by_symbol
        return (ids[symbol] for symbol in self.open_symbols if symbol in ids)

    def is_exposed(self) -> bool:
        """Return whether an order of ours lives or a position is open.

        A position of ours may be closed or converted by another hand, and conversions show in the books alone.
        """
        return self.has_live_order() or bool(self.open_symbols)

    def own_positions(self) -> Iterable[Position]:
        """Return the positions that were ever ours, flat ones included."""
        return self._blotter.positions.by_key.values()

    def external_positions(self) -> tuple[ExternalPosition, ...]:
        """Return what the venue holds beyond ours."""
        return self._book.external.as_messages(self._book.settings.venue)

    def protective_levels(self, id_: int) -> ProtectiveLevels | None:
        """Return what guards the position of an instrument, if anything does."""
        return self._rules.stop_levels.protective_levels(id_)

    @property
    def protected_mask(self) -> npt.NDArray[np.bool_]:
        """Instrument -> whether a stop watches over it."""
        return self._rules.stop_levels.protected_mask

    # ---- orders

    def kept_orders(self) -> Mapping[str, Order]:
        """Return order_id -> the orders that are kept, in order of intent; denied and external ones are among them."""
        return self._blotter.orders

    def live_orders(self) -> Iterator[Order]:
        """Yield the orders of ours that may still trade, UNKNOWN included."""
        return self._blotter.live_orders()

    def has_live_order(self) -> bool:
        """Return whether an order of ours may still trade."""
        return next(self.live_orders(), None) is not None

    def all_live_orders(self) -> Iterator[Order]:
        """Yield all orders that may still trade, those placed elsewhere last."""
        return self._blotter.all_live_orders()

    @property
    def signal_counts(self) -> dict[str, int]:
        """How many signals came, were ignored, came too late, and how often the gate denied.

        `late_reversals` are entries that were dropped because the exit before them took too long.
        """
        return self._rules.entries.counts | {"denied": self.denials.total}

    @property
    def denials(self) -> Denials:
        """What the gate denied, by control and strategy."""
        return self._placement.denials

    # ---- prices and money

    def last_price(self, symbol: str) -> Decimal | None:
        """Return the last price, None before the first quote and for no instrument of ours."""
        return self._book.marks.last_price(symbol)

    def last_price_of(self, key: PositionKey) -> Decimal | None:
        """Return the last price of what a position holds, None where there is none."""
        return self._book.marks.last_price_of(key)

    @property
    def newest_quote_mono(self) -> int:
        """Monotonic time of the newest quote, 0 before the first."""
        return self._book.marks.newest_mono

    def unrealized_profit(self) -> Decimal:
        """Return the profit of all open positions before charges; one without a price counts as zero."""
        return self._blotter.positions.unrealized_profit(self._book.marks.last_price)

    def total_profit(self) -> Decimal:
        """Return realized and unrealized profit after charges, since the journal began."""
        return self._book.pnl.total_profit()

    def day_profit(self) -> Decimal:
        """Return the profit after charges since the session's start."""
        return self._book.pnl.day_profit()

    @property
    def fill_totals(self) -> tuple[int, Decimal, Decimal]:
        """Fills, charges and realized profit before charges, since the journal began."""
        return self._blotter.positions.fill_count, self._blotter.positions.charges, self._blotter.positions.realized

    @property
    def day_fill_totals(self) -> tuple[int, Decimal]:
        """Fills and charges of the day."""
        fills, charges = self._book.pnl.day_base_fills
        return self._blotter.positions.fill_count - fills, self._blotter.positions.charges - charges

    # ---- the moment

    @property
    def conditions(self) -> TradingState:
        """Time, session, halts, lost links: what every order is judged under."""
        return self._book.conditions

    def next_poll_at(self) -> int | None:
        """Return the monotonic time from which a look at the books may end a doubt, None when no look can."""
        return self._rules.venue_reports.next_poll_at()
