"""The broker's counter: what is refused at once, before an order is booked, by rules that are data."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradebot.domain.instrument import Instrument, InstrumentKind
from tradebot.domain.market import Ints
from tradebot.domain.order import ZERO, OrderKind, Side
from tradebot.domain.products import CARRIED, DELIVERY, INTRADAY
from tradebot.exchange.account import Account
from tradebot.exchange.book import OrderBook
from tradebot.exchange.matching import trigger_is_hit
from tradebot.exchange.refusals import Refusal, RefusalCode
from tradebot.exchange.rules import Rules
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


class Counter:
    """Checks tickets against the instruments, the newest prices, the book and the account."""

    def __init__(
        self, source: PriceSource, state: dict[str, Ints], book: OrderBook, account: Account, rules: Rules
    ) -> None:
        self._source, self._universe, self._state = source, source.universe, state
        self._book, self._account, self._rules = book, account, rules

    def check_known(self, ticket: Ticket) -> None:
        """Raise Refusal for an instrument that is unknown or cannot be traded."""
        if ticket.symbol not in self._universe or self._universe.get(ticket.symbol).exchange != ticket.exchange:
            raise Refusal(RefusalCode.UNKNOWN_INSTRUMENT, symbol=ticket.symbol, exchange=ticket.exchange)
        if not self._universe.get(ticket.symbol).is_tradable:
            raise Refusal(RefusalCode.NOT_TRADABLE, symbol=ticket.symbol)

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
        _check_form(ticket, instrument, self._rules)
        if self._rules.needs_protection and kind_needs_protection(priced.kind):
            _check_protection(priced.protection_pct)
        band = (instrument.price(self._source.lower_circuit[id_]), instrument.price(self._source.upper_circuit[id_]))
        if kind_has_price(priced.kind):
            _check_price("price", priced.price, instrument, band)
        if kind_has_trigger(priced.kind):
            _check_price("trigger price", priced.trigger_price, instrument, band)
            _check_trigger(priced, instrument, last=instrument.price(self._state["last"][id_]))
        if ticket.side is Side.SELL and ticket.product == DELIVERY:
            self._check_held(ticket, replaces)

    def check_modification(self, order: BookOrder, ticket: Ticket) -> None:
        """Raise Refusal for one modification too many, or a new total that is already filled."""
        if order.modifications >= (most := self._rules.changes_per_order):
            raise Refusal(RefusalCode.TOO_MANY_CHANGES, most=most)
        if ticket.quantity <= order.filled:
            raise Refusal(RefusalCode.BELOW_FILLED, filled=order.filled)

    def check_conversion(self, asked: Conversion) -> None:
        """Raise Refusal for a conversion that the products, the position or the funds do not allow."""
        is_listed = asked.symbol in self._universe
        kind = self._universe.get(asked.symbol).kind if is_listed else InstrumentKind.EQUITY
        allowed = products_of(kind)
        for product in (asked.was, asked.becomes):
            if product not in allowed:
                raise Refusal(RefusalCode.NO_SUCH_PRODUCT, product=product, allowed=_either(allowed))
        if asked.was == asked.becomes:
            raise Refusal(RefusalCode.SAME_PRODUCT)
        if not asked.quantity.is_finite() or asked.quantity <= 0:
            raise Refusal(RefusalCode.BAD_QUANTITY)
        if asked.becomes == DELIVERY and asked.side is Side.SELL:
            raise Refusal(RefusalCode.SHORT_DELIVERY)
        if asked.quantity > (most := self._account.convertible(asked)):
            raise Refusal(RefusalCode.TOO_MUCH_CONVERTED, quantity=asked.quantity, most=most)
        if (required := self._account.cost_of(asked)) > self._account.net:
            raise Refusal(RefusalCode.NO_FUNDS, required=required, available=self._account.net)

    def _check_held(self, ticket: Ticket, replaces: BookOrder | None) -> None:
        sellable = self._account.sellable(ticket.exchange, ticket.symbol) + (replaces.filled if replaces else ZERO)
        line = (ticket.exchange, ticket.symbol, ticket.product, ticket.side)
        for order in self._book.orders():
            other = order.ticket
            is_same = (other.exchange, other.symbol, other.product, other.side) == line
            if is_same and not order.is_ended and (replaces is None or order.order_id != replaces.order_id):
                sellable -= order.pending
        if ticket.quantity > sellable:
            raise Refusal(RefusalCode.NOT_HELD, quantity=ticket.quantity, held=max(sellable, ZERO))


def products_of(kind: InstrumentKind) -> frozenset[str]:
    """Return the products in which an instrument of a kind is traded."""
    return EQUITY_PRODUCTS if kind in (InstrumentKind.EQUITY, InstrumentKind.SPOT) else DERIVATIVE_PRODUCTS


def check_session(now: int, *, opens_at: int, closes_at: int) -> None:
    """Raise Refusal outside the session [opens_at, closes_at)."""
    if not opens_at <= now < closes_at:
        raise Refusal(RefusalCode.CLOSED)


def check_changeable(order: BookOrder, *, verb: str, request: BookStatus | None) -> None:
    """Raise Refusal if an order has ended, or an earlier request that excludes this one is still on its way."""
    if order.is_ended:
        raise Refusal(RefusalCode.ENDED, verb=verb, status=order.status)
    if request is BookStatus.CANCELLING or (request is not None and verb == "changed"):
        raise Refusal(RefusalCode.BUSY, verb=verb)


def _check_form(ticket: Ticket, instrument: Instrument, rules: Rules) -> None:
    if ticket.variety != "regular":
        raise Refusal(RefusalCode.UNKNOWN_VARIETY, variety=ticket.variety)
    allowed = products_of(instrument.kind)
    if ticket.product not in allowed:
        raise Refusal(RefusalCode.BAD_PRODUCT, symbol=ticket.symbol, allowed=_either(allowed))
    if not ticket.quantity.is_finite() or ticket.quantity <= 0:
        raise Refusal(RefusalCode.BAD_QUANTITY)
    if not instrument.is_on_lot(ticket.quantity):
        raise Refusal(RefusalCode.OFF_LOT, lot=instrument.lot_size)
    tag = ticket.tag
    if len(tag) > rules.tag_length or (tag and not (tag.isascii() and tag.isalnum())):
        raise Refusal(RefusalCode.BAD_TAG, length=rules.tag_length)


def _check_protection(percent: Decimal | None) -> None:
    if not (percent and 0 < percent <= 100):
        raise Refusal(RefusalCode.UNPROTECTED)


def _either(products: frozenset[str]) -> str:
    return " or ".join(sorted(products))


def _check_price(name: str, price: Decimal | None, instrument: Instrument, band: tuple[Decimal, Decimal]) -> None:
    lower, upper = band
    if price is None or not price.is_finite() or price <= 0:
        raise Refusal(RefusalCode.BAD_PRICE, name=name)
    if not instrument.is_on_tick(price):
        raise Refusal(RefusalCode.OFF_TICK, name=name, tick=instrument.tick_size)
    if upper and not lower <= price <= upper:
        code, limit = (RefusalCode.ABOVE_BAND, upper) if price > upper else (RefusalCode.BELOW_BAND, lower)
        raise Refusal(code, name=name, limit=limit)


def _check_trigger(ticket: Ticket, instrument: Instrument, *, last: Decimal) -> None:
    trigger = ticket.trigger_price
    assert trigger is not None, f"{ticket} has no trigger price"
    buys = ticket.side is Side.BUY
    if ticket.kind is OrderKind.STOP_LIMIT:
        assert ticket.price is not None, f"{ticket} has no price"
        if trigger > ticket.price if buys else trigger < ticket.price:
            code = RefusalCode.TRIGGER_ABOVE_LIMIT if buys else RefusalCode.TRIGGER_BELOW_LIMIT
            raise Refusal(code, side=ticket.side)
    if trigger_is_hit(ticket.side, trigger=instrument.units(trigger), last=instrument.units(last)):
        code = RefusalCode.TRIGGER_TOO_LOW if buys else RefusalCode.TRIGGER_TOO_HIGH
        raise Refusal(code, side=ticket.side, last=last)
