"""Stop levels: the rule that judges the stop, trailing stop and target of each open position on every quote.

A level is a price that protects a position: its stop, the present place of its trailing stop, or its target.
`position_stops.py` holds the levels; this rule sets and removes them, and closes a position that reached one.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from tradebot.domain.commands import CommandVerb
from tradebot.domain.market import Quotes
from tradebot.domain.messages import ClockTick, Command
from tradebot.domain.order import OrderRequest
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.decisions import NOTHING, ClosePosition, Decision, Decisions, ForgetPosition, ReleasePosition
from tests.oracle.vendor.trading.desk.rules.position_stops import PositionStops, ProtectiveLevels


class StopLevels:
    """Protects the position that a fill opens with the levels of its order, until the position is flat."""

    def __init__(self, book: Book) -> None:
        self._book, self.position_stops = book, PositionStops(len(book.universe))

    def on_quotes(self, quotes: Quotes) -> Decisions:
        """Close the positions whose last price reached one of their levels."""
        is_protected = self.position_stops.mask[quotes.ids]
        if not is_protected.any() or self._book.sends_no_orders:
            return NOTHING
        return self._judge_quotes(quotes, is_protected)

    def judge_price(self, id_: int, units: int, *, quoted_at: int) -> ClosePosition | None:
        """Return the decision to close an instrument's position if a price reaches one of its levels, else None.

        `units` is the price in the instrument's price units, `quoted_at` monotonic ns. Returns None where an exit is
        requested already.
        """
        instrument = self._book.universe[id_]
        if not self.position_stops.mask[id_] or instrument.symbol in self._book.pending_exits.requested:
            return None
        hit = self.position_stops.level_reached(id_, instrument.price_from_units(units))
        return None if hit is None else ClosePosition(instrument.symbol, hit.purpose, hit.reason, quoted_at)

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Report the best prices that trailing stops follow, at most every `REPORT_INTERVAL_NS`."""
        return (
            self.position_stops.trailing_updates(at=tick.at, mono=self._book.conditions.mono)
            if self.position_stops.moved_ids
            else NOTHING
        )

    def on_command(self, command: Command) -> Decisions:
        """Report the best prices at once when the daemon stops: there will be no later tick to report them."""
        c = self._book.conditions
        return (
            self.position_stops.trailing_updates(at=c.now, mono=c.mono, every_ns=0)
            if command.verb is CommandVerb.STOP
            else NOTHING
        )

    def on_change(self, change: OrderChange) -> Decisions:
        """Set or remove the levels of a symbol after a fill, as `on_fill_booked` does."""
        self.on_fill_booked(change.after.request)
        return NOTHING

    def on_fill_booked(self, request: OrderRequest) -> None:
        """Set the levels of a position after a fill of an entry; remove them if the fill made the position flat."""
        id_ = self._book.universe.ids_by_symbol.get(request.symbol)
        if id_ is None:
            return
        if request.symbol not in self._book.positions.open:
            self.position_stops.clear_levels(id_)
        elif not request.purpose.is_exit:
            self.position_stops.set_levels(id_, request)

    def on_forget_position(self, decision: ForgetPosition) -> Decisions:
        """Remove the levels of a position that is flat."""
        return self._clear_if_flat(decision.symbol)

    def on_release_position(self, decision: ReleasePosition) -> Decisions:
        """Remove the levels of a position that is released completely."""
        return self._clear_if_flat(decision.part.key.symbol)

    @property
    def protected_mask(self) -> npt.NDArray[np.bool_]:
        """Return instrument id -> whether a level protects it; bool, one element per instrument."""
        return self.position_stops.mask

    def best_price(self, symbol: str) -> Decimal | None:
        """Return the best price that the trailing stop of a symbol follows, None without one."""
        id_ = self._book.universe.ids_by_symbol.get(symbol)
        stop = None if id_ is None else self.position_stops.by_instrument.get(id_)
        return None if stop is None or stop.trail_by is None else stop.best

    def protective_levels(self, id_: int) -> ProtectiveLevels | None:
        """Return the levels that protect the position in an instrument, None without any."""
        return self.position_stops.protective_levels(id_)

    def _clear_if_flat(self, symbol: str) -> Decisions:
        if symbol not in self._book.positions.open and symbol in self._book.universe:
            self.position_stops.clear_levels(self._book.universe.id_of(symbol))
        return NOTHING

    def _judge_quotes(self, quotes: Quotes, is_protected: npt.NDArray[Any]) -> Iterator[Decision]:
        for row in is_protected.nonzero()[0]:
            close = self.judge_price(int(quotes.ids[row]), int(quotes.last[row]), quoted_at=quotes.seen_at)
            if close is not None:
                yield close
