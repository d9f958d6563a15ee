"""Controls of the order itself: what may be traded, whether the order is well formed, how large, at what price."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal

from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.instrument import Instrument, InstrumentKind
from tradebot.domain.order import OrderKind, OrderRequest, Side
from tests.oracle.vendor.trading.desk.gate.gate import OrderContext, PlainControl, is_within

PERCENT = Decimal(100)
MARKET, SELL = OrderKind.MARKET, Side.SELL
EQUITY = InstrumentKind.EQUITY
MARKET_KINDS = (OrderKind.MARKET, OrderKind.STOP_MARKET)
LIMIT_KINDS = (OrderKind.LIMIT, OrderKind.STOP_LIMIT)
STOP_KINDS = (OrderKind.STOP_LIMIT, OrderKind.STOP_MARKET)


class PermittedProduct(PlainControl):
    """Allows only tradable instruments; for entries only the listed products, and short sales only where configured."""

    name = "permitted"

    def __init__(self, *, products: Collection[str], allow_short: bool) -> None:
        self._products, self._allow_short = frozenset(products), allow_short

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an order in an index, an entry with a product that is not permitted, or one that would sell short.

        The worst-case position in shares decides about a short sale. Returns the reason, else None.
        """
        if not context.instrument.is_tradable:
            return f"{request.symbol} is an index and cannot be traded"
        if request.product not in self._products and not request.purpose.is_exit:  # a position may always be closed
            return f"product {request.product} is not in risk.permitted_products"
        if self._allow_short or request.side is not SELL or request.purpose.is_exit or not request.quantity.is_finite():
            # An exit is not judged here, because ReduceOnly limits it to the position. `shortest` also counts an exit
            # that is presumed absent, so for ten minutes no other exit could pass. A quantity that is not a number is
            # denied by OrderSanity.
            return None
        if context.shortest - request.quantity < 0:
            return f"selling {request.quantity} would go short and risk.allow_short is off"
        return None


class OrderSanity(PlainControl):
    """Requires finite, positive numbers on tick and lot, and exactly the prices that the order's kind needs."""

    name = "sanity"

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an order whose quantity is not a positive multiple of the lot, or whose prices do not fit its kind.

        Prices must be positive multiples of the tick size. Returns the reason, else None.
        """
        quantity, instrument = request.quantity, context.instrument
        if quantity == 0:
            return f"the size is 0: risk.order_notional does not pay one lot of {instrument.lot_size}"
        if not (quantity.is_finite() and quantity > 0 and instrument.is_on_lot(quantity)):
            return f"quantity {quantity} is not a positive multiple of lot {instrument.lot_size}"
        if request.kind is MARKET and request.price is None and request.trigger_price is None:
            return None
        return _bad_level("price", request.price, LIMIT_KINDS, request.kind, instrument) or _bad_level(
            "trigger price", request.trigger_price, STOP_KINDS, request.kind, instrument
        )


class MaxOrderSize(PlainControl):
    """Limits quantity and notional of an entry; an exit may be as large as what it closes."""

    name = "size"
    checks_exits = False

    def __init__(self, *, max_quantity: Decimal, max_notional: Decimal) -> None:
        self._max_quantity, self._max_notional = max_quantity, max_notional

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an entry above `max_quantity` shares or `max_notional` in the account's currency.

        The notional is at the order's price, else at the reference price. Returns the reason, else None.
        """
        if request.purpose.is_exit:
            return None
        if not is_within(request.quantity, self._max_quantity):
            return f"quantity {request.quantity} is above max_order_quantity {self._max_quantity}"
        price = request.price or context.reference
        if price is None:
            return "there is no price to value it with"
        if not is_within(price * request.quantity, self._max_notional):
            return f"notional {price * request.quantity} is above max_order_notional {self._max_notional}"
        return None


class FreezeQuantity(PlainControl):
    """Limits an order to the exchange's freeze quantity; a larger exit is sent in parts, see `OrderRequests`.

    `shares` is the quantity for every share of the home exchange, `others` maps symbols that the operator names to
    theirs. For the rest no freeze quantity is known here.
    """

    name = "freeze"

    def __init__(self, *, shares: Decimal, others: Mapping[str, Decimal]) -> None:
        self._shares, self._others = shares, dict(others)
        self.smallest_limit = min((shares, *self._others.values()))  # an order up to this needs no look-up

    def max_quantity(self, instrument: Instrument) -> Decimal | None:
        """Return the largest quantity of one order in an instrument, in shares or contracts; None where unknown."""
        given = self._others.get(instrument.symbol)
        if given is None and instrument.exchange == HOME_EXCHANGE and instrument.kind is EQUITY:
            return self._shares
        return given

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an order above the freeze quantity of its instrument, in shares or contracts; return why, else None."""
        most = self.max_quantity(context.instrument)
        if most is None or is_within(request.quantity, most):
            return None
        return f"quantity {request.quantity} is above the {most} that {request.exchange} takes as one order"


class PriceCollar(PlainControl):
    """Limits how far a price may be worse than the reference price; requires protection for a market order."""

    name = "collar"

    def __init__(self, *, collar_pct: Decimal) -> None:
        self._collar_pct = collar_pct

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an order whose price is worse than the reference by more than the collar; return why, else None.

        The collar is `collar_pct` percent for an entry and twice that for an exit. For a market order its protection
        percentage is judged, and must be above 0. Without a reference price every order is denied.
        """
        if context.reference is None:
            return "there is no reference price"
        if request.kind in MARKET_KINDS:
            away = request.protection_pct
            if away is None or not (away.is_finite() and away > 0):
                return "a market order needs market protection above zero"
        else:
            price = request.price
            if price is None:
                return "there is no price"
            away = (price - context.reference) / context.reference * PERCENT * request.side.sign
        limit = self._collar_pct if not request.purpose.is_exit else self._collar_pct * 2
        if not is_within(away, limit):
            return f"{away:.2f}% beyond the reference {context.reference} is above the collar of {limit}%"
        return None


def _bad_level(
    label: str, price: Decimal | None, kinds: Collection[OrderKind], kind: OrderKind, instrument: Instrument
) -> str | None:
    if (price is not None) != (kind in kinds):
        return f"a {kind} order {'needs a' if kind in kinds else 'takes no'} {label}"
    if price is not None and not (price.is_finite() and price > 0 and instrument.is_on_tick(price)):
        return f"{label} {price} is not a positive multiple of tick {instrument.tick_size}"
    return None
