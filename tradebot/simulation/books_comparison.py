"""Compares the daemon's books with the exchange's at one moment: positions, money, open orders, UNKNOWN orders."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from tradebot.domain.position_key import NettingKey
from tradebot.domain.products import DELIVERY
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.ticket import PlacedBy
from tradebot.simulation.person import has_login

# Verbs of holds in the daemon's status that end by themselves: with the next poll, or with free space on the disk.
SELF_ENDING_HOLDS = frozenset({"difference", "disk"})


class BooksComparison(NamedTuple):
    """The result of a comparison; `halts` are the reasons why the daemon opens no position any more."""

    is_answering: bool = False
    differences: tuple[str, ...] = ()
    in_doubt: tuple[str, ...] = ()
    held: tuple[str, ...] = ()  # like `halts`, but they end by themselves: when the books agree or the disk has space
    halts: tuple[str, ...] = ()
    ended: str = ""  # why the daemon ended

    @property
    def is_agreed(self) -> bool:
        """True when the daemon answers and books and orders agree."""
        return self.is_answering and not self.differences and not self.in_doubt and not self.held


class SessionFindings:
    """The result of a session; `failure` is empty unless something forbidden happened."""

    def __init__(self) -> None:
        self.failure = ""
        self.kill_count = 0
        self.last_trouble_s = 0.0  # loop time, s, of the end of the faults, or of a later kill
        self.comparison = BooksComparison()
        self.agreed_after_s = -1.0  # counted from `last_trouble_s`; below 0 until the books agree

    def record_failure(self, reason: str) -> None:
        """Record that something forbidden happened; only the first reason is kept."""
        self.failure = self.failure or reason


def compare_books(status: dict[str, Any] | None, exchange: Exchange) -> BooksComparison:
    """Compare the status of a daemon (None if it does not answer) with the exchange."""
    if status is None or status["state"] != "trading":
        return BooksComparison()
    theirs: dict[NettingKey, Decimal] = defaultdict(Decimal)
    ours: dict[NettingKey, Decimal] = defaultdict(Decimal)
    for row in exchange.account.net_positions():
        theirs[row.exchange, row.symbol, row.product] += row.quantity
    for shown in status["positions"]:  # ours and external ones: the exchange nets them
        ours[shown["exchange"], shown["symbol"], shown["product"]] += Decimal(str(shown["quantity"]))
    owned: dict[NettingKey, Decimal] = {
        (h.exchange, h.symbol, DELIVERY): h.owned_quantity for h in exchange.account.demat_holdings()
    }
    differences = [
        f"{' '.join(key)}: the exchange holds {theirs.get(key, 0)}, the daemon {ours.get(key, 0)}"
        for key in sorted(theirs.keys() | ours.keys())
        # A venue lists the shares of the demat account apart. A daemon that reads them adds them to its position.
        if ours.get(key, 0) not in (theirs.get(key, 0), theirs.get(key, 0) + owned.get(key, 0))
    ]
    ours_there = {order.order_id for order in exchange.latest_orders() if order.ticket.hand is PlacedBy.API}
    paid = sum(
        (t.quantity * t.price * t.side.sign for t in exchange.trade_rows() if t.order_id in ours_there), Decimal(0)
    )
    if Decimal(str(status["paid"])) != paid:
        differences.append(f"{paid} was paid for the fills at the exchange, {status['paid']} at the daemon")
    working = {order.order_id for order in exchange.latest_orders() if not order.is_ended}
    live_at_daemon = {row["venue_order_id"] for row in status["orders"] if row["state"] != "UNKNOWN"}
    differences += [f"order {order_id} works at the exchange alone" for order_id in sorted(working - live_at_daemon)]
    differences += [f"order {order_id} works at the daemon alone" for order_id in sorted(live_at_daemon - working)]
    # Where a person logs in, a lost login ends by itself; elsewhere nothing ends it.
    passing = SELF_ENDING_HOLDS | ({"session lost"} if has_login(status) else set())
    return BooksComparison(
        is_answering=True,
        differences=tuple(differences),
        in_doubt=tuple(row["order_id"] for row in status["orders"] if row["state"] == "UNKNOWN"),
        held=tuple(f"{h['scope']}: {h['reason']}" for h in status["halts"] if h["verb"] in passing),
        halts=tuple(f"{h['scope']}: {h['reason']}" for h in status["halts"] if h["verb"] not in passing),
    )


def cash_difference(journal: Path, exchange: Exchange) -> str:
    """Return in words how the cash of the last poll in the journal differs from the exchange's; empty if equal."""
    db = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
    try:
        poll = db.execute("SELECT body FROM rows WHERE kind = 'reconciled' ORDER BY seq DESC LIMIT 1").fetchone()
        (last,) = db.execute("SELECT kind FROM rows ORDER BY seq DESC LIMIT 1").fetchone()
    finally:
        db.close()
    if last != "end" or (poll is not None and json.loads(poll[0])["cash"] is None):
        return ""  # the last run was cut off without a poll, or the venue did not report its cash
    ours = Decimal(str(json.loads(poll[0])["cash"])) if poll is not None else None
    theirs = exchange.account.available_funds
    return "" if ours == theirs else f"the exchange's cash is {theirs}, the last look in the journal says {ours}"
