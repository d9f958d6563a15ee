"""Square-off: at each tick closes the positions whose square-off time has come, and those that a flatten covers."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.domain.commands import DAILY_LOSS
from tradebot.domain.messages import ClockTick
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import NOTHING, ClosePositions, Decision, Decisions


class SquareOff:
    """Runs on every clock tick. A flatten by the daily loss closes intraday positions only."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Close what must be flat by now; do nothing while the daemon stops and leaves positions open."""
        c = self._book.conditions
        is_time = c.times.session is not None and c.times.square_off_at <= tick.at < c.times.session.closes_at
        if self._book.sends_no_orders or not (is_time or c.has_halts):
            return NOTHING
        return self._close_positions(is_time=is_time)

    def _close_positions(self, *, is_time: bool) -> Iterator[Decision]:
        book, c = self._book, self._book.conditions
        if is_time:
            yield ClosePositions(book.open_symbols(c.in_square_off), "square-off before the close")
        for command in c.halts.active_flattens:
            is_of_loss = command.control == DAILY_LOSS
            symbols = book.open_symbols(book.is_intraday) if is_of_loss else book.open_symbols()
            yield ClosePositions(symbols, command.reason or "flattened")
