"""The daily check of the instruments: a daemon that stays up over nights compares what it knows with the new lists.

A venue may give the number of an instrument to another one from one day to the next. Its quotes would then be taken for
those of the old one, so a symbol whose row changed is halted until the daemon is started again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import time

from tradebot.daemon.venue.venue_session import VenueSession
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.instrument import Instrument
from tradebot.domain.messages import Command
from tradebot.errors import AccessDenied, DataError, LinkLost
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.venue import InstrumentsChanged, InstrumentsChecked

CHECK_FROM = time(8, 30)  # of the market's day; the lists of the day are out by then
LOOK_EVERY_S = 1.0  # wall seconds between two looks at the time
RETRY_EVERY_S = 30.0  # wall seconds after a list that could not be read
CONTROL = "instruments"
COMPARED = ("token", "tick_size", "lot_size", "kind", "has_derivatives")


class InstrumentCheck:
    """Compares the run's instruments with the venue's lists once on each later trading day.

    `symbols` are those of the config, in its order. `command` gives the desk a command.
    """

    def __init__(
        self,
        venue_session: VenueSession,
        symbols: Sequence[str],
        *,
        command: Callable[[Command], Awaitable[None]],
        tell: EventListener,
    ) -> None:
        self._reader, self._universe, self._symbols = venue_session.venue.broker, venue_session.universe, symbols
        self._clock, self._market = venue_session.clock, venue_session.traded_market
        self._command, self._tell = command, tell
        self._checked_on = self._market.date_of(self._clock.market_ns())  # the start read the lists of its own day

    async def check_each_day(self) -> None:
        """Check for ever."""
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            now = self._clock.market_ns()
            day = self._market.date_of(now)
            is_due = day > self._checked_on and self._market.calendar.is_trading_day(day)
            if not is_due or now < self._market.to_ns(day, CHECK_FROM):
                continue
            try:
                found = {i.symbol: i for i in await self._reader.fetch_instruments(self._symbols)}
            except (LinkLost, AccessDenied):  # a login is needed first, or the venue is away: both are told elsewhere
                await self._clock.sleep(RETRY_EVERY_S / max(self._clock.speed, 1.0))
                continue
            except DataError as error:
                await self._halt(self._missing(str(error)))
            else:
                await self._halt(self._changes(found))
            self._checked_on = day

    def _changes(self, found: dict[str, Instrument]) -> dict[str, str]:
        changed = {}
        for known in self._universe:
            new = found.get(known.symbol)
            if new is None:
                changed[known.symbol] = "it is not listed any more"
            elif differs := [name for name in COMPARED if getattr(new, name) != getattr(known, name)]:
                shown = [f"{name} was {getattr(known, name)} and is {getattr(new, name)}" for name in differs]
                changed[known.symbol] = ", ".join(shown)
        return changed

    def _missing(self, sentence: str) -> dict[str, str]:
        # The venue's sentence names what is missing; a symbol that is not in it is as before.
        return {i.symbol: sentence for i in self._universe if f":{i.symbol} " in sentence}

    async def _halt(self, changed: dict[str, str]) -> None:
        if not changed:
            self._tell(InstrumentsChecked(symbols=len(self._universe)))
            return
        self._tell(InstrumentsChanged(changes=changed))
        for symbol, what in changed.items():
            reason = f"the venue's list of instruments changed: {what}; restart the daemon"
            await self._command(
                Command(verb=CommandVerb.HALT, scope=Scope.for_symbol(symbol), reason=reason, control=CONTROL)
            )
