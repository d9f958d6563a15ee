"""Daily loss: entries are halted once the day has lost its limit, and positions are closed once it has lost more."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tradebot.domain.commands import DAILY_LOSS, HaltExpiry, CommandVerb
from tradebot.domain.messages import Command, ClockTick
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import NOTHING, Decision, Decisions, Stand
from tests.oracle.vendor.trading.desk.rules.finding import halt

CLOSE_AT = Decimal("1.5")  # times the loss limit: a halt alone does not keep a loss from growing
CLOSE = "close"  # what the limit does: halt entries and close later; or only "halt"


class DailyLoss:
    """Looks at every tick of the clock, whether quotes come or not. Profit is after charges, open positions marked."""

    def __init__(self, book: Book) -> None:
        self._book, settings = book, book.settings
        self.limit, self.close_at = settings.max_daily_loss, settings.max_daily_loss * CLOSE_AT
        self._closes = settings.on_daily_loss == CLOSE

    @property
    def next_loss(self) -> Decimal | None:
        """The loss of the day at which something happens next, None where nothing does."""
        halts = self._book.conditions.halts
        if halts.is_empty or not self._book.conditions.halted:
            return self.limit
        has_closed = not self._closes or not self._book.positions.open or halts.is_flattened_by(DAILY_LOSS)
        return None if has_closed else self.close_at

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Halt entries once the day has lost its limit; at more than that close what is meant to be gone by night."""
        return self.watch()

    def watch(self) -> Decisions:
        """Return what the day's loss leads to now."""
        book = self._book
        if book.conditions.halts.is_empty and book.worth.day_profit() > -self.limit:
            return NOTHING
        return self._act()

    def _act(self) -> Iterator[Decision]:
        book = self._book
        while (loss := self.next_loss) is not None and (profit := book.worth.day_profit()) <= -loss:
            reason = f"the day is at {profit:.2f}, max_daily_loss is {self.limit}"
            if loss is self.limit:
                yield halt(reason, control=DAILY_LOSS, until=HaltExpiry.SESSION)
                continue
            id_ = f"{DAILY_LOSS}-{book.conditions.times.day_opens_at}"
            more = f"{reason}: {CLOSE_AT} times that"
            yield Stand(Command(verb=CommandVerb.FLATTEN, reason=more, id=id_, control=DAILY_LOSS, until=HaltExpiry.SESSION))
            if stays := [symbol for symbol in book.positions.open if not book.is_intraday(symbol)]:
                text = f"{reason}; not closed, since it may be held overnight: {', '.join(sorted(stays))}"
                yield book.incident(text)
