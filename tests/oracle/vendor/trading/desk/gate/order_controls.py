"""Controls over the order itself: what may be traded, whether it makes sense, how large, at what price."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal

from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.instrument import Instrument, InstrumentKind
from tradebot.domain.order import OrderKind, OrderRequest, Side
from tests.oracle.vendor.trading.desk.gate.gate import PlainControl, View, within

PERCENT = Decimal(100)
MARKET, SELL = OrderKind.MARKET, Side.SELL
EQUITY = InstrumentKind.EQUITY
UNPRICED = (OrderKind.MARKET, OrderKind.STOP_MARKET)
PRICED = (OrderKind.LIMIT, OrderKind.STOP_LIMIT)
TRIGGERED = (OrderKind.STOP_LIMIT, OrderKind.STOP_MARKET)


class Permitted(PlainControl):
    """Only tradable instruments, and of entries only listed products and no short sale unless allowed."""

    name = "permitted"

    def __init__(self, *, products: Collection[str], allow_short: bool) -> None:
        self._products, self._allow_short = frozenset(products), allow_short

    def check(self, request: OrderRequest, view: View) -> str | None:
        if not view.instrument.is_tradable:
            return f"{request.symbol} is an index and cannot be traded"
        if request.product not in self._products and not request.purpose.is_exit:  # what is open may always be closed
            return f"product {request.product} is not in risk.permitted_products"
        if self._allow_short or request.side is not SELL or request.purpose.is_exit or not request.quantity.is_finite():
            # An exit is no larger than what is open, which is ReduceOnly's to see to; were one counted here whose
            # absence is presumed, nothing could be closed for ten minutes. What is no number is Sanity's to name.
            return None
        if view.shortest - request.quantity < 0:
            return f"selling {request.quantity} would go short and risk.allow_short is off"
        return None


class Sanity(PlainControl):
    """Finite, positive, on the tick and on the lot; the fields that its kind needs and no others."""

    name = "sanity"

    def check(self, request: OrderRequest, view: View) -> str | None:
        quantity, instrument = request.quantity, view.instrument
        if quantity == 0:
            return f"the size is 0: risk.order_notional does not pay one lot of {instrument.lot_size}"
        if not (quantity.is_finite() and quantity > 0 and instrument.is_on_lot(quantity)):
            return f"quantity {quantity} is not a positive multiple of lot {instrument.lot_size}"
        if request.kind is MARKET and request.price is None and request.trigger_price is None:
            return None
        return _bad_level("price", request.price, PRICED, request.kind, instrument) or _bad_level(
            "trigger price", request.trigger_price, TRIGGERED, request.kind, instrument
        )


class Size(PlainControl):
    """Quantity and notional of an entry; an exit may be as large as what it closes."""

    name = "size"
    of_exits = False

    def __init__(self, *, max_quantity: Decimal, max_notional: Decimal) -> None:
        self._max_quantity, self._max_notional = max_quantity, max_notional

    def check(self, request: OrderRequest, view: View) -> str | None:
        if request.purpose.is_exit:
            return None
        if not within(request.quantity, self._max_quantity):
            return f"quantity {request.quantity} is above max_order_quantity {self._max_quantity}"
        price = request.price or view.reference
        if price is None:
            return "there is no price to value it with"
        if not within(price * request.quantity, self._max_notional):
            return f"notional {price * request.quantity} is above max_order_notional {self._max_notional}"
        return None


class Freeze(PlainControl):
    """No order may be larger than what an exchange takes as one; an exit of more goes in parts, see `OrderRequests`.

    `shares` holds for every share at home, `others` (symbol -> quantity) for what the operator names; of the rest no
    quantity is known here.
    """

    name = "freeze"

    def __init__(self, *, shares: Decimal, others: Mapping[str, Decimal]) -> None:
        self._shares, self._others = shares, dict(others)
        self.least = min((shares, *self._others.values()))  # below it no instrument has to be looked at

    def most(self, instrument: Instrument) -> Decimal | None:
        """Return the largest quantity of one order in an instrument, None where it is not known."""
        given = self._others.get(instrument.symbol)
        if given is None and instrument.exchange == HOME_EXCHANGE and instrument.kind is EQUITY:
            return self._shares
        return given

    def check(self, request: OrderRequest, view: View) -> str | None:
        most = self.most(view.instrument)
        if most is None or within(request.quantity, most):
            return None
        return f"quantity {request.quantity} is above the {most} that {request.exchange} takes as one order"


class Collar(PlainControl):
    """A price may not be worse than the reference by more than the collar; a market order needs its protection."""

    name = "collar"

    def __init__(self, *, collar_pct: Decimal) -> None:
        self._collar = collar_pct

    def check(self, request: OrderRequest, view: View) -> str | None:
        if view.reference is None:
            return "there is no reference price"
        if request.kind in UNPRICED:
            away = request.protection_pct
            if away is None or not (away.is_finite() and away > 0):
                return "a market order needs market protection above zero"
        else:
            price = request.price
            if price is None:
                return "there is no price"
            away = (price - view.reference) / view.reference * PERCENT * request.side.sign
        limit = self._collar if not request.purpose.is_exit else self._collar * 2
        if not within(away, limit):
            return f"{away:.2f}% beyond the reference {view.reference} is above the collar of {limit}%"
        return None


def _bad_level(
    label: str, price: Decimal | None, kinds: Collection[OrderKind], kind: OrderKind, instrument: Instrument
) -> str | None:
    if (price is not None) != (kind in kinds):
        return f"a {kind} order {'needs a' if kind in kinds else 'takes no'} {label}"
    if price is not None and not (price.is_finite() and price > 0 and instrument.is_on_tick(price)):
        return f"{label} {price} is not a positive multiple of tick {instrument.tick_size}"
    return None
