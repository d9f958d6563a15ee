"""The broker's counter: what is refused at once, before an order is booked; wording and kinds follow Kite's."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradebot.domain.instrument import Instrument, InstrumentKind
from tradebot.domain.market import Ints
from tradebot.domain.order import ZERO, OrderKind, Side
from tradebot.exchange.account import Account
from tradebot.exchange.book import OrderBook
from tradebot.exchange.margin import DELIVERY
from tradebot.exchange.matching import trigger_is_hit
from tradebot.exchange.snapshot import PriceSource
from tradebot.exchange.ticket import (
    BookOrder,
    BookStatus,
    Conversion,
    Refusal,
    Ticket,
    kind_has_price,
    kind_has_trigger,
    kind_needs_protection,
)

TAG_LENGTH = 20
MODIFICATIONS = 25
NEEDS_PROTECTION = (
    "Market orders without market protection are not allowed via API. "
    "Please set market protection or use a Limit order."
)
CLOSED = "Markets are closed right now. Use an after market order (AMO) to place this order."
EQUITY_PRODUCTS = frozenset({"CNC", "MIS"})
DERIVATIVE_PRODUCTS = frozenset({"NRML", "MIS"})


class Counter:
    """Checks tickets against the instruments, the newest prices, the book and the account."""

    def __init__(self, source: PriceSource, state: dict[str, Ints], book: OrderBook, account: Account) -> None:
        self._source, self._universe, self._state = source, source.universe, state
        self._book, self._account = book, account

    def check_known(self, ticket: Ticket) -> None:
        """Raise Refusal for an instrument that is unknown or cannot be traded."""
        if ticket.symbol not in self._universe or self._universe.get(ticket.symbol).exchange != ticket.exchange:
            raise Refusal("input", "The instrument you are placing an order for has either expired or does not exist.")
        if not self._universe.get(ticket.symbol).is_tradable:
            raise Refusal("input", f"Trading in {ticket.symbol} is not allowed: it is an index.")

    def check(self, ticket: Ticket, *, replaces: BookOrder | None = None) -> None:
        """Raise Refusal for the first rule of form, price or holdings that the ticket of a known instrument breaks;
        `replaces` is the order it changes."""
        id_ = self._universe.id(ticket.symbol)
        instrument = self._universe[id_]
        priced = ticket
        if replaces is not None and replaces.triggered and kind_has_trigger(ticket.kind):
            # The trigger has done its work: only the limit, or the protection, that it set free is still checked.
            free = OrderKind.LIMIT if ticket.price is not None else OrderKind.MARKET
            priced = msgspec.structs.replace(ticket, kind=free)
        _check_form(ticket, instrument)
        if kind_needs_protection(priced.kind) and not (priced.protection_pct and 0 < priced.protection_pct <= 100):
            raise Refusal("input", NEEDS_PROTECTION)
        band = (instrument.price(self._source.lower_circuit[id_]), instrument.price(self._source.upper_circuit[id_]))
        if kind_has_price(priced.kind):
            _check_price("price", priced.price, instrument, band)
        if kind_has_trigger(priced.kind):
            _check_price("trigger price", priced.trigger_price, instrument, band)
            _check_trigger(priced, instrument, last=instrument.price(self._state["last"][id_]))
        if ticket.side is Side.SELL and ticket.product == DELIVERY:
            self._check_held(ticket, replaces)

    def check_conversion(self, asked: Conversion) -> None:
        """Raise Refusal for a conversion that the products, the position or the funds do not allow."""
        is_listed = asked.symbol in self._universe
        kind = self._universe.get(asked.symbol).kind if is_listed else InstrumentKind.EQUITY
        allowed = products_of(kind)
        for product in (asked.was, asked.becomes):
            if product not in allowed:
                raise Refusal("input", f"Invalid product {product!r}: use {' or '.join(sorted(allowed))}.")
        if asked.was == asked.becomes:
            raise Refusal("input", "The new product is the old one.")
        if not asked.quantity.is_finite() or asked.quantity <= 0:
            raise Refusal("input", "Invalid `quantity`: it should be above zero.")
        if asked.becomes == DELIVERY and asked.side is Side.SELL:
            raise Refusal("input", "A short position cannot be converted to CNC.")
        if asked.quantity > (most := self._account.convertible(asked)):
            raise Refusal("input", f"{asked.quantity} exceeds the {most} of the position that can be converted.")
        if (required := self._account.cost_of(asked)) > self._account.net:
            has = f"available margin is {self._account.net:.2f}"
            raise Refusal("margin", f"Insufficient funds. Required margin is {required:.2f} but {has}.")

    def _check_held(self, ticket: Ticket, replaces: BookOrder | None) -> None:
        sellable = self._account.sellable(ticket.exchange, ticket.symbol) + (replaces.filled if replaces else ZERO)
        line = (ticket.exchange, ticket.symbol, ticket.product, ticket.side)
        for order in self._book.orders():
            other = order.ticket
            is_same = (other.exchange, other.symbol, other.product, other.side) == line
            if is_same and not order.is_ended and (replaces is None or order.order_id != replaces.order_id):
                sellable -= order.pending
        if ticket.quantity > sellable:
            raise Refusal(
                "holding", f"Insufficient stock holding. {ticket.quantity} quantity exceeds {max(sellable, ZERO)}."
            )


def products_of(kind: InstrumentKind) -> frozenset[str]:
    """Return the products in which an instrument of a kind is traded."""
    return EQUITY_PRODUCTS if kind in (InstrumentKind.EQUITY, InstrumentKind.SPOT) else DERIVATIVE_PRODUCTS


def check_session(now: int, *, opens_at: int, closes_at: int) -> None:
    """Raise Refusal outside the session [opens_at, closes_at)."""
    if not opens_at <= now < closes_at:
        raise Refusal("order", CLOSED)


def check_changeable(order: BookOrder, *, verb: str, request: BookStatus | None) -> None:
    """Raise Refusal if an order has ended, or an earlier request that excludes this one is still on its way."""
    if order.is_ended:
        raise Refusal("order", f"Order cannot be {verb} as it is already {order.status.lower()}.")
    if request is BookStatus.CANCELLING or (request is not None and verb == "modified"):
        raise Refusal("order", f"Order cannot be {verb} as it is being processed. Try later.")


def check_modification(order: BookOrder, ticket: Ticket) -> None:
    """Raise Refusal for one modification too many, or a new total that is already filled."""
    if order.modifications >= MODIFICATIONS:
        raise Refusal("order", "Maximum allowed order modifications exceeded.")
    if ticket.quantity <= order.filled:
        raise Refusal("input", f"Quantity should be above the {order.filled} already filled.")


def _check_form(ticket: Ticket, instrument: Instrument) -> None:
    if ticket.variety != "regular":
        raise Refusal("input", "Invalid `variety`: this exchange takes regular orders.")
    allowed = products_of(instrument.kind)
    if ticket.product not in allowed:
        raise Refusal("input", f"Invalid `product` for {ticket.symbol}: use {' or '.join(sorted(allowed))}.")
    if not ticket.quantity.is_finite() or ticket.quantity <= 0:
        raise Refusal("input", "Invalid `quantity`: it should be above zero.")
    if not instrument.is_on_lot(ticket.quantity):
        raise Refusal("input", f"Invalid `quantity`: it should be in multiples of {instrument.lot_size}.")
    tag = ticket.tag
    if len(tag) > TAG_LENGTH or (tag and not (tag.isascii() and tag.isalnum())):
        raise Refusal("input", f"Invalid `tag`: it should be alphanumeric, at most {TAG_LENGTH} characters.")


def _check_price(name: str, price: Decimal | None, instrument: Instrument, band: tuple[Decimal, Decimal]) -> None:
    lower, upper = band
    if price is None or not price.is_finite() or price <= 0:
        raise Refusal("input", f"Invalid `{name.replace(' ', '_')}`: it should be above zero.")
    if not instrument.is_on_tick(price):
        raise Refusal(
            "input",
            f"Tick size for this script is {instrument.tick_size}. "
            f"Kindly enter {name} in the multiple of tick size for this script.",
        )
    if upper and not lower <= price <= upper:
        side = "higher than the current upper" if price > upper else "lower than the current lower"
        limit = upper if price > upper else lower
        raise Refusal(
            "order", f"Your order {name} is {side} circuit limit of {limit}. Place it within the daily range."
        )


def _check_trigger(ticket: Ticket, instrument: Instrument, *, last: Decimal) -> None:
    trigger = ticket.trigger_price
    assert trigger is not None, f"{ticket} has no trigger price"
    buys = ticket.side is Side.BUY
    if ticket.kind is OrderKind.STOP_LIMIT:
        assert ticket.price is not None, f"{ticket} has no price"
        if trigger > ticket.price if buys else trigger < ticket.price:
            word = "above" if buys else "below"
            raise Refusal("input", f"Trigger price for stoploss {ticket.side} orders cannot be {word} the limit price.")
    if trigger_is_hit(ticket.side, trigger=instrument.units(trigger), last=instrument.units(last)):
        word = "higher" if buys else "lower"
        raise Refusal(
            "input",
            f"Trigger price for stoploss {ticket.side} orders should be {word} than the last traded price ({last}).",
        )
