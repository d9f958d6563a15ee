"""A position with a stop at the venue by hand: rows, lines and prices, for tests that spoil one of them at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.checker.records import RUN, Records
from tradebot.checker.promises import judge_records
from tradebot.checker.verdict import PromiseVerdict
from tradebot.domain.market import Quotes
from tradebot.domain.messages import AccountSnapshot, ClockTick
from tradebot.journal.input_log import InputEntry, InputLogBatch, pack_inputs

SECOND = 1_000_000_000
ENTRY, STOP, EXIT = f"{RUN}00001", f"{RUN}00002", f"{RUN}00003"
RESTING = {"strategies": ["s"], "confirm_within_s": 3.0}


class StopDay(Records):
    """Ten shares bought at 1,000 with a stop at 990; times are steps of the monotonic clock in seconds."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.mono = 100 * SECOND
        self.shown: list[InputEntry] = []
        self.line("session", account="SIM", cash="50000", resumed=False, holdings=[])
        self.run = RUN
        self.row("run", run_id=RUN, mode="paper", account="SIM", versions={"rows": "4"})
        self.row("universe", instruments=[{"symbol": "TCS", "exchange": "NSE", "price_decimals": 2}])
        self.row("terms", desk={"chase_after_s": 3.0, "resting": RESTING} | settings)
        self.look()
        for _ in range(3):
            self.line("request", method="GET", path="/portfolio/positions", params={}, status=200)
        self.wait(1)
        self.intent(ENTRY, "BUY", "entry", stop_loss="990")
        self.place(ENTRY, "BUY")
        self.fill(ENTRY, "BUY")

    def wait(self, seconds: float) -> None:
        """Let time pass, with a price of 1,000 at its end."""
        self.mono += round(seconds * SECOND)
        self.show(1000)

    def show(self, price: float) -> None:
        """Show a price to the desk now."""
        column, one = np.array, np.array([1])
        quotes = Quotes(
            source="kite", seen_at=self.mono, ids=column([0]), sent_at=one, last=column([round(price * 100)]),
            volume=one, bid=one, ask=one, bid_size=one, ask_size=one,
        )  # fmt: skip
        self.shown += [InputEntry(self.mono - 5, quotes), InputEntry(self.mono, ClockTick(at=self.now, mono=self.mono))]

    def listed(self) -> None:
        """Show an account snapshot to the desk now, requested a moment ago."""
        snapshot = AccountSnapshot(asked_at=self.mono - 1, orders=(), fills=(), positions=(), cash=None)
        self.shown.append(InputEntry(self.mono, snapshot))

    def intent(self, order_id: str, side: str, purpose: str, event: str = "intent", **levels: str) -> None:
        """Write the row that begins an order."""
        request = {"order_id": order_id, "symbol": "TCS", "exchange": "NSE", "side": side, "quantity": "10",
                   "product": "MIS", "purpose": purpose, "strategy": "s"} | levels  # fmt: skip
        self.told(order_id, event, request=request, checks=["size: ok"], reference="1000")

    def told(self, order_id: str, event: str, **fields: Any) -> None:
        """Write a row of an order with the monotonic time of now."""
        self.order_event(order_id, event, mono=self.mono, **fields)

    def place(self, order_id: str, side: str, quantity: str = "10", *, event: str = "seen_open") -> None:  # type: ignore[override]
        """Send an order to the exchange and let it work there."""
        self.told(order_id, "sending")
        self.create(order_id, side, quantity)
        self.at_exchange(order_id, side, "OPEN", quantity=quantity)
        self.told(order_id, event, venue_order_id=f"V{order_id}")

    def at_exchange(self, order_id: str, side: str, status: str, *, quantity: str = "10", filled: str = "0") -> None:
        """Write a version of an order at the exchange."""
        ticket = {"symbol": "TCS", "exchange": "NSE", "product": "MIS", "side": side, "quantity": quantity,
                  "tag": order_id}  # fmt: skip
        self.line("order", order_id=f"V{order_id}", ticket=ticket, status=status, filled=filled,
                  placed_at=self.now, changed_at=self.now)  # fmt: skip

    def fill(self, order_id: str, side: str) -> None:
        """Fill an order of ten shares completely, at the exchange and in the journal."""
        fill = {"exchange": "NSE", "symbol": "TCS", "side": side, "quantity": "10", "price": "1000", "product": "MIS"}
        self.line("fill", trade_id=f"X{order_id}", order_id=f"V{order_id}", traded_at=self.now, charges="0", **fill)
        self.at_exchange(order_id, side, "COMPLETE", filled="10")
        self.told(order_id, "executed", execution=fill | {"execution_id": f"X{order_id}"})

    def rest(self, *, event: str = "seen_open") -> None:
        """Place the stop of the position; with another event than `seen_open` the venue has not confirmed it."""
        self.intent(STOP, "SELL", "resting_stop", trigger_price="990")
        self.place(STOP, "SELL", event=event)

    def verdict(self, folder: Path, promise: str) -> PromiseVerdict:
        """End the run and return the verdict on a promise."""
        self.row("tape", **json.loads(pack_inputs(InputLogBatch(entries=tuple(self.shown)))))
        self.row("end", reason="SIGTERM")
        journal, log = self.write(folder)
        return next(v for v in judge_records(journal, against=log) if v.promise == promise)
