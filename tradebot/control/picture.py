"""The picture of a run that the operator is shown: JSON values read from desk, marks and queues at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradebot.clock import SECOND, Clock
from tradebot.domain.order import ZERO
from tradebot.stages.desk.desk import Desk
from tradebot.stages.lanes import Lane


def holdings_of(desk: Desk) -> list[dict[str, Any]]:
    """Return the open positions with their last price and profit before charges, None before the first quote."""
    found = []
    for position in desk.blotter.positions.values():
        if position.is_flat:
            continue
        symbol = position.symbol
        try:
            last = desk.marks.price(symbol)
        except KeyError:  # adopted from the venue, but not traded here
            last = None
        found.append(
            {
                "symbol": symbol,
                "quantity": position.quantity,
                "average_price": round(position.average_price, 2),
                "last": last,
                "profit": None if last is None else round(position.unrealized(last), 2),
            }
        )
    return sorted(found, key=lambda row: str(row["symbol"]))


def orders_of(desk: Desk) -> list[dict[str, Any]]:
    """Return the orders that may still trade, UNKNOWN ones included, in the order they were made."""
    return [
        {
            "order_id": order.order_id,
            "symbol": order.symbol,
            "side": order.request.side,
            "kind": order.request.kind,
            "quantity": order.request.quantity,
            "filled": order.filled,
            "price": order.request.price,
            "state": order.state,
            "purpose": order.request.purpose,
            "venue_order_id": order.venue_order_id,
        }
        for order in sorted(desk.blotter.live(), key=lambda order: order.order_id)
    ]


def halts_of(desk: Desk, *, killed: str) -> list[dict[str, str]]:
    """Return every halt that stands: the kill, those that wait for a `resume`, and differences with the venue."""
    conditions = desk.conditions
    found = [{"verb": "kill", "scope": "every order", "reason": killed}] if killed else []
    found += [{"verb": c.verb, "scope": str(c.scope), "reason": c.reason} for c in conditions.halts.standing]
    for symbol, why in sorted(conditions.halted_symbols.items()):
        found.append({"verb": "difference", "scope": f"symbol:{symbol}", "reason": why})
    return found


def picture(
    *, run: dict[str, Any], desk: Desk, clock: Clock, lanes: Sequence[Lane], pending: int, killed: str,
    head: tuple[int, int], is_trading: bool,
) -> dict[str, Any]:  # fmt: skip
    """Return the whole picture; `run` is what never changes in a run, `head` the journal's rows (queued, on disk).

    `paid` is what was paid for everything bought less what came in for everything sold, before charges.
    """
    newest = desk.marks.newest
    orders = [o for o in desk.blotter.orders.values() if not o.is_external]
    halts = halts_of(desk, killed=killed)
    return run | {
        "state": "stopping" if desk.conditions.stopping else "trading" if is_trading else "starting",
        "market_time": clock.market(),
        "halted": bool(halts),
        "halts": halts,
        "feed": {
            "age_s": round((clock.monotonic() - newest) / SECOND, 3) if newest else None,
            "is_stale": bool(desk.conditions.down),
            "down": dict(desk.conditions.down),
        },
        "positions": holdings_of(desk),
        "orders": orders_of(desk),
        "paid": sum((p.cost - p.realized for p in desk.blotter.positions.values()), ZERO),
        "day_profit": round(desk.worth.day_profit(), 2),
        "counts": desk.counts | {"orders": len(orders), "fills": desk.blotter.fills},
        "queues": {lane.name: {"now": lane.qsize(), "deepest": lane.deepest, "size": lane.maxsize} for lane in lanes}
        | {"execution": {"now": pending}},
        "journal": {"queued": head[0], "on_disk": head[1]},
    }
