"""Stop levels: the stop, trailing stop and target of each open position, judged on every quote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tradebot.domain.commands import CommandVerb
from tradebot.domain.market import Quotes
from tradebot.domain.messages import Command, ClockTick
from tradebot.domain.order import OrderRequest
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.decisions import NOTHING, ClosePosition, Decision, Decisions, Forget, Release
from tests.oracle.vendor.trading.desk.rules.guards import Guards, Levels


class StopLevels:
    """Guards what a fill opens with the levels of its order, until the position is gone."""

    def __init__(self, book: Book) -> None:
        self._book, self.guards = book, Guards(len(book.universe))

    def on_quotes(self, quotes: Quotes) -> Decisions:
        """Close what reached one of its levels; a frame of quotes is sifted at once."""
        guarded = self.guards.mask[quotes.ids]
        if not guarded.any() or self._book.is_leaving:
            return NOTHING
        return self._judge(quotes, guarded)

    def touch(self, id_: int, units: int, *, quoted_at: int) -> ClosePosition | None:
        """Hold a price, in units, against the guard of an instrument; return its close where a level is reached."""
        instrument = self._book.universe[id_]
        if not self.guards.mask[id_] or instrument.symbol in self._book.exits.wanted:
            return None
        hit = self.guards.judge(id_, instrument.price_from_units(units))
        return None if hit is None else ClosePosition(instrument.symbol, hit.purpose, hit.reason, quoted_at)

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Tell what trailing stops saw, now and then."""
        return self.guards.told(at=tick.at, mono=self._book.conditions.mono) if self.guards.moved else NOTHING

    def on_command(self, command: Command) -> Decisions:
        """Tell it once more when the daemon stops, for no stop moves any more."""
        c = self._book.conditions
        return self.guards.told(at=c.now, mono=c.mono, every=0) if command.verb is CommandVerb.STOP else NOTHING

    def on_change(self, change: OrderChange) -> Decisions:
        """Guard what a fill left open, and nothing where it left nothing."""
        self.filled(change.after.request)
        return NOTHING

    def filled(self, request: OrderRequest) -> None:
        """Take a fill of an order, once it is booked."""
        id_ = self._book.universe.ids_by_symbol.get(request.symbol)
        if id_ is None:
            return
        if request.symbol not in self._book.positions.open:
            self.guards.clear(id_)
        elif not request.purpose.is_exit:
            self.guards.set(id_, request)

    def on_forget(self, decision: Forget) -> Decisions:
        """Guard nothing where nothing of ours is left."""
        return self._gone(decision.symbol)

    def on_release(self, decision: Release) -> Decisions:
        """Guard nothing where nothing of ours is left."""
        return self._gone(decision.part.key.symbol)

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Instrument -> whether a guard stands."""
        return self.guards.mask

    def levels(self, id_: int) -> Levels | None:
        """Return what guards the position of an instrument, if anything does."""
        return self.guards.levels(id_)

    def _gone(self, symbol: str) -> Decisions:
        if symbol not in self._book.positions.open and symbol in self._book.universe:
            self.guards.clear(self._book.universe.id_of(symbol))
        return NOTHING

    def _judge(self, quotes: Quotes, guarded: npt.NDArray[Any]) -> Iterator[Decision]:
        for row in guarded.nonzero()[0]:
            reached = self.touch(int(quotes.ids[row]), int(quotes.last[row]), quoted_at=quotes.seen_at)
            if reached is not None:
                yield reached
