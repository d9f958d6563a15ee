"""What ends a day's trading: the loss limit, the time at which positions are closed, a flatten that still stands."""

from __future__ import annotations

from tradebot.domain.control import Until
from tradebot.stages.desk.commands import Commands
from tradebot.stages.desk.conditions import Conditions
from tradebot.stages.desk.exits import Exits
from tradebot.stages.desk.gate.exposure_controls import DailyLoss
from tradebot.stages.desk.ordering import DeskSettings
from tradebot.stages.desk.worth import Worth


class DayEnd:
    """Looks at every tick of the clock, whether quotes come or not."""

    def __init__(
        self, *, conditions: Conditions, worth: Worth, exits: Exits, commands: Commands, settings: DeskSettings
    ) -> None:
        self._conditions, self._worth, self._exits, self._commands = conditions, worth, exits, commands
        self._limit = settings.max_daily_loss
        self._opens_at = 0  # market ns of the session whose day this is

    def begin(self, opens_at: int) -> bool:
        """Take the session that opens at `opens_at`; returns whether it is another day's than before."""
        is_another, self._opens_at = opens_at != self._opens_at, opens_at
        return is_another

    def watch_loss(self) -> None:
        """Halt entries once the day has lost its limit, open positions marked."""
        c = self._conditions
        if (c.halts.are_none or not c.halted) and (profit := self._worth.day_profit()) <= -self._limit:
            reason = f"the day is at {profit:.2f}, max_daily_loss is {self._limit}"
            self._commands.halt(reason, control=DailyLoss.name, until=Until.SESSION)

    def close(self, at: int) -> None:
        """Want flat what must be flat at market ns `at`: before the close, or because a flatten stands."""
        c = self._conditions
        if c.session is not None and c.square_off_at <= at < c.session.closes_at:
            self._exits.close_all("square-off before the close", c.squares_off)
        if not c.halts.are_none and (closing := c.halts.flattening):
            self._exits.close_all(closing)
