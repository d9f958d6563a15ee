"""Random days, step by step, with limits and faults: every way of the desk held against the frozen one.

The desk that trades and the one of a backtest, each against a frozen desk that knows no short way.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from tests.oracle import seam
from tests.oracle.pair import Heard, Look, Pair
from tests.oracle.vendor import seam as frozen_seam
from tests.trading.desk.test_recording import NAMES, OPEN, SETTINGS, VENUE, Day
from tradebot.clock import SECOND
from tradebot.domain.messages import (
    Books,
    BrokerSession,
    ClockApart,
    DiskAllows,
    Frozen,
    OrderSeen,
    Outcome,
    Reconciled,
    SpaceLeft,
    Tick,
    Trailing,
)
from tradebot.domain.order import OrderEvent, OrderFact, VenueStatus

STEPS = 20, 100
OPS = [*range(16)] * 3 + [*range(16, 22)]  # kinds of steps: those of `Day`, and more seldom those of `OracleDay`
# What the rules of a day are drawn from; of the rest each desk has its defaults.
LIMITS: dict[str, tuple[Any, ...]] = {
    "allow_short": (False, True), "max_gross_notional": (25_000, 10**9), "max_daily_loss": (20, 10**9),
    "max_open_orders": (2, 20), "price_collar_pct": (2,), "orders_per_minute": (3, 200), "stale_after_s": (5.0, 100.0),
}  # fmt: skip
RULES: dict[str, tuple[Any, ...]] = {
    "order_kind": ("MARKET", "LIMIT"), "protection_pct": ("0.5", "1", "2"), "on_stop": ("cancel", "flatten", "leave"),
    "chase": ("cancel", "modify"), "fill_collar_pct": (None, "0.02", "1"), "on_daily_loss": ("close", "halt"),
    "reverses": (False, True),
}  # fmt: skip


class OracleDay(Day):
    """A day that pairs live through. `is_fast` is for the desk of a backtest, which says nothing of trailing stops and
    is never started again."""

    def __init__(self, limits: dict[str, Any], settings: dict[str, Any], heard: Heard, *, is_fast: bool) -> None:
        self._values, self._heard, self._is_fast = {"limits": limits, "settings": settings}, heard, is_fast
        self._lives = 0
        self._facts: list[Any] = []  # what a journal would hold
        super().__init__()

    def give(self, message: Any) -> None:
        if isinstance(message, Outcome) and message.fact.event is OrderEvent.SENDING:
            self._facts.append(message.fact)  # the execution writes it, before the desk is told
        super().give(message)

    def follow(self, output: list[Any]) -> None:
        super().follow(output)
        for what in output:
            if isinstance(what, OrderFact):
                self._facts.append(what)
            elif isinstance(what, Reconciled):
                self._facts += what.released

    def step(self, op: int, n: int) -> None:
        lost, some = "" if n % 3 else "the login is dead", tuple(NAMES[: n % 3])
        match op:
            case 16:
                self.give(BrokerSession(mono=self.mono, lost=lost, orders_refused=bool(lost and n % 2)))
            case 17:
                self.give(ClockApart(mono=self.mono, offset=0 if n % 2 else (n - 500) * SECOND))
            case 18:
                self.give(Frozen(symbols=some, mono=self.mono))
            case 19:
                allows = list(DiskAllows)[n % 3]
                reason = "" if allows is DiskAllows.ALL else "the disk is full"
                self.give(SpaceLeft(mono=self.mono, allows=allows, reason=reason))
            case 20 if self.accepted:
                request = self.accepted[0]
                shown = self.shown(request, VenueStatus.OPEN)
                filled = min(request.quantity, Decimal(n % 5))
                self.give(OrderSeen(order=msgspec.structs.replace(shown, filled=filled), mono=self.mono))
            case 21 if not self._is_fast and n % 4 == 0:
                self._start_again()
            case _:
                super().step(op, n)

    def _start_again(self) -> None:
        # What was not sent lapses, as the journal's recovery has it.
        known = seam.view(self._desk)
        for request in self.waiting:
            lapsed = OrderFact(order_id=request.order_id, event=OrderEvent.LAPSED, at=self.at, mono=self.mono)
            self._facts.append(lapsed)
        self.waiting.clear()
        self.at, self.mono = self.at + SECOND, self.mono + SECOND
        self.desk = None
        self._desk.recover(
            self._facts, adopted=(), halted="", opens_at=OPEN, halts=known["halts"], flattened=known["flattened"],
            best={},
        )  # fmt: skip
        self.give(Tick(at=self.at, mono=self.mono))
        orders = tuple(self.shown(request, VenueStatus.OPEN) for request in self.accepted)
        books = Books(asked_at=self.mono, orders=orders, executions=(), positions=(), cash=Decimal(50_000))
        self.follow(list(self._desk.adopt(books)))
        self.quote(range(len(NAMES)), [0] * len(NAMES))

    @property
    def desk(self) -> Any:
        return self._desk

    @desk.setter
    def desk(self, _: Any) -> None:
        tapes: tuple[list[Any], list[Any]] = [], []
        look = Look(lambda: self.reason)
        self._lives += 1
        own = {"universe": self.universe, "killed": look, "id_prefix": f"T{self._lives}", "venue": VENUE}
        values = self._values | own
        if self._is_fast:
            present, frozen = seam.build_fast(**values, at_once=False), frozen_seam.build(**values)
        else:
            present = seam.build(**values, append=tapes[0].append)
            frozen = frozen_seam.build(**values, append=tapes[1].append)
        handle = _fast if self._is_fast else _plain
        self._desk = seam.Stand(
            Pair(present, frozen, look=look, heard=self._heard, tapes=tapes, handle=handle, handle_frozen=self._long)
        )

    def _long(self, own: Any, desk: Any, message: Any) -> Sequence[Any]:
        with own.only_long_ways(desk):
            said: Sequence[Any] = own.handle(desk, message)
        return [what for what in said if not (self._is_fast and isinstance(what, Trailing))]


def _fast(own: Any, desk: Any, message: Any) -> list[Any]:
    return list(own.handle_fast(desk, message))


def _plain(own: Any, desk: Any, message: Any) -> list[Any]:
    return list(own.handle(desk, message))


def play_random_day(seed: int, heard: Heard) -> None:
    """Play the random day of a seed, once for each way; the first difference is in `heard`, and raised."""
    dice = np.random.default_rng(seed)
    limits, rules = ({name: of[int(dice.integers(len(of)))] for name, of in table.items()} for table in (LIMITS, RULES))
    settings = seam.plain(SETTINGS) | rules
    count = int(dice.integers(*STEPS))
    steps = list(zip(dice.choice(OPS, count).tolist(), dice.integers(1000, size=count).tolist(), strict=True))
    for is_fast in (False, True):
        day = OracleDay(limits, settings, heard, is_fast=is_fast)
        for op, n in steps:
            if op in (4, 5) and n % 4:  # most signals come with fresh quotes
                day.quote(range(len(NAMES)), [0] * len(NAMES))
            day.step(op, n)
