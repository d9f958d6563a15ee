"""Kite's account routes: place, change and cancel orders; list orders, trades, positions, funds; estimate costs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradebot.clock import Clock
from tradebot.domain.instrument import Instrument
from tradebot.domain.order import OrderKind
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.margin import MarginReservation, blocked_margin
from tradebot.exchange.position import PositionCost
from tradebot.exchange.refusals import ExchangeRefusal, RefusalCode
from tradebot.exchange.ticket import BookOrder, Ticket
from tradebot.markets.calendar import ist_date
from tradebot.markets.charges import order_charges, segment_of
from tradebot.venues.kite.rules import EXCHANGES
from tradebot.venues.kite.server.records import (
    charges_record,
    funds_record,
    holding_record,
    order_record,
    position_record,
    trade_record,
)
from tradebot.venues.kite.server.wire import (
    Params,
    input_error,
    json_number,
    parse_changes,
    parse_conversion,
    parse_price,
    parse_ticket,
    parse_variety,
    parse_word,
    required_parameter,
)

UNKNOWN_INSTRUMENT = (
    "The instrument you are placing an order for has either expired or does not exist. "
    "Please check the instrument again."
)


class KiteAccountRoutes:
    """The routes of one account. Every method raises KiteError or Refusal where Kite would refuse."""

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock

    def place_order(self, variety: str, params: Params) -> dict[str, Any]:
        """Place an order and return its id; acceptance does not mean a fill."""
        instrument, last = self._instrument(params)
        ticket = parse_ticket(params, variety=parse_variety(variety), instrument=instrument, last=last)
        return {"order_id": self._exchange.place_order(ticket).order_id}

    def modify_order(self, variety: str, order_id: str, params: Params) -> dict[str, Any]:
        """Request a change of a working order and return its id."""
        parse_variety(variety)
        ticket = self._exchange.order_history(order_id)[-1].ticket
        instrument = self._exchange.universe.instrument_of(ticket.symbol)
        changes = parse_changes(params, instrument=instrument, last=self._last(instrument))
        return {"order_id": self._exchange.modify_order(order_id, **changes).order_id}

    def cancel_order(self, variety: str, order_id: str) -> dict[str, Any]:
        """Request the cancellation of a working order and return its id."""
        parse_variety(variety)
        return {"order_id": self._exchange.cancel_order(order_id).order_id}

    def list_orders(self) -> list[dict[str, Any]]:
        """Return the newest version of every order of the day; orders of earlier days are not listed."""
        return [
            self.render_order(order) for order in self._exchange.latest_orders() if self._is_of_today(order.placed_at)
        ]

    def order_history(self, order_id: str) -> list[dict[str, Any]]:
        """Return every version of one order of the day, oldest first; one of an earlier day is unknown."""
        return [self.render_order(order) for order in self._versions_of_today(order_id)]

    def list_trades(self, order_id: str | None = None) -> list[dict[str, Any]]:
        """Return the fills of the day, or of one order."""
        if order_id is not None:
            self._versions_of_today(order_id)  # raises for an unknown id
        return [
            trade_record(trade, token=self._token(trade.symbol))
            for trade in self._exchange.trade_rows()
            if order_id in (None, trade.order_id) and self._is_of_today(trade.traded_at)
        ]

    def _versions_of_today(self, order_id: str) -> list[BookOrder]:
        versions = self._exchange.order_history(order_id)
        if not self._is_of_today(versions[0].placed_at):
            raise ExchangeRefusal(RefusalCode.UNKNOWN_ORDER, order_id=order_id)
        return versions

    def _is_of_today(self, at: int) -> bool:
        return ist_date(at) >= self._exchange.account.session_day

    def list_positions(self) -> dict[str, Any]:
        """Return the net positions and the day's positions, as `net` and `day`."""
        account = self._exchange.account
        books = {"net": account.net_positions(), "day": account.day_positions()}
        return {
            name: [position_record(row, token=self._token(row.symbol)) for row in rows] for name, rows in books.items()
        }

    def convert_position(self, params: Params) -> bool:
        """Move a part of a position to another product."""
        self._exchange.convert_position(parse_conversion(params))
        return True

    def list_holdings(self) -> list[dict[str, Any]]:
        """Return the shares in the demat account."""
        return [holding_record(row, token=self._token(row.symbol)) for row in self._exchange.account.demat_holdings()]

    def segment_funds(self, segment: str | None = None) -> dict[str, Any]:
        """Return the funds of one segment or of both; only equity is enabled."""
        records = {"equity": funds_record(self._exchange.account.margin_summary()), "commodity": funds_record(None)}
        if segment is None:
            return records
        if segment not in records:
            raise input_error("Invalid `segment`.")
        return records[segment]

    def order_margins(self, body: Any) -> list[dict[str, Any]]:
        """Return the margin and charges of each order of `body` on its own, ignoring positions."""
        return [self._order_margin(params) for params in _rows_of(body)]

    def basket_margins(self, body: Any) -> Any:
        """Raise KiteError: the margin of a basket on top of open positions is not computed here."""
        _rows_of(body)
        raise input_error("Margins of a basket are not offered here; ask for each order with /margins/orders.")

    def order_charges(self, body: Any) -> list[dict[str, Any]]:
        """Return the charges of each filled or hypothetical order of `body`."""
        rows = []
        for params in _rows_of(body):
            instrument, last = self._instrument(params)
            ticket = self._estimate(params, instrument, last)
            price = parse_price(params, "average_price")
            rows.append(
                {
                    "transaction_type": str(ticket.side),
                    "tradingsymbol": ticket.symbol,
                    "exchange": ticket.exchange,
                    "variety": ticket.variety,
                    "product": ticket.product,
                    "order_type": str(ticket.kind),
                    "quantity": int(ticket.quantity),
                    "price": json_number(price),
                    "charges": self._charges(ticket, instrument, price),
                }
            )
        return rows

    def render_order(self, order: BookOrder) -> dict[str, Any]:
        """Return an order in the form of the wire."""
        return order_record(order, account_id=self._exchange.account.account_id, token=self._token(order.ticket.symbol))

    def _order_margin(self, params: Params) -> dict[str, Any]:
        instrument, last = self._instrument(params)
        ticket = self._estimate(params, instrument, last)
        price = ticket.price or ticket.trigger_price or last
        alone = [MarginReservation(ticket.side, ticket.quantity, price)]
        total = blocked_margin(PositionCost(), alone, product=ticket.product, kind=instrument.kind).total_margin
        return {
            "type": "equity",
            "tradingsymbol": ticket.symbol,
            "exchange": ticket.exchange,
            "span": 0,
            "exposure": 0,
            "option_premium": 0,
            "additional": 0,
            "bo": 0,
            "cash": 0,
            "var": json_number(total),
            "pnl": {"realised": 0, "unrealised": 0},
            "leverage": json_number(ticket.quantity * price / total) if total else 1,
            "charges": self._charges(ticket, instrument, price),
            "total": json_number(total),
        }

    def _charges(self, ticket: Ticket, instrument: Instrument, price: Decimal) -> dict[str, Any]:
        bill = order_charges(
            segment=segment_of(instrument.kind, ticket.product),
            side=ticket.side,
            turnover=ticket.quantity * price,
            on=ist_date(self._clock.market_ns()),
            exchange=ticket.exchange,
        )
        return charges_record(bill)

    def _estimate(self, params: Params, instrument: Instrument, last: Decimal) -> Ticket:
        # An estimate may lack prices that an order of its type requires; the last price replaces them.
        filled = dict(params)
        for name in ("price", "trigger_price"):
            if filled.get(name, "") in ("", "0", "0.0"):
                filled[name] = str(last)
        filled.setdefault("order_type", str(OrderKind.MARKET))
        return parse_ticket(filled, variety=params.get("variety") or "regular", instrument=instrument, last=last)

    def _instrument(self, params: Params) -> tuple[Instrument, Decimal]:
        exchange = parse_word(params, "exchange", EXCHANGES)
        symbol = required_parameter(params, "tradingsymbol")
        universe = self._exchange.universe
        if symbol not in universe or universe.instrument_of(symbol).exchange != exchange:
            raise input_error(UNKNOWN_INSTRUMENT)
        instrument = universe.instrument_of(symbol)
        return instrument, self._last(instrument)

    def _last(self, instrument: Instrument) -> Decimal:
        state, row = self._exchange.latest_columns, self._exchange.universe.id_of(instrument.symbol)
        return instrument.price_from_units(int(state["last"][row]) or int(state["previous_close"][row]))

    def _token(self, symbol: str) -> int:
        universe = self._exchange.universe
        return universe.instrument_of(symbol).token if symbol in universe else 0


def _rows_of(body: Any) -> list[Mapping[str, str]]:
    if not isinstance(body, list) or not all(isinstance(row, dict) for row in body):
        raise input_error("The body must be a JSON array of orders.")
    return [{key: "" if value is None else str(value) for key, value in row.items()} for row in body]
