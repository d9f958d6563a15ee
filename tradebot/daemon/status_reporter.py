"""The status reports of a run to operator and supervisor: it is ready, its status, it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from tradebot.config import Config
from tradebot.daemon.login.broker_login import BrokerLoginState
from tradebot.daemon.venue.venue_session import VenueSession
from tradebot.markets.calendar import HoursClass
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.run import StopRequested, StopsEnded, StopsRetained, TradingStarted
from tradebot.ops.systemd import Notifier
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.engine import Engine

FIRST_QUOTE_S = 20.0  # wall seconds that READY waits for a first quote, before it reports none
STATUS_EVERY_S = 5.0


class StatusReporter:
    """Reports the status of one run: events to `tell`, which logs them, and lines to the supervisor's notifier."""

    def __init__(
        self,
        config: Config,
        venue_session: VenueSession,
        *,
        engine: Engine,
        account: AccountView,
        tell: EventListener,
        notifier: Notifier,
    ) -> None:
        self._config, self._venue_session, self._engine, self._account = config, venue_session, engine, account
        self._tell, self._notifier = tell, notifier

    async def announce_ready(self) -> None:
        """Report that the daemon is ready: in a session after its first valid quote, or after a time limit without one.

        Outside of sessions no quote is valid, and none is waited for.
        """
        if self._is_in_session():
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_QUOTE_S):
                    await self._engine.quotes_ready.wait()
        started = TradingStarted(
            symbols=len(self._venue_session.universe),
            strategies=[s.name for s in self._config.strategy],
            interval=self._config.bars.interval,
            venue=self._venue_session.venue_name,
            account=self._venue_session.account,
            quotes="flowing" if self._engine.quotes_ready.is_set() else "none yet",
        )
        self._tell(started)
        self._notifier.notify_ready(self._status())

    def _is_in_session(self) -> bool:
        market, now = self._venue_session.traded_market, self._venue_session.clock.market_ns()
        session = market.calendar.session_on(market.date_of(now), HoursClass.CONTRACT)  # these close last
        return session is not None and session.is_open(now)

    async def report_status(self) -> None:
        """Report the status to the supervisor every few seconds, until cancelled."""
        while True:
            await self._venue_session.clock.sleep(STATUS_EVERY_S)
            self._notifier.notify_status(self._status())

    async def announce_stop(self, stop: asyncio.Event, reasons: Sequence[str]) -> None:
        """Wait for `stop`, then report that the daemon ends on purpose, with the first of `reasons`."""
        await stop.wait()
        self._tell(StopRequested(reason=reasons[0], resting_orders=self._config.execution.on_stop))
        self._notifier.notify_stopping()

    def warn_open_positions(self) -> None:
        """Report the positions that stay open: those whose stop rests at the venue, and with a warning all others."""
        account, universe = self._account, self._venue_session.universe
        resting = {view.symbol: view for view in account.resting_stops() if view.resting}
        bare: dict[str, dict[str, str]] = {}
        guarded: dict[str, dict[str, str]] = {}
        for symbol, quantity in account.open_quantities().items():
            levels = account.protective_levels(universe.ids_by_symbol[symbol]) if symbol in universe else None
            if levels is None:
                continue
            row = {"qty": f"{quantity:f}"} | {name: f"{level:f}" for name, level in levels.current_levels.items()}
            view = resting.get(symbol)
            if view is not None:
                row |= {"resting": f"{view.resting:f}", "rests_at": str(view.trigger)}
            is_guarded = view is not None and view.resting >= abs(quantity)
            (guarded if is_guarded else bare)[symbol] = row
        if guarded:
            self._tell(StopsRetained(positions=guarded))
        if bare:
            self._tell(StopsEnded(positions=bare))

    def _status(self) -> str:
        c = self._account.conditions
        notes = f", HALTED: {c.halt_reason}" if c.halt_reason else ""
        if c.links.session_lost:
            notes = f", NEED LOGIN: {'no order leaves' if c.links.orders_refused else 'log in again'}{notes}"
        elif c.blind_reason:
            notes = f", NO BOOKS{notes}"
        elif (login := self._venue_session.login) is not None and login.state is BrokerLoginState.EXPIRING:
            notes = f", login ends {login.shown_end}{notes}"
        if c.disk_short:
            notes = f", DISK {'FULL' if c.disk_full else 'SHORT'}{notes}"
        return (
            f"{self._config.mode_label.upper()} {len(self._venue_session.universe)} symbols, "
            f"day PnL {self._account.day_profit():+.2f}, {len(self._account.open_symbols)} positions{notes}"
        )
