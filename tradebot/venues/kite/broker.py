"""Kite's broker over REST: sends each order once, reads the account's lists; for order sender and reconciliation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec
import numpy as np

from tradebot.clock import DAY, IST, SECOND, Clock, format_iso
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import QUOTE_COLUMNS, SERIES_COLUMNS, BarSeries, Quotes
from tradebot.domain.order import Fill, OrderKind, OrderRequest, VenueHolding, VenueOrder, VenuePosition
from tradebot.domain.venue_reports import AccountProfile
from tradebot.domain.venue_rows import VenueRows
from tradebot.errors import DataError
from tradebot.markets.market import market_of
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.gtt import GTT_PATH, gtt_number, render_gtt, written_gtt_id
from tradebot.venues.kite.gtt_list import GttList
from tradebot.venues.kite.instrument_files import InstrumentFiles
from tradebot.venues.kite.responses import VENUE_ORDER_ID_PATTERN
from tradebot.venues.kite.rest import RestLink, Timeouts
from tradebot.venues.kite.rules import CANDLES, CLIENT_LIMITS, KITE_RULES, QUOTES_PER_REQUEST, RestOffer, rest_offer
from tradebot.venues.kite.session import OrderSession, RestSession, parse_response
from tradebot.venues.kite.wire import (
    WireError,
    parse_candles,
    parse_holdings,
    parse_margins,
    parse_orders,
    parse_positions,
    parse_profile,
    parse_quotes,
    parse_trades,
    quote_key,
    render_change,
    render_order,
)
from tradebot.venues.limiter import Limiter
from tradebot.venues.venue import NotSent, Reply, VenueRules

MAX_QUERY_BYTES = 7000  # of a request line; many servers take at most 8,190
REST_SOURCE = "kite-rest"
NO_TIMES = np.empty(0, dtype=np.int64)


class KiteReader:
    """Reads over Kite Connect v3 and has no order route. A read is tried once and raises LinkLost or AccessDenied.

    `offer` is what the API has, by default what its address says. `bind_address` is the local address to connect from.
    The session opens on first use and must be closed with `close`.
    """

    venue_rules: VenueRules = KITE_RULES

    def __init__(
        self,
        *,
        rest: str,
        credentials: Credentials,
        clock: Clock,
        offer: RestOffer | None = None,
        limiter: Limiter | None = None,
        timeouts: Timeouts | None = None,
        bind_address: str | None = None,
        ca_bundle: str = "",
    ) -> None:
        self._clock = clock
        link = RestLink(
            rest, credentials=credentials, timeouts=timeouts, bind_address=bind_address, ca_bundle=ca_bundle
        )
        self._limiter = limiter or Limiter(CLIENT_LIMITS, clock, market=market_of(KITE_RULES.exchange))
        offer = offer or rest_offer(rest)
        self.venue_rules = msgspec.structs.replace(KITE_RULES, max_gtt=offer.max_gtt)
        self._session = self._open(link, self._limiter, offer.prefix)
        self._gtts = GttList(self._session, clock, is_offered=offer.max_gtt > 0)

    def _open(self, link: RestLink, limiter: Limiter, prefix: str) -> RestSession:
        return RestSession(link, limiter=limiter, prefix=prefix)

    async def fetch_account_id(self) -> str:
        """Return the account id, which proves that the login is valid."""
        return (await self.fetch_profile()).account_id

    async def fetch_profile(self) -> AccountProfile:
        """Return what the account may trade, from GET /user/profile."""
        return await self._session.read_book("/user/profile", parse_profile)

    async def fetch_instruments(self, symbols: Sequence[str]) -> VenueRows[Instrument]:
        """Return the instruments of `symbols` in their order. Raises DataError that names every unknown symbol.

        A symbol is Kite's `tradingsymbol`, on NSE unless it begins with its exchange: `BSE:INFY`. The list of contracts
        says which of them have derivatives.
        """
        return await InstrumentFiles(self._session.get_instrument_file).find_instruments(symbols)

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        """Return every order of the day, from any channel, and then the GTT orders.

        The GTT orders are read after the orders: the order that a GTT placed is listed with what Kite says of the GTT
        at the same time or later. `GttList` says when they are asked for.
        """
        orders = await self._session.read_book("/orders", parse_orders)
        gtts = await self._gtts.fetch_gtts()
        return VenueRows((*orders, *gtts), (*orders.unread, *gtts.unread))

    async def fetch_fills(self) -> VenueRows[Fill]:
        """Return every fill of the day, oldest first."""
        return await self._session.read_book("/trades", parse_trades)

    async def fetch_positions(self) -> VenueRows[VenuePosition]:
        """Return the net positions, flat ones included."""
        return await self._session.read_book("/portfolio/positions", parse_positions)

    async def fetch_holdings(self) -> VenueRows[VenueHolding]:
        """Return the shares held from earlier days, including those bought and not yet delivered."""
        return await self._session.read_book("/portfolio/holdings", parse_holdings)

    async def fetch_cash(self) -> Decimal:
        """Return the funds available for new orders in rupees: `net` of the equity segment."""
        return await self._session.read_book("/user/margins", parse_margins)

    async def fetch_history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        """Return complete past bars that start in [start, end), in market ns; `interval` is in ns.

        A candle that has not ended by the market clock is dropped; a malformed one is counted. Raises DataError for an
        interval that Kite does not have.
        """
        if interval not in CANDLES:
            has = ", ".join(name for name, _ in CANDLES.values())
            raise DataError(f"Kite has no candles of {interval / SECOND:g} s; it has {has}")
        name, days = CANDLES[interval]
        parts = []
        for begin in range(start, end, days * DAY):
            # `to` is inclusive and counts whole seconds.
            until = min(begin + days * DAY, end)
            params = [("from", _ist_text(begin)), ("to", _ist_text(until - 1)), ("continuous", "0"), ("oi", "0")]
            path = f"/instruments/historical/{instrument.token}/{name}"
            body = await self._session.get_response(path, kind="history", params=params)
            # One response may hold 22,000 candles, which take 0.1 s of exact arithmetic.
            parts.append(await asyncio.to_thread(_candles, path, body, instrument, interval, begin, until))
        columns = {
            column: np.concatenate([NO_TIMES, *(getattr(part, column) for part in parts)])
            for column in (*SERIES_COLUMNS, "unread_starts")
        }
        series = BarSeries(symbol=instrument.symbol, interval=interval, **columns)
        return series.select_bars(series.starts + interval <= self._clock.market_ns())

    async def fetch_quotes(self, universe: Universe) -> Quotes:
        """Return the newest quotes over REST in the order of the universe: the fallback while the stream is down.

        A request takes at most 500 instruments, and one request per second is allowed, so 1,000 instruments take one
        second. Instruments unknown to Kite have no row.
        """
        parts = []
        for some in _batches(universe):
            names = [("i", quote_key(instrument)) for instrument in some]
            body = await self._session.get_response("/quote", kind="quote", params=names)
            seen_at = self._clock.monotonic_ns()
            parts.append(parse_response("/quote", body, partial(parse_quotes, universe=universe, seen_at=seen_at)))
        if not parts:
            return parse_quotes({}, universe, seen_at=self._clock.monotonic_ns(), source=REST_SOURCE)
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in QUOTE_COLUMNS}
        # The oldest of the arrival times, so that no row looks fresher than it is.
        return Quotes(source=REST_SOURCE, seen_at=parts[0].seen_at, **columns)

    async def close(self) -> None:
        """Close the connections within at most two seconds."""
        await self._session.close()


class KiteBroker(KiteReader):
    """Also sends orders. A write leaves this machine at most once.

    `submit`, `modify` and `cancel` return a `Refused` with code ACCESS_DENIED if the address (static IP) or a
    permission is the reason, and with code LOGIN_LOST if the access token has expired. The id of a GTT order begins
    with `gtt`, by which it is told from that of an order.
    """

    _orders: OrderSession

    def _open(self, link: RestLink, limiter: Limiter, prefix: str) -> RestSession:
        self._orders = OrderSession(link, limiter=limiter, prefix=prefix)
        return self._orders

    def resume_day(self, sent: int) -> None:
        """Add the orders that earlier processes sent on this market day: the venue counts them as well."""
        self._limiter.resume_day(sent)

    async def submit(self, request: OrderRequest) -> Reply:
        """Send a new order once, or with `gtt` a GTT order. Raises OutcomeUnknown."""
        if request.gtt is not None:
            return await self._send_gtt(request, "POST", GTT_PATH)
        try:
            form = render_order(request)
        except WireError as error:
            return NotSent(reason=str(error))
        is_exit = request.purpose.is_exit
        return await self._orders.send_write("POST", "/orders/regular", kind="order", is_exit=is_exit, form=form)

    async def modify(self, request: OrderRequest, *, venue_order_id: str) -> Reply:
        """Request once that a working order takes the kind, price and total quantity of `request`.

        `Accepted` means that Kite received the request; the next status of the order shows the result. The order that
        a GTT placed is a limit order, and takes the price of `request`. Raises OutcomeUnknown.
        """
        if (number := gtt_number(venue_order_id)) is not None:
            return await self._send_gtt(request, "PUT", f"{GTT_PATH}/{number}", venue_order_id=venue_order_id)
        if unusable := _missing_order_id(request.order_id, venue_order_id):
            return unusable
        try:
            form = render_change(request if request.gtt is None else _placed_by_gtt(request))
        except WireError as error:
            return NotSent(reason=str(error))
        return await self._orders.send_write(
            "PUT",
            f"/orders/regular/{venue_order_id}",
            kind="change",
            is_exit=request.purpose.is_exit,
            form=form,
            venue_order_id=venue_order_id,
        )

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        """Request once that a working order is cancelled, or a GTT order deleted. Raises OutcomeUnknown."""
        if (number := gtt_number(venue_order_id)) is not None:
            return await self._send_gtt(None, "DELETE", f"{GTT_PATH}/{number}", venue_order_id=venue_order_id)
        if unusable := _missing_order_id(order_id, venue_order_id):
            return unusable
        return await self._orders.send_write(
            "DELETE", f"/orders/regular/{venue_order_id}", kind="change", is_exit=True, venue_order_id=venue_order_id
        )

    async def _send_gtt(
        self, request: OrderRequest | None, method: str, path: str, *, venue_order_id: str = ""
    ) -> Reply:
        # A GTT counts toward the limit per second alone, as a change does. It protects a position as an exit does.
        if not self.venue_rules.max_gtt:
            return NotSent(reason="Kite has no GTT orders at this address")
        try:
            form = None if request is None else render_gtt(request)
        except WireError as error:
            return NotSent(reason=str(error))
        self._gtts.expect_gtts()
        return await self._orders.send_write(
            method, path, kind="change", is_exit=True, form=form, venue_order_id=venue_order_id, id_of=written_gtt_id
        )


def _placed_by_gtt(request: OrderRequest) -> OrderRequest:
    return msgspec.structs.replace(request, kind=OrderKind.LIMIT, trigger_price=None, gtt=None)


def _missing_order_id(order_id: str, venue_order_id: str) -> NotSent | None:
    if VENUE_ORDER_ID_PATTERN.fullmatch(venue_order_id):
        return None
    return NotSent(reason=f"order {order_id} has no usable Kite order id ({venue_order_id!r:.80})")


def _candles(
    path: str, got: tuple[int, bytes], instrument: Instrument, interval: int, start: int, end: int
) -> BarSeries:
    def parse(data: Any) -> BarSeries:
        return parse_candles(data, instrument, interval=interval, start=start, end=end)

    return parse_response(path, got, parse)


def _batches(universe: Universe) -> Iterator[list[Instrument]]:
    some: list[Instrument] = []
    length = 0
    for instrument in universe:
        size = len(urlencode({"i": quote_key(instrument)})) + 1
        if some and (len(some) == QUOTES_PER_REQUEST or length + size > MAX_QUERY_BYTES):
            yield some
            some, length = [], 0
        some.append(instrument)
        length += size
    if some:
        yield some


def _ist_text(ns: int) -> str:
    return format_iso(ns - ns % SECOND, IST)[:19].replace("T", " ")
