"""Requests in the exchange's log, in one format for every protocol; the checker reads them."""

from __future__ import annotations

from typing import Any

from tradebot.exchange.event_log import EventLog
from tradebot.exchange.ticket import Ticket

# point of the fault catalogue -> method and path of the line; a change or cancel adds the order's number. They come
# from one broker's protocol, the first one here, and stay: older logs are checked, too.
LOGGED_REQUESTS = {
    "orders.create": ("POST", "/orders/regular"),
    "orders.modify": ("PUT", "/orders/regular"),
    "orders.cancel": ("DELETE", "/orders/regular"),
    "orders.list": ("GET", "/orders"),
    "trades": ("GET", "/trades"),
    "positions": ("GET", "/portfolio/positions"),
    "holdings": ("GET", "/portfolio/holdings"),
    "margins": ("GET", "/user/margins"),
    "profile": ("GET", "/user/profile"),
    "quotes": ("GET", "/quote"),
    "history": ("GET", "/instruments/historical"),
    "instruments": ("GET", "/instruments"),
}


def log_request(
    log: EventLog,
    point: str,
    *,
    at: int,
    status: int,
    ticket: Ticket | None = None,
    order_id: str = "",
    error: str = "",
    message: str = "",
) -> None:
    """Write one request. `at` is market ns; `status` is that of HTTP, 0 for a request that a fault removed unseen."""
    method, path = LOGGED_REQUESTS[point]
    if order_id and method in ("PUT", "DELETE"):
        path = f"{path}/{order_id}"
    log.append_line(
        "request",
        at=at,
        method=method,
        path=path,
        params=_params(ticket),
        status=status,
        tag=ticket.tag if ticket else "",
        order_id=order_id,
        error_type=error,
        message=message,
    )


def _params(ticket: Ticket | None) -> dict[str, Any]:
    if ticket is None:
        return {}
    named = {
        "exchange": ticket.exchange,
        "tradingsymbol": ticket.symbol,
        "transaction_type": ticket.side,
        "order_type": ticket.kind,
        "quantity": ticket.quantity,
        "product": ticket.product,
        "tag": ticket.tag,
        "price": ticket.price,
        "trigger_price": ticket.trigger_price,
    }
    return {name: str(value) for name, value in named.items() if value is not None}
