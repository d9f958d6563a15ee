"""A sound day by hand: the journal's rows and the exchange's lines, for tests that spoil one of them at a time."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from tradebot.journal.chain import GENESIS_HASH, chain_hash
from tradebot.journal.schema import SCHEMA_SQL

AT = 1_795_405_500_000_000_000
SECOND = 1_000_000_000
RUN = "Tabcdefgh"
ENTRY, EXIT, LOST = f"{RUN}00001", f"{RUN}00002", f"{RUN}00003"


class Records:
    """Rows and lines as (kind, body) with body["at"] as their time; `write` puts them on disk."""

    def __init__(self) -> None:
        self.now = AT
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.lines: list[dict[str, Any]] = []
        self.run = RUN

    def row(self, kind: str, **body: Any) -> dict[str, Any]:
        self.now += SECOND
        body = {"at": self.now, "_run": self.run} | body
        self.rows.append((kind, body))
        return body

    def order_event(self, order_id: str, event: str, **more: Any) -> dict[str, Any]:
        return self.row("order", order_id=order_id, event=event, **more)

    def line(self, kind: str, **fields: Any) -> dict[str, Any]:
        fields = {"kind": kind, "at": self.now} | fields
        self.lines.append(fields)
        return fields

    # ---- in the words of the trade

    def start(self, run: str = RUN) -> None:
        self.run = run
        self.row("run", run_id=run, mode="paper", account="SIM")
        tcs = {"symbol": "TCS", "exchange": "NSE", "kind": "equity", "tick_size": "0.05"}
        self.row("universe", instruments=[tcs])
        self.look()

    def look(self, **more: Any) -> None:
        self.row("reconciled", differences=[], cash="50000", adopted=[], **more)

    def order(
        self, order_id: str, side: str, purpose: str, *, checks: tuple[str, ...] = ("halt: ok", "size: ok")
    ) -> None:
        request = {"order_id": order_id, "symbol": "TCS", "exchange": "NSE", "side": side, "quantity": "2",
                   "product": "MIS", "purpose": purpose}  # fmt: skip
        self.order_event(order_id, "intent", request=request, checks=list(checks))

    def sent(self, order_id: str, side: str, venue_id: str, purpose: str = "entry") -> None:
        self.order(order_id, side, purpose)
        self.order_event(order_id, "sending")
        self.now += SECOND
        self.create(order_id, side)
        self.version(order_id, side, venue_id, "OPEN")
        self.order_event(order_id, "accepted", venue_order_id=venue_id)

    def create(self, order_id: str, side: str = "BUY", quantity: str = "2") -> None:
        params = {"tag": order_id, "exchange": "NSE", "tradingsymbol": "TCS", "product": "MIS",
                  "transaction_type": side, "quantity": quantity}  # fmt: skip
        self.line("request", method="POST", path="/orders/regular", params=params, status=200)

    def version(self, order_id: str, side: str, venue_id: str, status: str, filled: str = "0") -> dict[str, Any]:
        ticket = {"symbol": "TCS", "side": side, "quantity": "2", "tag": order_id}
        return self.line(
            "order", order_id=venue_id, ticket=ticket, status=status, filled=filled, placed_at=self.now,
            changed_at=self.now,
        )  # fmt: skip

    def filled(self, order_id: str, side: str, venue_id: str, trade_id: str, price: str, charges: str) -> None:
        own = {"venue_order_id": venue_id, "symbol": "TCS", "exchange": "NSE", "side": side, "quantity": "2",
               "price": price, "product": "MIS"}  # fmt: skip
        theirs = {name: own[name] for name in ("symbol", "exchange", "side", "quantity", "price", "product")}
        self.line("fill", trade_id=trade_id, order_id=venue_id, traded_at=self.now, charges=charges, **theirs)
        self.version(order_id, side, venue_id, "COMPLETE", "2")
        execution = own | {"execution_id": trade_id, "traded_at": self.now // SECOND * SECOND}
        self.order_event(order_id, "executed", venue_order_id=venue_id, execution=execution)

    def end(self, **summary: Any) -> None:
        self.now += 60 * SECOND
        self.look()
        totals = {"open_positions": {}, "realized": "-14.30", "charges": "8.21"}
        self.row("end", reason="asked", summary=totals | summary)
        self.line("end", cash="49977.49", charges="8.21")

    def find(self, event: str, order_id: str = ENTRY) -> dict[str, Any]:
        return next(b for _, b in self.rows if b.get("event") == event and b.get("order_id") == order_id)

    def place(self, event: str, order_id: str = ENTRY) -> int:
        return next(
            i for i, (_, b) in enumerate(self.rows) if b.get("event") == event and b.get("order_id") == order_id
        )

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Return the paths of journal and log, the journal in an unbroken chain."""
        journal, log = folder / "journal.sqlite3", folder / "exchange.jsonl"
        with sqlite3.connect(journal) as db:
            db.executescript(SCHEMA_SQL)
            prev = GENESIS_HASH
            for seq, (kind, body) in enumerate(self.rows, 1):
                run, at = body["_run"], body["at"]
                text = json.dumps({name: value for name, value in body.items() if name != "_run"}).encode()
                own = chain_hash(prev=prev, seq=seq, run=run, at=at, wall=at, kind=kind, body=text)
                db.execute(
                    "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (seq, run, at, at, kind, prev, own, text)
                )
                prev = own
        db.close()
        log.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return journal, log


def day() -> Records:
    """Bought and sold again, with one order in doubt that the venue never had."""
    records = Records()
    records.line("session", account="SIM", cash="50000", resumed=False)
    records.start()
    records.sent(ENTRY, "BUY", "V1")
    records.filled(ENTRY, "BUY", "V1", "X1", "3860.55", "3.26")
    records.sent(EXIT, "SELL", "V2", "exit")
    records.filled(EXIT, "SELL", "V2", "X2", "3853.40", "4.95")
    records.order(LOST, "BUY", "entry")
    records.order_event(LOST, "sending")
    records.order_event(LOST, "ambiguous")
    records.look()
    records.now += 61 * SECOND
    records.look()
    records.order_event(LOST, "not_found")
    records.look()
    records.end()
    return records
