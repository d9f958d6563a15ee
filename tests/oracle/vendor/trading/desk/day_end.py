"""What ends a day's trading: the loss limit, the time at which positions are closed, a flatten that still stands."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tradebot.domain.control import Until
from tests.oracle.vendor.trading.desk.blotter import Blotter
from tests.oracle.vendor.trading.desk.commands import Commands
from tests.oracle.vendor.trading.desk.conditions import Conditions
from tests.oracle.vendor.trading.desk.exits import Exits
from tests.oracle.vendor.trading.desk.gate.exposure_controls import DailyLoss
from tests.oracle.vendor.trading.desk.ordering import DeskSettings
from tests.oracle.vendor.trading.desk.worth import Worth

CLOSE_AT = Decimal("1.5")  # times the loss limit: a halt alone does not keep a loss from growing
CLOSE = "close"  # what the limit does: halt entries and close later; or only "halt"
INTRADAY = "MIS"  # what is meant to be gone by the evening; the rest may have been bought to be held through losses


class DayEnd:
    """Looks at every tick of the clock, whether quotes come or not; `tell` takes what a person should read."""

    def __init__(
        self, *, conditions: Conditions, worth: Worth, exits: Exits, commands: Commands, blotter: Blotter,
        settings: DeskSettings, tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._conditions, self._worth, self._exits, self._commands = conditions, worth, exits, commands
        self._blotter, self._product, self._tell = blotter, settings.product, tell
        self.limit, self.close_at = settings.max_daily_loss, settings.max_daily_loss * CLOSE_AT
        self._closes = settings.on_daily_loss == CLOSE
        self.opens_at = 0  # market ns of the session whose day this is

    def begin(self, opens_at: int) -> bool:
        """Take the session that opens at `opens_at`; returns whether it is another day's than before."""
        is_another, self.opens_at = opens_at != self.opens_at, opens_at
        return is_another

    @property
    def next_loss(self) -> Decimal | None:
        """The loss of the day at which something happens next, None where nothing does."""
        halts = self._conditions.halts
        if halts.are_none or not self._conditions.halted:
            return self.limit
        has_closed = not self._closes or not self._blotter.open or halts.flattened_by(DailyLoss.name)
        return None if has_closed else self.close_at

    def watch_loss(self) -> None:
        """Halt entries for the session once the day has lost its limit, open positions marked; then close them."""
        if self._conditions.halts.are_none and self._worth.day_profit() > -self.limit:
            return
        while (loss := self.next_loss) is not None and (profit := self._worth.day_profit()) <= -loss:
            reason = f"the day is at {profit:.2f}, max_daily_loss is {self.limit}"
            if loss is self.limit:
                self._commands.halt(reason, control=DailyLoss.name, until=Until.SESSION)
                continue
            id_ = f"{DailyLoss.name}-{self.opens_at}"
            self._commands.close_out(f"{reason}: {CLOSE_AT} times that", control=DailyLoss.name, id_=id_)
            if stays := [symbol for symbol in self._blotter.open if not self._is_intraday(symbol)]:
                self._tell(f"{reason}; not closed, since it may be held overnight: {', '.join(sorted(stays))}")

    def close(self, at: int) -> None:
        """Want flat what must be flat at market ns `at`: before the close, or because a flatten stands."""
        c = self._conditions
        if c.session is not None and c.square_off_at <= at < c.session.closes_at:
            self._exits.close_all("square-off before the close", c.squares_off)
        if c.halts.are_none:
            return
        for command in c.halts.flattens:
            reason = command.reason or "flattened"
            if command.control == DailyLoss.name:
                self._exits.close_all(reason, self._is_intraday)
            else:
                self._exits.close_all(reason)

    def _is_intraday(self, symbol: str) -> bool:
        position = self._blotter.open.get(symbol)
        return position is not None and (position.key.product or self._product) == INTRADAY
