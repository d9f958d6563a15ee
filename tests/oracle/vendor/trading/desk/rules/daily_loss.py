"""Daily loss: halts entries once the day has lost its limit, and closes positions once it has lost 1.5 times that."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tradebot.domain.commands import DAILY_LOSS, CommandVerb, HaltExpiry
from tradebot.domain.messages import ClockTick, Command
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import NOTHING, ApplyCommand, Decision, Decisions
from tests.oracle.vendor.trading.desk.rules.violation import halt_scope

CLOSE_MULTIPLE = Decimal("1.5")  # multiple of the loss limit: a halt alone does not keep a loss from growing
CLOSE = "close"  # value of `on_daily_loss` that also closes positions; the other value, "halt", only halts entries


class DailyLoss:
    """Checks the day's profit on every clock tick, whether quotes come or not.

    Profit is after charges, with open positions at their marks, in the account's currency.
    """

    def __init__(self, book: Book) -> None:
        self._book, settings = book, book.settings
        self.set_limit(settings.max_daily_loss)
        self._closes = settings.on_daily_loss == CLOSE

    def set_limit(self, max_daily_loss: Decimal) -> None:
        """Set the loss of the day that ends entries, in the account's currency."""
        self.loss_limit, self.close_threshold = max_daily_loss, max_daily_loss * CLOSE_MULTIPLE

    @property
    def next_threshold(self) -> Decimal | None:
        """Return the loss of the day at which this rule acts next, None where it has done all that it may.

        The loss is a positive amount in the account's currency. While no halt of everything is active, it is the loss
        limit.
        """
        halts = self._book.conditions.halts
        if halts.is_empty or not self._book.conditions.halt_reason:
            return self.loss_limit
        has_closed = not self._closes or not self._book.positions.open or halts.is_flattened_by(DAILY_LOSS)
        return None if has_closed else self.close_threshold

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Halt entries once the day has lost its limit; at the close threshold close intraday positions."""
        return self.check_loss()

    def check_loss(self) -> Decisions:
        """Return the decisions that the day's loss leads to now."""
        book = self._book
        # The usual case, without a generator: nothing is halted and the limit is far.
        if book.conditions.halts.is_empty and book.pnl.day_profit() > -self.loss_limit:
            return NOTHING
        return self._halt_and_close()

    def _halt_and_close(self) -> Iterator[Decision]:
        book = self._book
        # Carrying out the halt changes `next_threshold`, so one tick may halt and then also close.
        while (loss := self.next_threshold) is not None and (profit := book.pnl.day_profit()) <= -loss:
            reason = f"the day is at {profit:.2f}, max_daily_loss is {self.loss_limit}"
            if loss is self.loss_limit:
                yield halt_scope(reason, control=DAILY_LOSS, until=HaltExpiry.SESSION)
                continue
            id_ = f"{DAILY_LOSS}-{book.conditions.times.day_opens_at}"
            close_reason = f"{reason}: {CLOSE_MULTIPLE} times that"
            yield ApplyCommand(
                Command(
                    verb=CommandVerb.FLATTEN, reason=close_reason, id=id_, control=DAILY_LOSS, until=HaltExpiry.SESSION
                )
            )
            if kept_symbols := [symbol for symbol in book.positions.open if not book.is_intraday(symbol)]:
                text = f"{reason}; not closed, since it may be held overnight: {', '.join(sorted(kept_symbols))}"
                yield book.make_incident(text)
