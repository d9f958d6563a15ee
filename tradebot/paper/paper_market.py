"""The paper market: the matching engine of this process over days, one exchange for each session, fed by live quotes.

It has no task of its own: its owner gives it quotes and requests, moves its time and turns its days.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

from tradebot.clock import Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Quotes
from tradebot.domain.order import VenueOrder
from tradebot.errors import StateError
from tradebot.exchange.account import OpeningBalance
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.refusals import ExchangeRefusal, RefusalCode
from tradebot.exchange.ticket import BookOrder
from tradebot.markets.market import Market
from tradebot.ops.events.paper import PaperDayOpened
from tradebot.paper.quote_source import QuoteSource
from tradebot.paper.rows import venue_order_of
from tradebot.paper.settings import PaperSettings

DAY_IS_OVER, STOPPED = "the day is over", "stopped"


def session_day_of(at: int, market: Market) -> date:
    """Return the trading day of `at` (market ns): that date, or the next trading day where the market is closed."""
    day = market.date_of(at)
    return day if market.calendar.is_trading_day(day) else market.calendar.next_trading_day(day)


class PaperMarket:
    """One paper account and the exchange it trades on, from one trading day to the next.

    A day's exchange goes on from the log of the earlier ones. Orders that still work when an exchange ends, also by a
    stop of this process, are cancelled when the next one begins. `on_order` receives each version of an order, once
    an owner has set it.
    """

    def __init__(
        self, universe: Universe, clock: Clock, settings: PaperSettings, *, account_id: str, market: Market
    ) -> None:
        self.account_id = account_id
        self.on_order: Callable[[VenueOrder], None] = _drop_order
        self._universe, self._clock, self._settings, self._market = universe, clock, settings, market
        self._log: EventLog | None = None
        self._source: QuoteSource | None = None
        self._exchange: Exchange | None = None
        self._day: date | None = None
        self._at = 0  # market ns that was reached
        self._is_turning = False

    @property
    def universe(self) -> Universe:
        """Return the instruments that are traded."""
        return self._universe

    @property
    def exchange(self) -> Exchange:
        """Return the exchange of the session. There is one from the first `turn_day` on."""
        assert self._exchange is not None, "no session was begun"
        return self._exchange

    @property
    def source(self) -> QuoteSource:
        """Return the prices of the session. There are some from the first `turn_day` on."""
        assert self._source is not None, "no session was begun"
        return self._source

    def is_day_over(self, at: int) -> bool:
        """Return whether another trading day has begun by `at` (market ns), or none was begun yet."""
        return self._day is None or session_day_of(at, self._market) > self._day

    async def turn_day(self, at: int) -> None:
        """End the session and begin that of `at` (market ns). Raises DataError or StateError for a bad log.

        Reading the log of many days takes a while, so it is done in a thread; requests are refused meanwhile, as
        outside every session.
        """
        self._is_turning = True
        try:
            if self._exchange is not None:
                with self._writing():
                    self._exchange.advance_to(max(self._at, at))
                    self._exchange.end_session(DAY_IS_OVER)
            self._at = max(self._at, at)
            self._day = session_day_of(self._at, self._market)
            making = asyncio.get_running_loop().run_in_executor(None, self._make_exchange, self._day)
            try:
                self._exchange = await asyncio.shield(making)
            except asyncio.CancelledError:
                self._exchange = await making  # a thread cannot be stopped; what it opens is closed with the market
                raise
        finally:
            self._is_turning = False
        account = self._exchange.account
        self._settings.tell(
            PaperDayOpened(
                account=self.account_id, day=str(self._day), cash=account.available_funds, log=str(self._settings.log)
            )
        )

    def take_quotes(self, quotes: Quotes, at: int) -> None:
        """Let the orders at the exchange meet the quotes that arrived at `at` (market ns)."""
        if self._is_turning or self._source is None:
            return  # between two days nothing can be traded
        self._source.take_quotes(quotes, max(at, self._at))
        self.advance_to(at)

    def advance_to(self, at: int) -> None:
        """Move the exchange to `at` (market ns); a time that was reached before changes nothing.

        Raises StateError, as all that follows does, where the log cannot be written.
        """
        if self._is_turning or self._exchange is None:
            return
        self._at = max(self._at, at)
        with self._writing():
            self._exchange.advance_to(self._at)

    def make_request(self, make: Callable[[Exchange], BookOrder], at: int) -> BookOrder:
        """Give the exchange a client's request at `at` (market ns) and return its answer. Raises ExchangeRefusal."""
        if self._is_turning or self._exchange is None:
            raise ExchangeRefusal(RefusalCode.CLOSED)
        self.advance_to(at)
        with self._writing():
            return make(self._exchange)

    def close_market(self) -> None:
        """Deliver what is in transit, end the session and close the log."""
        with self._writing():
            try:
                if self._exchange is not None:
                    self._exchange.end_session(STOPPED)
            finally:
                if self._log is not None:
                    self._log.close_file()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        # An account whose log cannot be written would forget what it did, so it ends with a sentence.
        try:
            yield
        except OSError as error:
            raise StateError(f"{self._settings.log} cannot be written: {error.strerror or error}") from error

    def _make_exchange(self, day: date) -> Exchange:
        settings = self._settings
        self._log = self._log or EventLog(settings.log)
        self._source = QuoteSource(
            self._universe,
            day,
            calendar=self._market.calendar,
            has_depth=settings.has_depth,
            previous_close=None if self._source is None else self._source.last_prices,
        )
        exchange = Exchange(
            self._source,
            self._clock,
            seed=settings.seed,
            balance=OpeningBalance(cash=settings.cash, account_id=self.account_id),
            latency=settings.latency,
            log=self._log,
            resume=settings.log,
            rules=settings.rules,
        )
        exchange.order_listeners.append(self._publish)
        return exchange

    def _publish(self, order: BookOrder) -> None:
        self.on_order(venue_order_of(order))


def _drop_order(order: VenueOrder) -> None:
    return None
