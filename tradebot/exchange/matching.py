"""Matches our orders in one instrument against the displayed depth and the traded volume; integers, no clock.

Simplifications, and in whose favour each errs:
* what we take from a level is back with the next different snapshot: for the trader (no lasting market impact);
* all traded volume of a row counts as traded at its last price: for the trader;
* a resting order joins behind everything displayed at its price, and only trades or a smaller display move it forward:
  against the trader (most cancellations ahead of it are not seen);
* a resting order that the market jumped through fills at the better of its limit and the market: for the trader;
* our own orders never trade with each other (an exchange would match or prevent it): they share the same liquidity.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from tradebot.domain.instrument import Instrument
from tradebot.domain.market import Ints
from tradebot.domain.order import Side
from tradebot.exchange.snapshot import DEPTH_LEVELS


class DepthRow(NamedTuple):
    """One published state of an instrument in price and quantity units.

    Levels are best first, with price 0 where empty.
    """

    last: int
    traded: int
    bids: list[int]
    bid_quantities: list[int]
    asks: list[int]
    ask_quantities: list[int]


class BookFill(NamedTuple):
    """A fill of `quantity` units of an order at `price`, in price units."""

    order_id: str
    quantity: int
    price: int


class StopTriggered(NamedTuple):
    """A stop order that became live, with the price bound `limit` in units."""

    order_id: str
    limit: int


BookEvent = BookFill | StopTriggered


class WorkingOrder:
    """One of our working orders; the only mutable thing here, changed only by its `InstrumentBook`.

    `limit` is None until a protected market order meets a price. `trigger` is None for an order without a stop, and
    once the stop has triggered. `ahead` is the volume queued before us at our price, None while that price is beyond
    the displayed levels.
    """

    __slots__ = ("ahead", "limit", "order_id", "protection_pct", "remaining", "sequence", "side", "trigger")

    def __init__(
        self,
        *,
        order_id: str,
        side: Side,
        remaining: int,
        limit: int | None,
        trigger: int | None,
        protection_pct: Decimal | None,
        sequence: int,
    ) -> None:
        assert limit is not None or protection_pct is not None, f"{order_id} has neither a limit nor a protection"
        self.order_id = order_id
        self.side = side
        self.remaining = remaining
        self.limit = limit
        self.trigger = trigger
        self.protection_pct = protection_pct
        self.sequence = sequence
        self.ahead: int | None = None


def depth_row(columns: Mapping[str, Ints], index: int, *, traded: bool = True) -> DepthRow:
    """Return one row of snapshot columns. With `traded` False its traded volume is 0: that row was matched before."""
    return DepthRow(
        int(columns["last"][index]),
        int(columns["traded"][index]) if traded else 0,
        columns["bids"][index].tolist(),
        columns["bid_quantities"][index].tolist(),
        columns["asks"][index].tolist(),
        columns["ask_quantities"][index].tolist(),
    )


def protected_limit(instrument: Instrument, *, side: Side, reference: int, pct: Decimal) -> int:
    """Return the price bound of a protected market order in units: `pct` beyond `reference`, rounded inwards."""
    price = instrument.price_from_units(reference)
    bound = price * (1 + side.sign * pct / 100)
    inward = instrument.round_price(bound, up=side is Side.SELL)
    # On a coarse tick the inward rounding must not pass the reference itself.
    return instrument.price_to_units(max(inward, price) if side is Side.BUY else min(inward, price))


def trigger_is_hit(side: Side, *, trigger: int, last: int) -> bool:
    """Return whether the last price triggers a stop: at or above it for a buy, at or below it for a sell."""
    return last > 0 and (last >= trigger if side is Side.BUY else last <= trigger)


class InstrumentBook:
    """Our working orders in one instrument, and what they already took from the displayed depth.

    Only the first `known_levels` levels of a row are known; what is queued beyond them is unknown.
    """

    def __init__(
        self,
        instrument: Instrument,
        *,
        lower_circuit: int = 0,
        upper_circuit: int = 0,
        known_levels: int = DEPTH_LEVELS,
    ) -> None:
        self.instrument, self._known_levels = instrument, known_levels
        # Circuit limits in price units, 0 for none.
        self.lower_circuit, self.upper_circuit = lower_circuit, upper_circuit
        self.orders: dict[str, WorkingOrder] = {}
        self._shown: DepthRow | None = None
        self._taken: dict[tuple[Side, int], int] = {}  # (side of the taker, level price) -> quantity taken

    def enter_order(self, order: WorkingOrder, row: DepthRow) -> list[BookEvent]:
        """Add an order that reached the exchange, match it against the current row, and queue the rest."""
        self._show(row)
        self.orders[order.order_id] = order
        events: list[BookEvent] = []
        if self._is_live(order, row, events):
            self._take_depth(order, row, events)
            self._queue(order, row)
        self._drop_filled()
        return events

    def match_row(self, row: DepthRow) -> list[BookEvent]:
        """Match every order against a new row, in price-time priority, and return the events in order."""
        self._show(row)
        events: list[BookEvent] = []
        volume = row.traded
        for order in sorted(self.orders.values(), key=_priority):
            # An order that this row triggers or prices was not in the queue when the row's volume traded.
            was_resting = order.trigger is None and order.limit is not None
            if not self._is_live(order, row, events):
                continue
            self._take_depth(order, row, events)
            if was_resting:
                volume = self._share_volume(order, row, volume, events)
            self._queue(order, row)
        self._drop_filled()
        return events

    def remove_order(self, order_id: str) -> None:
        """Remove an order; an order that is not there is no error."""
        self.orders.pop(order_id, None)

    def _show(self, row: DepthRow) -> None:
        shown = self._shown
        # [2:] is the displayed depth, without the last price and the traded volume.
        if shown is None or shown[2:] != row[2:]:
            self._taken.clear()
            self._shown = row

    def _is_live(self, order: WorkingOrder, row: DepthRow, events: list[BookEvent]) -> bool:
        if order.trigger is not None:
            if not trigger_is_hit(order.side, trigger=order.trigger, last=row.last):
                return False
            order.trigger = None
            if order.limit is None:
                self._protect(order, row)
            events.append(StopTriggered(order.order_id, order.limit or 0))
        elif order.limit is None:
            self._protect(order, row)
        return order.limit is not None

    def _protect(self, order: WorkingOrder, row: DepthRow) -> None:
        assert order.protection_pct is not None, f"{order.order_id} has no protection"
        ours, theirs = (row.bids, row.asks) if order.side is Side.BUY else (row.asks, row.bids)
        reference = row.last or theirs[0] or ours[0]
        if not reference:
            return  # the instrument has no price yet, so the order waits for the first one
        limit = protected_limit(self.instrument, side=order.side, reference=reference, pct=order.protection_pct)
        if self.upper_circuit:
            limit = min(max(limit, self.lower_circuit), self.upper_circuit)
        order.limit = limit

    def _take_depth(self, order: WorkingOrder, row: DepthRow, events: list[BookEvent]) -> None:
        limit = order.limit
        assert limit is not None
        buys = order.side is Side.BUY
        levels = (
            zip(row.asks, row.ask_quantities, strict=True) if buys else zip(row.bids, row.bid_quantities, strict=True)
        )
        for price, displayed in levels:
            if not order.remaining or not price or (price > limit if buys else price < limit):
                return
            key = (order.side, price)
            taken = self._taken.get(key, 0)
            quantity = min(order.remaining, displayed - taken)
            if quantity > 0:
                self._taken[key] = taken + quantity
                order.remaining -= quantity
                events.append(BookFill(order.order_id, quantity, price))

    def _share_volume(self, order: WorkingOrder, row: DepthRow, volume: int, events: list[BookEvent]) -> int:
        limit, last = order.limit, row.last
        assert limit is not None
        if not order.remaining or volume <= 0 or not last:
            return volume
        buys = order.side is Side.BUY
        if last < limit if buys else last > limit:
            order.ahead = 0  # the market traded through our price, so the queue before us is gone
        elif last != limit or order.ahead is None:
            return volume
        quantity = min(order.remaining, max(volume - order.ahead, 0))
        order.ahead = max(order.ahead - volume, 0)
        if quantity:
            order.remaining -= quantity
            # Through our price the market traded at a better one, at our price at the limit itself.
            events.append(BookFill(order.order_id, quantity, min(limit, last) if buys else max(limit, last)))
        return volume - quantity

    def _queue(self, order: WorkingOrder, row: DepthRow) -> None:
        displayed = _displayed(order, row, self._known_levels)
        if displayed is not None:
            order.ahead = displayed if order.ahead is None else min(order.ahead, displayed)

    def _drop_filled(self) -> None:
        for order_id in [o.order_id for o in self.orders.values() if not o.remaining]:
            del self.orders[order_id]


def _priority(order: WorkingOrder) -> tuple[bool, int, int]:
    # Best price first, then the earlier order. Orders without a live price come last.
    if order.trigger is not None or order.limit is None:
        return (True, 0, order.sequence)
    return (False, -order.limit if order.side is Side.BUY else order.limit, order.sequence)


def _displayed(order: WorkingOrder, row: DepthRow, known_levels: int) -> int | None:
    # The quantity displayed at our price on our side; None where our price is beyond the last known level.
    limit = order.limit
    buys = order.side is Side.BUY
    prices, quantities = (row.bids, row.bid_quantities) if buys else (row.asks, row.ask_quantities)
    for price, quantity in zip(prices[:known_levels], quantities[:known_levels], strict=True):
        if price == limit:
            return quantity
        # A gap between displayed levels, or the end of the display before the last: nothing is queued at our price.
        if not price or (limit is not None and (limit > price if buys else limit < price)):
            return 0
    return None
