"""Says which stop a position should have at the venue, and builds its order: SL, SL-M or GTT, by venue and product."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from tradebot.domain.instrument import Instrument
from tradebot.domain.order import Order, OrderKind, OrderPurpose, OrderRequest, RequestState, Side
from tradebot.domain.order_request import GttTerms
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import PositionKey
from tradebot.domain.products import INTRADAY
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.decisions import PlaceOrder
from tradebot.trading.desk.placing.requests import OrderRequests
from tradebot.trading.desk.rules.position_stops import ProtectiveLevels
from tradebot.trading.desk.rules.stop_levels import StopLevels

PERCENT = Decimal(100)


class StopWish(NamedTuple):
    """The stop that a position should have at the venue.

    `quantity` is the closable quantity in shares or contracts, of which one order takes `most_quantity`. `gtt` is None
    for an order of the day. `fault` says why no stop can be placed now, empty where one can.
    """

    id_: int
    key: PositionKey
    side: Side
    quantity: Decimal
    trigger: Decimal
    most_quantity: Decimal
    kind: OrderKind
    price: Decimal | None
    protection_pct: Decimal | None
    gtt: GttTerms | None
    strategy: str
    fault: str

    @property
    def symbol(self) -> str:
        """Return the symbol of the position."""
        return self.key.symbol

    @property
    def fits_one_order(self) -> bool:
        """Return whether the venue takes the whole quantity as one order."""
        return self.quantity <= self.most_quantity

    def fits(self, order: Order) -> bool:
        """Return whether an order is a stop of this position at this venue, and is not being cancelled."""
        request = order.request
        is_there = (request.exchange, request.product) == (self.key.exchange, self.key.product)
        is_gtt = (request.gtt is None) == (self.gtt is None)
        return is_there and is_gtt and request.side is self.side and order.cancel.state is RequestState.NONE


class RestingRequests:
    """Builds the orders of resting stops, with the ids of `requests` and the levels of `levels`."""

    def __init__(self, book: Book, requests: OrderRequests, levels: StopLevels) -> None:
        self._book, self._requests, self._levels = book, requests, levels
        self._settings = book.settings.resting_stops

    def wants_stop(self, symbol: str) -> bool:
        """Return whether the position in a symbol has a stop level, and its strategy wants it at the venue."""
        position = self._book.positions.open.get(symbol)
        return position is not None and self._wanted_levels(position) is not None

    def stop_wish(self, position: Position) -> StopWish | None:
        """Return the stop that an open position should have, None where it should have none."""
        book, symbol = self._book, position.symbol
        if (levels := self._wanted_levels(position)) is None:
            return None
        id_ = book.universe.id_of(symbol)
        instrument = book.universe[id_]
        last = book.marks.last_price(symbol)
        # A trailing stop begins with the first quote after its entry, and is measured from the entry until then.
        best = levels.best if levels.best is not None else position.average_price
        trigger = instrument.round_to_nearest_tick(_tightest(levels._replace(best=best)))
        side = Side.SELL if position.quantity > 0 else Side.BUY
        gtt = None if self._is_of_day(position) else self._gtt_terms(instrument, side, levels, last or trigger)
        is_market = gtt is None and (instrument.exchange, instrument.kind.value) in self._settings.stop_market
        most = self._requests.most_quantity(instrument)
        quantity = abs(book.blotter.closable_quantity(symbol))
        return StopWish(
            id_=id_,
            key=position.key,
            side=side,
            quantity=quantity,
            trigger=trigger,
            most_quantity=quantity if most is None else min(most, quantity),
            kind=OrderKind.STOP_MARKET if is_market else OrderKind.STOP_LIMIT,
            price=None if is_market else self._requests.protected_price(instrument, side, trigger),
            protection_pct=book.settings.protection_pct if is_market else None,
            gtt=gtt,
            strategy=self._holder(symbol),
            fault=self._fault(symbol, side, trigger, last, is_gtt=gtt is not None),
        )

    def build_stop(self, wish: StopWish, quantity: Decimal) -> PlaceOrder:
        """Return the order of a resting stop for `quantity`; the gate judges it at its trigger price."""
        mono = self._book.conditions.mono
        request = OrderRequest(
            order_id=self._requests.next_order_id,
            symbol=wish.symbol,
            exchange=wish.key.exchange,
            side=wish.side,
            kind=wish.kind,
            quantity=quantity,
            price=wish.price,
            trigger_price=wish.trigger,
            product=wish.key.product,
            protection_pct=wish.protection_pct,
            purpose=OrderPurpose.RESTING_STOP,
            strategy=wish.strategy,
            reason="a stop that holds without the daemon",
            decided_at=mono,
            signaled_at=mono,
            quoted_at=mono,
            gtt=wish.gtt,
        )
        return PlaceOrder(wish.id_, request, wish.trigger, {})

    def changed(self, order: Order, wish: StopWish, quantity: Decimal) -> OrderRequest:
        """Return the request of a resting stop with the trigger of `wish` and another total quantity."""
        return replace(
            order.request, quantity=quantity, trigger_price=wish.trigger, price=wish.price, gtt=wish.gtt, signal_id=""
        )

    def _wanted_levels(self, position: Position) -> ProtectiveLevels | None:
        # The levels of a position that should have a stop at the venue, None where it should have none.
        symbol, universe = position.symbol, self._book.universe
        if symbol not in universe or self._holder(symbol) not in self._settings.strategies:
            return None
        if self._settings.gtt == "off" and not self._is_of_day(position):
            return None
        levels = self._levels.protective_levels(universe.id_of(symbol))
        has_stop = levels is not None and (levels.stop is not None or levels.trail_by is not None)
        return levels if has_stop else None

    def _is_of_day(self, position: Position) -> bool:
        return (position.key.product or self._book.settings.product) == INTRADAY

    def _holder(self, symbol: str) -> str:
        # The strategy that opened the position, "" where that is not known.
        return self._book.pending_exits.holders.get(symbol, "")

    def _gtt_terms(self, instrument: Instrument, side: Side, levels: ProtectiveLevels, last: Decimal) -> GttTerms:
        if self._settings.gtt != "oco" or levels.target is None:
            return GttTerms(last_price=last)
        target = instrument.round_to_nearest_tick(levels.target)
        price = self._requests.protected_price(instrument, side, target)
        return GttTerms(last_price=last, target_trigger=target, target_price=price)

    def _fault(
        self,
        symbol: str,
        side: Side,
        trigger: Decimal,
        last: Decimal | None,
        *,
        is_gtt: bool,
    ) -> str:
        times, now = self._book.conditions.times, self._book.conditions.now
        opens_at = times.session.opens_at if times.session is not None else 0
        if not opens_at <= now < times.closes_at(symbol):
            return "the session is over, no stop can be placed"
        if last is None:
            return "no quote has come yet" if is_gtt else ""
        away = (last - trigger) * -side.sign  # positive while the stop is not reached
        if away <= 0:
            return f"the last price {last} has reached the stop {trigger}"
        least = max(self._settings.gtt_min_distance_pct * last / PERCENT, self._settings.gtt_min_distance)
        if is_gtt and away <= least:
            return f"the stop {trigger} is no further than {least:.2f} from the last price {last}"
        return ""


def _tightest(levels: ProtectiveLevels) -> Decimal:
    # The stop or the trailing stop, whichever a falling (for a short: rising) price reaches first.
    now = levels.current_levels
    stops = [now[name] for name in ("stop", "trail") if name in now]
    return max(stops) if levels.is_long else min(stops)
