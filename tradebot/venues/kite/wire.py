"""Kite's text formats in both directions: JSON becomes domain messages, requests become form fields. Pure.

Binary ticker frames are in `packets.py`, tables in `tables.py`, GTT orders in `gtt.py`, HTTP outcomes in
`responses.py`, the checks of fields in `fields.py`. Prices keep every digit of the wire (Decimal). A time is
`yyyy-mm-dd hh:mm:ss` in IST.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from tradebot.domain.message import Message
from tradebot.domain.order import (
    Fill,
    OrderKind,
    OrderRequest,
    Refusal,
    Side,
    VenueHolding,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from tradebot.domain.venue_reports import AccountProfile
from tradebot.domain.venue_rows import VenueRows
from tradebot.venues.kite.fields import (
    MAX_MAGNITUDE,
    WireError,
    choice_of,
    clean_text,
    decode_json,
    describe_value,
    field_of,
    number_of,
    read_rows,
    record_of,
    tag_of,
    text_of,
    time_of,
)
from tradebot.venues.kite.packets import FrameCounts, TokenTable, parse_frame
from tradebot.venues.kite.tables import parse_candles, parse_instruments, parse_quotes, parse_underlyings, quote_key

# All parse and render functions of the wire can be imported from here.
__all__ = [
    "FrameCounts",
    "KiteNotice",
    "TokenTable",
    "WireError",
    "decode_json",
    "parse_candles",
    "parse_frame",
    "parse_holdings",
    "parse_instruments",
    "parse_margins",
    "parse_order",
    "parse_orders",
    "parse_positions",
    "parse_profile",
    "parse_quotes",
    "parse_text",
    "parse_trade",
    "parse_trades",
    "parse_underlyings",
    "quote_key",
    "refusal_of",
    "render_change",
    "render_mode",
    "render_order",
    "render_price",
    "render_quantity",
    "render_subscribe",
]
NO_FUNDS_TEXT = re.compile(r"insufficient funds|margin exceed|required margin|RMS:\s*Margin", re.IGNORECASE)
TAG_PATTERN = re.compile(r"[0-9A-Za-z]{1,20}")
STOP_KINDS = (OrderKind.STOP_LIMIT, OrderKind.STOP_MARKET)
# A change or a cancel is on its way. An order has these statuses before its trigger as well as after it.
BETWEEN_STATUSES = frozenset({"MODIFY VALIDATION PENDING", "MODIFY PENDING", "MODIFIED", "CANCEL PENDING"})
# Kite may add a status. An unknown one counts as ACKED and is named in `VenueOrder.reason`.
VENUE_STATUSES = {
    "PUT ORDER REQ RECEIVED": VenueOrderStatus.ACKED,
    "VALIDATION PENDING": VenueOrderStatus.ACKED,
    "OPEN PENDING": VenueOrderStatus.ACKED,
    "AMO REQ RECEIVED": VenueOrderStatus.ACKED,
    "UPDATE": VenueOrderStatus.ACKED,
    "OPEN": VenueOrderStatus.OPEN,
    **dict.fromkeys(BETWEEN_STATUSES, VenueOrderStatus.OPEN),
    "TRIGGER PENDING": VenueOrderStatus.PENDING_TRIGGER,
    "COMPLETE": VenueOrderStatus.FILLED,
    "CANCELLED": VenueOrderStatus.CANCELED,
    "CANCELLED AMO": VenueOrderStatus.CANCELED,
    "REJECTED": VenueOrderStatus.REJECTED,
}


class KiteNotice(Message, frozen=True):
    """A text frame that is not an order: `kind` is `error`, `message` or any other type that Kite sends."""

    kind: str
    text: str


def parse_text(data: str | bytes) -> VenueOrder | KiteNotice:
    """Return the order or the notice in a text frame of the ticker. Raises WireError.

    `{"type":"order","data":{"order_id":"220303000308932","status":"COMPLETE", ...}}`,
    `{"type":"error","data":"Number of subscribed tokens exceeds the limit"}`
    """
    frame = record_of(decode_json(data), "text frame")
    kind = text_of(frame, "type")
    if kind == "order":
        return parse_order(field_of(frame, "data"))
    content = frame.get("data")
    return KiteNotice(
        kind=clean_text(kind), text=clean_text(content if isinstance(content, str) else describe_value(content))
    )


def parse_order(value: object) -> VenueOrder:
    """Return one order from a record of the stream or of GET /orders. Raises WireError.

    A stop (SL, SL-M) is OPEN once it has triggered: its status is then OPEN, or a quantity is filled. While a change or
    a cancel of it is on its way, it counts as PENDING_TRIGGER: these statuses do not say whether it has triggered. Kite
    may show a triggered SL-M as the limit order that its market protection makes of it.
    `{"order_id":"300000000000000","status":"COMPLETE","exchange":"NSE","tradingsymbol":"IOC","order_type":"LIMIT",
    "transaction_type":"BUY","product":"CNC","quantity":1,"price":109.4,"trigger_price":0,"average_price":109.4,
    "filled_quantity":1,"tag":null,"order_timestamp":"2021-05-31 15:20:28",
    "exchange_update_timestamp":"2021-05-31 15:20:28","exchange_timestamp":"2021-05-31 15:20:28", ...}`
    """
    row = record_of(value, "order")
    name = text_of(row, "status")
    kind, filled = choice_of(row, "order_type", OrderKind), number_of(row, "filled_quantity")
    status = VENUE_STATUSES.get(name)
    if kind in STOP_KINDS and name in BETWEEN_STATUSES and not filled:
        status = VenueOrderStatus.PENDING_TRIGGER
    reason = clean_text(row.get("status_message") or "") if status else f"status {clean_text(name)!r} is not known"
    times = (time_of(row, key) for key in ("exchange_update_timestamp", "exchange_timestamp", "order_timestamp"))
    return VenueOrder(
        venue_order_id=text_of(row, "order_id"),
        tag=tag_of(row),
        symbol=text_of(row, "tradingsymbol"),
        exchange=text_of(row, "exchange"),
        side=choice_of(row, "transaction_type", Side),
        kind=kind,
        status=status or VenueOrderStatus.ACKED,
        quantity=number_of(row, "quantity"),
        filled=filled,
        price=number_of(row, "price", optional=True) or None,
        trigger_price=number_of(row, "trigger_price", optional=True) or None,
        average_price=(number_of(row, "average_price", optional=True) or None) if filled else None,
        product=text_of(row, "product"),
        reason=reason,
        changed_at=max(times),
        refusal=refusal_of(reason) if status is VenueOrderStatus.REJECTED else None,
    )


def refusal_of(reason: str) -> Refusal:
    """Return the kind of refusal of an order that was rejected after it was accepted: only the text shows it.

    "Insufficient funds. Required margin is 95417.84 but available margin is 74251.80.", "RMS:Margin Exceeds,..."
    """
    return Refusal.FUNDS if NO_FUNDS_TEXT.search(reason) else Refusal.ORDER


def parse_orders(data: object) -> VenueRows[VenueOrder]:
    """Return the orders of GET /orders; a malformed row is `unread`. Raises WireError unless `data` is a list."""
    return read_rows(data, "orders", parse_order)


def parse_trade(value: object) -> Fill:
    """Return one fill from a record of GET /trades. Raises WireError.

    `{"trade_id":"10000000","order_id":"200000000000000","exchange":"NSE","tradingsymbol":"SBIN","product":"CNC",
    "average_price":420.65,"quantity":1,"transaction_type":"BUY","fill_timestamp":"2021-05-31 09:16:39",
    "order_timestamp":"09:16:39","exchange_timestamp":"2021-05-31 09:16:39", ...}`
    """
    row = record_of(value, "trade")
    quantity, price = number_of(row, "quantity"), number_of(row, "average_price")
    if quantity <= 0 or price <= 0:
        raise WireError(f"trade: quantity {quantity} and average_price {price} must be positive")
    return Fill(
        execution_id=text_of(row, "trade_id"),
        venue_order_id=text_of(row, "order_id"),
        symbol=text_of(row, "tradingsymbol"),
        exchange=text_of(row, "exchange"),
        side=choice_of(row, "transaction_type", Side),
        quantity=quantity,
        price=price,
        traded_at=time_of(row, "fill_timestamp") or time_of(row, "exchange_timestamp"),
        product=text_of(row, "product"),
    )


def parse_trades(data: object) -> VenueRows[Fill]:
    """Return the fills of GET /trades, oldest first; a malformed row is `unread`.

    Raises WireError unless `data` is a list.
    """
    trades = read_rows(data, "trades", parse_trade)
    trades.sort(key=lambda trade: (trade.traded_at, trade.exchange, trade.execution_id))
    return trades


def parse_positions(data: object) -> VenueRows[VenuePosition]:
    """Return the `net` positions of GET /portfolio/positions, flat ones included; a malformed row is `unread`.

    Raises WireError unless `net` is a list. `{"net":[{"tradingsymbol":"LEADMINI17DECFUT","exchange":"MCX",
    "product":"NRML","quantity":1,"average_price":161.05, ...}],"day":[...]}`
    """
    rows = field_of(record_of(data, "positions"), "net")
    return read_rows(rows, "positions", _position, key_of=lambda row: row.netting_key)


def _position(value: object) -> VenuePosition:
    row = record_of(value, "position")
    quantity = number_of(row, "quantity")
    return VenuePosition(
        symbol=text_of(row, "tradingsymbol"),
        exchange=text_of(row, "exchange"),
        product=text_of(row, "product"),
        quantity=quantity,
        average_price=number_of(row, "average_price", optional=not quantity),  # a flat position has none
    )


def parse_holdings(data: object) -> VenueRows[VenueHolding]:
    """Return the shares of GET /portfolio/holdings, delivered and T1 added up; a malformed row is `unread`.

    Shares that were sold today are in the positions and stay in the holdings until settlement. Raises WireError
    unless `data` is a list. `[{"exchange":"NSE","tradingsymbol":"BHEL","instrument_token":112129,"t1_quantity":0,
    "quantity":40,"average_price":38.95, ...}]`
    """
    return read_rows(data, "holdings", _holding, key_of=lambda row: (row.exchange, row.symbol))


def _holding(value: object) -> VenueHolding:
    row = record_of(value, "holding")
    return VenueHolding(
        symbol=text_of(row, "tradingsymbol"),
        exchange=text_of(row, "exchange"),
        quantity=number_of(row, "quantity") + number_of(row, "t1_quantity", optional=True),
        average_price=number_of(row, "average_price", optional=True),
    )


def parse_margins(data: object, segment: str = "equity") -> Decimal:
    """Return the buying power of a segment in rupees, the `net` of GET /user/margins. Raises WireError.

    `{"equity":{"enabled":true,"net":99725.05000000002,"available":{"cash":245431.6, ...},"utilised":{...}}, ...}`
    """
    return number_of(record_of(field_of(record_of(data, "margins"), segment), segment), "net")


def parse_profile(data: object) -> AccountProfile:
    """Return the profile in GET /user/profile; a list that cannot be read counts as not given. Raises WireError.

    `{"user_id":"AB1234","exchanges":["NSE", ...],"products":["CNC", ...],"meta":{"demat_consent":"consent"}, ...}`
    """
    row = record_of(data, "profile")
    meta = row.get("meta")
    consent = meta.get("demat_consent") if isinstance(meta, dict) else ""
    return AccountProfile(
        account_id=text_of(row, "user_id"),
        exchanges=_words_of(row.get("exchanges")),
        products=_words_of(row.get("products")),
        consent=clean_text(consent) if isinstance(consent, str) else "",
    )


def _words_of(value: object) -> tuple[str, ...]:
    return tuple(clean_text(word) for word in value if isinstance(word, str)) if isinstance(value, list) else ()


def render_order(request: OrderRequest) -> dict[str, str]:
    """Return the form fields of POST /orders/regular; our order id is the `tag`. Raises WireError.

    MARKET and SL-M carry `market_protection` in percent, or -1 for Kite's own table; without it Kite refuses them.
    """
    if not TAG_PATTERN.fullmatch(request.order_id):
        raise WireError(f"tag: {request.order_id!r} is not 1 to 20 letters or digits")
    return {
        "exchange": request.exchange,
        "tradingsymbol": request.symbol,
        "transaction_type": request.side.value,
        "product": request.product,
        "tag": request.order_id,
    } | render_change(request)


def render_change(request: OrderRequest) -> dict[str, str]:
    """Return the form fields of PUT /orders/regular/{order_id}; the quantity is the new total. Raises WireError."""
    form = {
        "order_type": request.kind.value,
        "quantity": render_quantity(request.quantity),
        "validity": request.validity.value,
    }
    if request.kind in (OrderKind.LIMIT, OrderKind.STOP_LIMIT):
        form["price"] = render_price(request.price, "price")
    if request.kind in STOP_KINDS:
        form["trigger_price"] = render_price(request.trigger_price, "trigger_price")
    if request.kind in (OrderKind.MARKET, OrderKind.STOP_MARKET):
        percent = request.protection_pct
        if percent is not None and not (percent.is_finite() and 0 < percent <= 100):
            raise WireError(f"market_protection: {percent} is not within 0 to 100 percent")
        form["market_protection"] = "-1" if percent is None else f"{percent.normalize():f}"
    return form


def render_quantity(quantity: Decimal) -> str:
    """Return a quantity as digits. Raises WireError unless it is a positive whole number."""
    if not quantity.is_finite() or quantity <= 0 or quantity % 1 != 0:
        raise WireError(f"quantity: {quantity} is not a positive whole number")
    return str(int(quantity))


def render_price(price: Decimal | None, name: str) -> str:
    """Return a price with all its digits and without an exponent. Raises WireError with `name` for any other value."""
    if price is None or not price.is_finite() or not 0 < price < MAX_MAGNITUDE:
        raise WireError(f"{name}: {price} is not a positive price")
    return f"{price:f}"


def render_subscribe(tokens: Sequence[int]) -> str:
    """Return the text frame `{"a":"subscribe","v":[408065]}`."""
    return msgspec.json.encode({"a": "subscribe", "v": list(tokens)}).decode()


def render_mode(mode: str, tokens: Sequence[int]) -> str:
    """Return the text frame `{"a":"mode","v":["full",[408065]]}`."""
    return msgspec.json.encode({"a": "mode", "v": [mode, list(tokens)]}).decode()
