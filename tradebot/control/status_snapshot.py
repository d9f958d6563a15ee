"""The status of a run for the operator: JSON values read from account and queues at one moment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tradebot.control.run_parts import RunParts
from tradebot.domain.order import ZERO
from tradebot.domain.position_key import OWNER_EXTERNAL
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.queues import BoundedQueue


def position_rows(account: AccountView) -> list[dict[str, Any]]:
    """Return one row per open position, ours before external ones, with last price and profit before charges.

    Price and profit are None before the first quote. An external position has no profit, because it is not the run's.
    """
    ours = [(p.key, p.quantity, p.average_price, p) for p in account.own_positions() if not p.is_flat]
    others = [(p.key, p.quantity, p.average_price, None) for p in account.external_positions()]
    found: list[dict[str, Any]] = []
    for key, quantity, average_price, position in (*ours, *others):
        last = account.last_price_of(key)
        found.append(
            {
                "exchange": key.exchange,
                "symbol": key.symbol,
                "product": key.product,
                "owner": key.owner,
                "quantity": quantity,
                "average_price": round(average_price, 2),
                "last": last,
                "profit": None if last is None or position is None else round(position.unrealized_pnl(last), 2),
            }
        )
    return sorted(
        found, key=lambda row: (row["owner"] == OWNER_EXTERNAL, row["symbol"], row["exchange"], row["product"])
    )


def order_rows(account: AccountView) -> list[dict[str, Any]]:
    """Return one row per order that may still trade, sorted by id; UNKNOWN and external orders are included."""
    return [
        {
            "order_id": order.order_id,
            "symbol": order.symbol,
            "side": order.request.side,
            "kind": order.request.kind,
            "quantity": order.request.quantity,
            "filled": order.filled,
            "price": order.request.price,
            "trigger": order.trigger_price,
            "state": order.state,
            "purpose": order.request.purpose,
            "venue_order_id": order.venue_order_id,
        }
        for order in sorted(account.all_live_orders(), key=lambda order: order.order_id)
    ]


def halt_rows(account: AccountView, *, killed: str) -> list[dict[str, str]]:
    """Return one row per reason that blocks entries: the HALT file, halts until a `resume`, and passing conditions."""
    conditions = account.conditions
    found = [{"verb": "kill", "scope": "every order", "reason": killed}] if killed else []
    found += [
        {"verb": c.verb, "scope": str(c.scope), "reason": c.reason, "until": c.until, "control": c.control}
        for c in conditions.halts.active_commands
    ]
    if conditions.links.session_lost:
        found.append({"verb": "session lost", "scope": "all", "reason": conditions.links.session_lost})
    if conditions.blind_reason:
        found.append({"verb": "no books", "scope": "all", "reason": conditions.blind_reason})
    if conditions.clock_offset_reason:
        found.append({"verb": "clock", "scope": "all", "reason": conditions.clock_offset_reason})
    if conditions.disk_short:
        scope = "exits too" if conditions.disk_full else "all"
        found.append({"verb": "disk", "scope": scope, "reason": conditions.disk_short})
    for symbol, why in sorted(conditions.unaccounted.items()):
        found.append({"verb": "difference", "scope": f"symbol:{symbol}", "reason": why})
    for symbol, why in sorted(conditions.unprotected.items()):
        found.append({"verb": "no resting stop", "scope": f"symbol:{symbol}", "reason": why})
    return found


def resting_stop_rows(account: AccountView) -> list[dict[str, Any]]:
    """Return one row per position whose stop should rest at the venue; `reason` says why less rests than is held."""
    return [row._asdict() for row in sorted(account.resting_stops())]


def status_snapshot(
    parts: RunParts,
    *,
    run: dict[str, Any],
    queues: Iterable[BoundedQueue],
    pending_requests: int,
    killed: str,
    journal_rows: tuple[int, int],
    fills: int,
    orders: int,
) -> dict[str, Any]:
    """Return the whole status.

    `run` is what never changes in a run, `killed` the reason in the HALT file. `journal_rows` is (queued, on disk).
    `fills` and `orders` count those of this run; denied orders are included. In the status, `paid` is what we paid for
    all purchases less what we received for all sales, before charges.
    """
    account, state = parts.account, parts.read_state()
    halts = halt_rows(account, killed=killed)
    return (
        run
        | parts.vitals()
        | {"money": parts.money()}
        | {
            "state": state.name,
            "market_time": state.market_time,
            "session": state.session,
            "halted": bool(halts),
            "halts": halts,
            "feed": state.feed,
            "positions": position_rows(account),
            "orders": order_rows(account),
            "resting_stops": resting_stop_rows(account),
            "paid": sum((p.bought - p.sold for p in account.own_positions()), ZERO),
            "day_profit": round(account.day_profit(), 2),
            "counts": account.signal_counts | {"orders": orders, "fills": fills},
            "queues": {
                queue.name: {"now": queue.qsize(), "deepest": queue.max_depth, "size": queue.maxsize}
                for queue in queues
            }
            | {"execution": {"now": pending_requests}},
            "journal": {"queued": journal_rows[0], "on_disk": journal_rows[1]},
        }
    )
