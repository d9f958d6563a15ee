"""Queries for people: the store's tables as rows with the program's own values, the same from either database."""

from __future__ import annotations

from typing import Any

from tradebot.store.store import Store
from tradebot.store.tables import TABLES

QueryRows = list[dict[str, Any]]


async def select_runs(store: Store, **where: Any) -> QueryRows:
    """Return the runs, oldest first. Here and below, `where` names columns and their values. Raises LinkLost."""
    return await store.select_lines(TABLES["runs"], where, order_by=["wall", "run"])


async def select_orders(store: Store, *, since: int | None = None, **where: Any) -> QueryRows:
    """Return the orders in their current state, in order of intent; `since` is the earliest intent in market ns."""
    return await _lines(store, "orders", where, ["begun_at", "order_id"], since and ("begun_at", since))


async def select_order_events(store: Store, **where: Any) -> QueryRows:
    """Return the events of orders, in the order of the journal."""
    return await _lines(store, "order_events", where, ["journal", "seq"], None)


async def select_fills(store: Store, *, since: int | None = None, **where: Any) -> QueryRows:
    """Return the fills, each once, in the order they were booked; `since` is the earliest trade in ns."""
    return await _lines(store, "fills", where, ["journal", "seq"], since and ("traded_at", since))


async def select_positions(store: Store, **where: Any) -> QueryRows:
    """Return the positions, flat ones included; `mark` is the last price of their bars or fills.

    Positions whose `owner` is `external` are not ours: the venue last showed them beyond ours.
    """
    return await _lines(store, "positions", where, list(TABLES["positions"].key), None)


async def select_equity(store: Store, *, since: int | None = None, **where: Any) -> QueryRows:
    """Return the equity curve: `net` is realized less charges plus unrealized, since the journal began.

    `since` is the earliest point in market ns.
    """
    return await _lines(store, "equity", where, ["journal", "seq"], since and ("at", since))


async def select_signals(store: Store, *, since: int | None = None, **where: Any) -> QueryRows:
    """Return the signals in the order they were made; `since` is the earliest bar end in market ns."""
    return await _lines(store, "signals", where, ["journal", "seq", "place"], since and ("bar_at", since))


async def select_bars(
    store: Store, symbol: str, interval_ns: int, *, since: int | None = None, **where: Any
) -> QueryRows:
    """Return the bars of one symbol and interval (ns) by start; `since` is the earliest bar end in market ns.

    A bar that several runs recorded comes once per run.
    """
    chosen = where | {"symbol": symbol, "interval_ns": interval_ns}
    return await _lines(store, "bars", chosen, ["starts_at", "journal", "seq"], since and ("ends_at", since))


async def _lines(store: Store, table: str, where: dict[str, Any], order_by: list[str], since: Any) -> QueryRows:
    return await store.select_lines(TABLES[table], where, order_by=order_by, since=since or None)
