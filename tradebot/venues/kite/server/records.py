"""Renders the exchange's rows as Kite's JSON objects: orders, trades, positions, holdings, funds, charges."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tradebot.domain.order import ZERO
from tradebot.exchange.account import DematHolding, Margins
from tradebot.exchange.position import PositionRow
from tradebot.exchange.ticket import BookOrder, PlacedBy, TradeRow
from tradebot.markets.charges import Charges
from tradebot.venues.kite.server.wire import KITE_STATUSES, json_number, render_stamp

Json = dict[str, Any]
SYSTEM = "SYSTEM"  # the value of `placed_by` in the broker's own orders


def order_record(order: BookOrder, *, account_id: str, token: int) -> Json:
    """Return an order as /orders lists it."""
    ticket = order.ticket
    changed = render_stamp(order.changed_at) if order.exchange_order_id else None
    record: Json = {
        "account_id": account_id,
        "placed_by": SYSTEM if ticket.hand is PlacedBy.BROKER else account_id,
        "order_id": order.order_id,
        "exchange_order_id": order.exchange_order_id or None,
        "parent_order_id": None,
        "status": KITE_STATUSES[order.status],
        "status_message": order.reason or None,
        "status_message_raw": order.reason or None,
        "order_timestamp": render_stamp(order.placed_at),
        "exchange_update_timestamp": changed,
        "exchange_timestamp": changed,
        "variety": ticket.variety,
        "modified": order.modifications > 0,
        "exchange": ticket.exchange,
        "tradingsymbol": ticket.symbol,
        "instrument_token": token,
        "order_type": str(ticket.kind),
        "transaction_type": str(ticket.side),
        "validity": str(ticket.validity),
        "validity_ttl": 0,
        "product": ticket.product,
        "quantity": int(ticket.quantity),
        "disclosed_quantity": int(ticket.disclosed_quantity),
        "price": json_number(ticket.price),
        "trigger_price": json_number(ticket.trigger_price),
        "average_price": json_number(order.average_price),
        "filled_quantity": int(order.filled),
        "pending_quantity": int(order.pending),
        "cancelled_quantity": int(order.cancelled),
        "market_protection": json_number(ticket.protection_pct),
        "meta": {},
        "tag": ticket.tag or None,
        "guid": f"{account_id}X{order.order_id}",
    }
    if ticket.tag:
        record["tags"] = [ticket.tag]
    return record


def order_update(record: Json, *, filled: Decimal) -> Json:
    """Return an order record as it is in the ticker's order frames and in postbacks."""
    unfilled = record["quantity"] - int(filled)
    return {**record, "user_id": record["account_id"], "app_id": 0, "checksum": "", "unfilled_quantity": unfilled}


def trade_record(trade: TradeRow, *, token: int) -> Json:
    """Return a fill as /trades lists it."""
    at = render_stamp(trade.traded_at) or ""
    return {
        "trade_id": trade.trade_id,
        "order_id": trade.order_id,
        "exchange": trade.exchange,
        "tradingsymbol": trade.symbol,
        "instrument_token": token,
        "product": trade.product,
        "average_price": json_number(trade.price),
        "quantity": int(trade.quantity),
        "exchange_order_id": trade.exchange_order_id,
        "transaction_type": str(trade.side),
        "fill_timestamp": at,
        "order_timestamp": at[11:],
        "exchange_timestamp": at,
    }


def position_record(row: PositionRow, *, token: int) -> Json:
    """Return a position as /portfolio/positions lists it."""
    carried = row.overnight_quantity * row.close_price * row.multiplier
    return {
        "tradingsymbol": row.symbol,
        "exchange": row.exchange,
        "instrument_token": token,
        "product": row.product,
        "quantity": int(row.quantity),
        "overnight_quantity": int(row.overnight_quantity),
        "multiplier": json_number(row.multiplier),
        "average_price": json_number(row.average_price),
        "close_price": json_number(row.close_price),
        "last_price": json_number(row.last_price),
        "value": json_number(row.value),
        "pnl": json_number(row.pnl),
        "m2m": json_number(row.m2m),
        "unrealised": json_number(row.unrealised),
        "realised": json_number(row.realised),
        "buy_quantity": int(row.buy_quantity),
        "buy_price": json_number(row.buy_price),
        "buy_value": json_number(row.buy_value),
        "buy_m2m": json_number(row.day_buy_value + max(carried, ZERO)),
        "sell_quantity": int(row.sell_quantity),
        "sell_price": json_number(row.sell_price),
        "sell_value": json_number(row.sell_value),
        "sell_m2m": json_number(row.day_sell_value + max(-carried, ZERO)),
        "day_buy_quantity": int(row.day_buy_quantity),
        "day_buy_price": json_number(row.day_buy_price),
        "day_buy_value": json_number(row.day_buy_value),
        "day_sell_quantity": int(row.day_sell_quantity),
        "day_sell_price": json_number(row.day_sell_price),
        "day_sell_value": json_number(row.day_sell_value),
    }


def holding_record(row: DematHolding, *, token: int) -> Json:
    """Return a holding as /portfolio/holdings lists it; nothing is pledged."""
    change = row.last_price - row.close_price
    return {
        "tradingsymbol": row.symbol,
        "exchange": row.exchange,
        "instrument_token": token,
        "isin": "",
        "product": "CNC",
        "price": 0,
        "quantity": int(row.quantity),
        "used_quantity": int(row.used_quantity),
        "t1_quantity": int(row.t1_quantity),
        "realised_quantity": int(row.quantity),
        "authorised_quantity": 0,
        "authorised_date": None,
        "opening_quantity": int(row.owned_quantity),
        "short_quantity": 0,
        "collateral_quantity": 0,
        "collateral_type": "",
        "discrepancy": False,
        "average_price": json_number(row.average_price),
        "last_price": json_number(row.last_price),
        "close_price": json_number(row.close_price),
        "pnl": json_number(row.unrealised_pnl),
        "day_change": json_number(change),
        "day_change_percentage": json_number(change * 100 / row.close_price) if row.close_price else 0,
        "mtf": {"quantity": 0, "used_quantity": 0, "average_price": 0, "value": 0, "initial_margin": 0},
    }


def funds_record(m: Margins | None) -> Json:
    """Return one segment of /user/margins; None is a segment that the account does not have.

    `net` = `available.cash` - `utilised.debits`; it is the amount that new orders may use.
    """
    if m is None:
        zero = Decimal(0)
        names = Margins.__struct_fields__
        return {**funds_record(Margins(**dict.fromkeys(names, zero))), "enabled": False}
    return {
        "enabled": True,
        "net": json_number(m.net),
        "available": {
            "adhoc_margin": 0,
            "cash": json_number(m.opening),
            "opening_balance": json_number(m.opening),
            "live_balance": json_number(m.net),
            "collateral": 0,
            "intraday_payin": 0,
        },
        "utilised": {
            "debits": json_number(m.opening - m.net),
            "exposure": 0,
            "m2m_realised": json_number(m.realised),
            "m2m_unrealised": json_number(m.unrealised),
            "option_premium": 0,
            "payout": 0,
            "span": json_number(m.positions + m.orders),
            "holding_sales": json_number(m.holding_sales),
            "turnover": 0,
            "liquid_collateral": 0,
            "stock_collateral": 0,
            "delivery": json_number(m.delivery),
        },
    }


def charges_record(bill: Charges) -> Json:
    """Return the `charges` block of /margins/orders and /charges/orders."""
    gst = json_number(bill.gst)
    return {
        "transaction_tax": json_number(bill.transaction_tax),
        "transaction_tax_type": "stt",
        "exchange_turnover_charge": json_number(bill.exchange_fee),
        "sebi_turnover_charge": json_number(bill.sebi_fee),
        "brokerage": json_number(bill.brokerage),
        "stamp_duty": json_number(bill.stamp_duty),
        "gst": {"igst": gst, "cgst": 0, "sgst": 0, "total": gst},
        "total": json_number(bill.total),
    }
