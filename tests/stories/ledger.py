"""Two independent readings of one run: the daemon's journal by plain SQL, the exchange's log by plain JSON."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

# What the exchange may call an order that has ended, and what the journal calls it.
ENDS = {"COMPLETE": {"FILLED"}, "CANCELLED": {"CANCELED", "EXPIRED"}, "REJECTED": {"REJECTED"}}


class Fill(NamedTuple):
    """One fill as either side tells it."""

    venue_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal


class Side(NamedTuple):
    """One side's story: orders by our id, fills by execution id, creates counted per id."""

    orders: dict[str, str]
    fills: dict[str, Fill]
    positions: dict[str, Decimal]
    creates: dict[str, int]


def journal_side(path: Path) -> Side:
    """Read orders and fills from the journal with nothing but sqlite3 and json."""
    orders: dict[str, str] = {}
    fills: dict[str, Fill] = {}
    sent: dict[str, int] = defaultdict(int)
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        for (body,) in db.execute("SELECT body FROM rows WHERE kind = 'order' ORDER BY seq"):
            fact = json.loads(body)
            order_id, event = fact["order_id"], fact["event"]
            orders.setdefault(order_id, "")
            if event == "sending":
                sent[order_id] += 1
            if fact.get("venue_order_id"):
                orders[order_id] = fact["venue_order_id"]
            if event == "executed":
                e = fact["execution"]
                assert e["execution_id"] not in fills, f"fill {e['execution_id']} is in the journal twice"
                fills[e["execution_id"]] = Fill(
                    e["venue_order_id"], e["symbol"], e["side"], Decimal(e["quantity"]), Decimal(e["price"])
                )
    return Side(orders, fills, _positions(fills), dict(sent))


def exchange_side(path: Path) -> Side:
    """Read orders and fills from the exchange's own log with nothing but json."""
    orders: dict[str, str] = {}
    fills: dict[str, Fill] = {}
    creates: dict[str, int] = defaultdict(int)
    for line in path.read_text().splitlines():
        row: dict[str, Any] = json.loads(line)
        if row["kind"] == "order":
            orders[row["ticket"]["tag"]] = row["order_id"]
        elif row["kind"] == "fill":
            fills[row["trade_id"]] = Fill(
                row["order_id"], row["symbol"], row["side"], Decimal(row["quantity"]), Decimal(row["price"])
            )
        elif row["kind"] == "request" and row["method"] == "POST" and "/orders/" in row["path"] and row["tag"]:
            creates[row["tag"]] += 1  # an order without one is a person's, not the daemon's
    return Side(orders, fills, _positions(fills), dict(creates))


def assert_agree(journal: Path, exchange_log: Path) -> Side:
    """Check that both sides tell the same orders and fills, each order created once; returns the exchange's side."""
    ours, theirs = journal_side(journal), exchange_side(exchange_log)
    assert theirs.fills == ours.fills
    assert theirs.positions == ours.positions
    assert set(theirs.creates.values()) <= {1}, f"an order was created twice: {theirs.creates}"
    assert set(theirs.creates) <= set(ours.creates), "the exchange knows an order that the journal never sent"
    assert {o: v for o, v in ours.orders.items() if v} == theirs.orders
    return theirs


def _positions(fills: dict[str, Fill]) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for fill in fills.values():
        totals[fill.symbol] += fill.quantity if fill.side == "BUY" else -fill.quantity
    return dict(totals)
