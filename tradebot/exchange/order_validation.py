"""Validates requests before an order is booked: what the broker refuses at once, by rules that are data."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradebot.domain.instrument import Instrument, InstrumentKind
from tradebot.domain.market import Ints
from tradebot.domain.order import ZERO, OrderKind, Side
from tradebot.domain.products import CARRIED, DELIVERY, INTRADAY
from tradebot.exchange.account import Account
from tradebot.exchange.client_order_book import ClientOrderBook
from tradebot.exchange.gtt_order import GttTicket
from tradebot.exchange.matching import trigger_is_hit
from tradebot.exchange.order_rules import OrderRules
from tradebot.exchange.refusals import ExchangeRefusal, RefusalCode
from tradebot.exchange.snapshot import PriceSource
from tradebot.exchange.ticket import (
    BookOrder,
    BookStatus,
    Conversion,
    Ticket,
    kind_has_price,
    kind_has_trigger,
    kind_needs_protection,
)

EQUITY_PRODUCTS = frozenset({DELIVERY, INTRADAY})
DERIVATIVE_PRODUCTS = frozenset({CARRIED, INTRADAY})


class OrderValidator:
    """Checks tickets against the instruments, the newest prices, the order book and the account."""

    def __init__(
        self, source: PriceSource, columns: dict[str, Ints], book: ClientOrderBook, account: Account, rules: OrderRules
    ) -> None:
        self._source, self._universe, self._columns = source, source.universe, columns
        self._book, self._account, self._rules = book, account, rules

    def check_instrument(self, ticket: Ticket | GttTicket) -> None:
        """Raise ExchangeRefusal if the instrument is unknown or cannot be traded."""
        if (
            ticket.symbol not in self._universe
            or self._universe.instrument_of(ticket.symbol).exchange != ticket.exchange
        ):
            raise ExchangeRefusal(RefusalCode.UNKNOWN_INSTRUMENT, symbol=ticket.symbol, exchange=ticket.exchange)
        if not self._universe.instrument_of(ticket.symbol).is_tradable:
            raise ExchangeRefusal(RefusalCode.NOT_TRADABLE, symbol=ticket.symbol)

    def check_ticket(self, ticket: Ticket, *, replaces: BookOrder | None = None) -> None:
        """Raise ExchangeRefusal for the first rule of form, price or holdings that a ticket breaks.

        The instrument must be known. `replaces` is the order that the ticket changes.
        """
        id_ = self._universe.id_of(ticket.symbol)
        instrument = self._universe[id_]
        priced = ticket
        if replaces is not None and replaces.triggered and kind_has_trigger(ticket.kind):
            # The stop has triggered, so only its limit or its protection is still checked.
            free = OrderKind.LIMIT if ticket.price is not None else OrderKind.MARKET
            priced = msgspec.structs.replace(ticket, kind=free)
        _check_form(ticket, instrument, self._rules)
        if self._rules.needs_protection and kind_needs_protection(priced.kind):
            _check_protection(priced.protection_pct)
        band = (
            instrument.price_from_units(self._source.lower_circuit[id_]),
            instrument.price_from_units(self._source.upper_circuit[id_]),
        )
        if kind_has_price(priced.kind):
            _check_price("price", priced.price, instrument, band)
        if kind_has_trigger(priced.kind):
            _check_price("trigger price", priced.trigger_price, instrument, band)
            _check_trigger(priced, instrument, last=instrument.price_from_units(self._columns["last"][id_]))
        if ticket.side is Side.SELL and ticket.product == DELIVERY:
            self._check_held(ticket, replaces)

    def check_modification(self, order: BookOrder, ticket: Ticket) -> None:
        """Raise ExchangeRefusal for one modification too many, or for a new total that is already filled."""
        if order.modifications >= (most := self._rules.changes_per_order):
            raise ExchangeRefusal(RefusalCode.TOO_MANY_CHANGES, most=most)
        if ticket.quantity <= order.filled:
            raise ExchangeRefusal(RefusalCode.BELOW_FILLED, filled=order.filled)

    def check_conversion(self, asked: Conversion) -> None:
        """Raise ExchangeRefusal if the products, the position or the funds do not allow the conversion."""
        is_listed = asked.symbol in self._universe
        kind = self._universe.instrument_of(asked.symbol).kind if is_listed else InstrumentKind.EQUITY
        allowed = allowed_products(kind)
        for product in (asked.was, asked.becomes):
            if product not in allowed:
                raise ExchangeRefusal(RefusalCode.NO_SUCH_PRODUCT, product=product, allowed=_either(allowed))
        if asked.was == asked.becomes:
            raise ExchangeRefusal(RefusalCode.SAME_PRODUCT)
        if not asked.quantity.is_finite() or asked.quantity <= 0:
            raise ExchangeRefusal(RefusalCode.BAD_QUANTITY)
        if asked.becomes == DELIVERY and asked.side is Side.SELL:
            raise ExchangeRefusal(RefusalCode.SHORT_DELIVERY)
        if asked.quantity > (most := self._account.convertible_quantity(asked)):
            raise ExchangeRefusal(RefusalCode.TOO_MUCH_CONVERTED, quantity=asked.quantity, most=most)
        if (required := self._account.conversion_margin(asked)) > self._account.available_funds:
            raise ExchangeRefusal(RefusalCode.NO_FUNDS, required=required, available=self._account.available_funds)

    def _check_held(self, ticket: Ticket, replaces: BookOrder | None) -> None:
        sellable = self._account.sellable_quantity(ticket.exchange, ticket.symbol) + (
            replaces.filled if replaces else ZERO
        )
        line = (ticket.exchange, ticket.symbol, ticket.product, ticket.side)
        for order in self._book.latest_versions():
            other = order.ticket
            is_same = (other.exchange, other.symbol, other.product, other.side) == line
            if is_same and not order.is_ended and (replaces is None or order.order_id != replaces.order_id):
                sellable -= order.pending
        if ticket.quantity > sellable:
            raise ExchangeRefusal(RefusalCode.NOT_HELD, quantity=ticket.quantity, held=max(sellable, ZERO))
        if not self._rules.debits_holdings:
            undelivered = max(sellable - self._account.delivered_quantity(ticket.exchange, ticket.symbol), ZERO)
            if ticket.quantity > undelivered:
                raise ExchangeRefusal(RefusalCode.NOT_AUTHORISED, quantity=ticket.quantity - undelivered)


def allowed_products(kind: InstrumentKind) -> frozenset[str]:
    """Return the products in which instruments of a kind are traded."""
    return EQUITY_PRODUCTS if kind in (InstrumentKind.EQUITY, InstrumentKind.SPOT) else DERIVATIVE_PRODUCTS


def check_changeable(order: BookOrder, *, verb: str, request: BookStatus | None) -> None:
    """Raise ExchangeRefusal if an order has ended, or if a pending request excludes this one.

    A pending cancel excludes every request. Any pending request excludes a change.
    """
    if order.is_ended:
        raise ExchangeRefusal(RefusalCode.ENDED, verb=verb, status=order.status)
    if request is BookStatus.CANCELLING or (request is not None and verb == "changed"):
        raise ExchangeRefusal(RefusalCode.BUSY, verb=verb)


def _check_form(ticket: Ticket, instrument: Instrument, rules: OrderRules) -> None:
    if ticket.variety != "regular":
        raise ExchangeRefusal(RefusalCode.UNKNOWN_VARIETY, variety=ticket.variety)
    allowed = allowed_products(instrument.kind)
    if ticket.product not in allowed:
        raise ExchangeRefusal(RefusalCode.BAD_PRODUCT, symbol=ticket.symbol, allowed=_either(allowed))
    takers = rules.stop_market
    if ticket.kind is OrderKind.STOP_MARKET and takers is not None and (ticket.exchange, instrument.kind) not in takers:
        facts = {"symbol": ticket.symbol, "exchange": ticket.exchange, "what": instrument.kind.value}
        raise ExchangeRefusal(RefusalCode.NO_STOP_MARKET, kind=ticket.kind, **facts)
    if not ticket.quantity.is_finite() or ticket.quantity <= 0:
        raise ExchangeRefusal(RefusalCode.BAD_QUANTITY)
    if not instrument.is_on_lot(ticket.quantity):
        raise ExchangeRefusal(RefusalCode.OFF_LOT, lot=instrument.lot_size)
    tag = ticket.tag
    if len(tag) > rules.tag_length or (tag and not (tag.isascii() and tag.isalnum())):
        raise ExchangeRefusal(RefusalCode.BAD_TAG, length=rules.tag_length)


def _check_protection(percent: Decimal | None) -> None:
    if not (percent and 0 < percent <= 100):
        raise ExchangeRefusal(RefusalCode.UNPROTECTED)


def _either(products: frozenset[str]) -> str:
    return " or ".join(sorted(products))


def _check_price(name: str, price: Decimal | None, instrument: Instrument, band: tuple[Decimal, Decimal]) -> None:
    lower, upper = band
    if price is None or not price.is_finite() or price <= 0:
        raise ExchangeRefusal(RefusalCode.BAD_PRICE, name=name)
    if not instrument.is_on_tick(price):
        raise ExchangeRefusal(RefusalCode.OFF_TICK, name=name, tick=instrument.tick_size)
    if upper and not lower <= price <= upper:
        code, limit = (RefusalCode.ABOVE_BAND, upper) if price > upper else (RefusalCode.BELOW_BAND, lower)
        raise ExchangeRefusal(code, name=name, limit=limit)


def _check_trigger(ticket: Ticket, instrument: Instrument, *, last: Decimal) -> None:
    trigger = ticket.trigger_price
    assert trigger is not None, f"{ticket} has no trigger price"
    buys = ticket.side is Side.BUY
    if ticket.kind is OrderKind.STOP_LIMIT:
        assert ticket.price is not None, f"{ticket} has no price"
        if trigger > ticket.price if buys else trigger < ticket.price:
            code = RefusalCode.TRIGGER_ABOVE_LIMIT if buys else RefusalCode.TRIGGER_BELOW_LIMIT
            raise ExchangeRefusal(code, side=ticket.side)
    if trigger_is_hit(ticket.side, trigger=instrument.price_to_units(trigger), last=instrument.price_to_units(last)):
        code = RefusalCode.TRIGGER_TOO_LOW if buys else RefusalCode.TRIGGER_TOO_HIGH
        raise ExchangeRefusal(code, side=ticket.side, last=last)
