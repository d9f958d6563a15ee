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
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.placing.denials import Denials
from tests.oracle.vendor.trading.desk.placing.placement import Placement
from tests.oracle.vendor.trading.desk.rules.guards import Levels
from tests.oracle.vendor.trading.desk.rules.ruleset import Ruleset


class StandingHalts(Protocol):
    """The halts in force."""

    @property
    def active_commands(self) -> tuple[Command, ...]: ...
    @property
    def flatten_ids(self) -> Set[str]: ...


class LinksSeen(Protocol):
    """Which links to the venue are lost and why."""

    @property
    def down(self) -> Mapping[str, str]: ...
    @property
    def session_lost(self) -> str: ...
    @property
    def orders_refused(self) -> bool: ...


class Times(Protocol):
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
    def times(self) -> Times: ...
    @property
    def links(self) -> LinksSeen: ...
    @property
    def halts(self) -> StandingHalts: ...
    @property
    def halted(self) -> str: ...
    @property
    def stopping(self) -> bool: ...
    @property
    def unaccounted(self) -> Mapping[str, str]: ...
    @property
    def blind(self) -> str: ...
    @property
    def clock_apart(self) -> str: ...
    @property
    def disk_short(self) -> str: ...
    @property
    def disk_full(self) -> str: ...


class AccountView:
    """One account as its desk knows it at this moment. Money is exact and in the account's currency."""

    def __init__(self, book: Book, rules: Ruleset, placement: Placement) -> None:
        self._book, self._blotter, self._rules, self._placement = book, book.blotter, rules, placement

    # ---- positions

    def holdings(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return symbol -> (signed quantity, average price) of every open position of ours."""
        return {symbol: (p.quantity, p.average_price) for symbol, p in self._blotter.positions.open.items()}

    @property
    def open_symbols(self) -> Collection[str]:
        """The symbols in which something of ours is open."""
        return self._blotter.positions.open.keys()

    def held(self) -> dict[str, Decimal]:
        """Return symbol -> signed quantity of every open position of ours."""
        return {symbol: position.quantity for symbol, position in self._blotter.positions.open.items()}

    def held_ids(self) -> Iterator[int]:
        """Yield the instruments of the run in which something of ours is open."""
        ids = self._book.universe.ids_by_symbol
        return (ids[symbol] for symbol in self.open_symbols if symbol in ids)

    def is_exposed(self) -> bool:
        """Return whether an order of ours lives or a position is open.

        A position of ours may be closed or converted by another hand, and conversions show in the books alone.
        """
        return self.has_live() or bool(self.open_symbols)

    def positions(self) -> Iterable[Position]:
        """Return the positions that were ever ours, flat ones included."""
        return self._blotter.positions.by_key.values()

    def external_positions(self) -> tuple[ExternalPosition, ...]:
        """Return what the venue holds beyond ours."""
        return self._book.external.positions(self._book.settings.venue)

    def levels(self, id_: int) -> Levels | None:
        """Return what guards the position of an instrument, if anything does."""
        return self._rules.stop_levels.levels(id_)

    @property
    def guarded(self) -> npt.NDArray[np.bool_]:
        """Instrument -> whether a stop watches over it."""
        return self._rules.stop_levels.mask

    # ---- orders

    def orders(self) -> Mapping[str, Order]:
        """Return order_id -> the orders that are kept, in order of intent; denied and external ones are among them."""
        return self._blotter.orders

    def live_orders(self) -> Iterator[Order]:
        """Yield the orders of ours that may still trade, UNKNOWN included."""
        return self._blotter.live()

    def has_live(self) -> bool:
        """Return whether an order of ours may still trade."""
        return next(self.live_orders(), None) is not None

    def live_anywhere(self) -> Iterator[Order]:
        """Yield all orders that may still trade, those placed elsewhere last."""
        return self._blotter.live_anywhere()

    @property
    def counts(self) -> dict[str, int]:
        """How many signals came, were ignored, came too late, and how often the gate denied.

        `late_reversals` are entries that were dropped because the exit before them took too long.
        """
        return self._rules.entries.counts | {"denied": self.denials.total}

    @property
    def denials(self) -> Denials:
        """What the gate denied, by control and strategy."""
        return self._placement.denials

    # ---- prices and money

    def price(self, symbol: str) -> Decimal | None:
        """Return the last price, None before the first quote and for no instrument of ours."""
        return self._book.marks.price(symbol)

    def price_at(self, key: PositionKey) -> Decimal | None:
        """Return the last price of what a position holds, None where there is none."""
        return self._book.marks.price_at(key)

    @property
    def quoted_at(self) -> int:
        """Monotonic time of the newest quote, 0 before the first."""
        return self._book.marks.newest

    def unrealized(self) -> Decimal:
        """Return the profit of all open positions before charges; one without a price counts as zero."""
        return self._blotter.positions.unrealized(self._book.marks.price)

    def profit(self) -> Decimal:
        """Return realized and unrealized profit after charges, since the journal began."""
        return self._book.worth.profit()

    def day_profit(self) -> Decimal:
        """Return the profit after charges since the session's start."""
        return self._book.worth.day_profit()

    @property
    def totals(self) -> tuple[int, Decimal, Decimal]:
        """Fills, charges and realized profit before charges, since the journal began."""
        return self._blotter.positions.fills, self._blotter.positions.charges, self._blotter.positions.realized

    @property
    def day_totals(self) -> tuple[int, Decimal]:
        """Fills and charges of the day."""
        fills, charges = self._book.worth.day_base
        return self._blotter.positions.fills - fills, self._blotter.positions.charges - charges

    # ---- the moment

    @property
    def conditions(self) -> TradingState:
        """Time, session, halts, lost links: what every order is judged under."""
        return self._book.conditions

    def look_wanted_at(self) -> int | None:
        """Return the monotonic time from which a look at the books may end a doubt, None when no look can."""
        return self._rules.venue_reports.look_wanted_at()
