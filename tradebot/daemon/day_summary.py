"""The day's figures for a person, told once the session is over, or when the run ends in it."""

from __future__ import annotations

from tradebot.clock import MINUTE, Clock
from tradebot.daemon.run_results import RunResults
from tradebot.domain.messages import SessionBegins
from tradebot.markets.market import Market
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.run import DaySummarized
from tradebot.trading.desk.account_view import AccountView

SETTLED_AFTER_NS = 2 * MINUTE  # market time after the close in which the last fills and books come
LOOK_EVERY_S = 10.0  # market seconds


class DaySummary:
    """Tells the figures of each session that this run saw open."""

    def __init__(
        self, account: AccountView, results: RunResults, market: Market, *, clock: Clock, tell: EventListener
    ) -> None:
        self._account, self._results, self._market = account, results, market
        self._clock, self._tell = clock, tell
        self._session: SessionBegins | None = None  # seen open, and not told yet

    async def tell_each_day(self) -> None:
        """Tell each day until cancelled; a session that is not told then is told at once."""
        try:
            while True:
                self._look()
                await self._clock.sleep(LOOK_EVERY_S / self._clock.speed)
        finally:
            if self._session is not None:
                self._tell_day(self._session)

    def _look(self) -> None:
        now, known = self._clock.market_ns(), self._account.conditions.times.session
        if self._session is not None and now >= self._session.closes_at + SETTLED_AFTER_NS:
            self._tell_day(self._session)
            self._session = None
        if self._session is None and known is not None and known.is_open(now):
            self._session = known

    def _tell_day(self, session: SessionBegins) -> None:
        figures, account = self._results.as_fields(), self._account
        told = DaySummarized(
            day=str(self._market.date_of(session.opens_at)),
            is_over=self._clock.market_ns() >= session.closes_at,
            pnl_net=figures["day_pnl_net"],
            charges=figures["day_charges"],
            orders=figures["day_orders"],
            fills=figures["day_fills"],
            open_positions={symbol: f"{quantity:f}" for symbol, quantity in account.open_quantities().items()},
            halted=account.conditions.halt_reason or None,
        )
        self._tell(told)
