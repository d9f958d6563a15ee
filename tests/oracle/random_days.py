"""Random days, step by step, with limits and faults: every way of the desk held against the frozen one.

The desk that trades and the one of a backtest, each against a frozen desk that knows no short way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.oracle import seam
from tests.oracle.pair import Heard, Look, Pair
from tests.oracle.vendor import seam as frozen_seam
from tests.stages.desk.test_recording import NAMES, SETTINGS, VENUE, Day
from tradebot.domain.messages import Trailing

STEPS = 20, 100
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
    """A day that pairs live through. `is_fast` is for the desk of a backtest, which says nothing of trailing stops."""

    def __init__(self, limits: dict[str, Any], settings: dict[str, Any], heard: Heard, *, is_fast: bool) -> None:
        self._values, self._heard, self._is_fast = {"limits": limits, "settings": settings}, heard, is_fast
        super().__init__()

    @property
    def desk(self) -> Any:
        return self._desk

    @desk.setter
    def desk(self, _: Any) -> None:
        tapes: tuple[list[Any], list[Any]] = [], []
        look = Look(lambda: self.reason)
        values = self._values | {"universe": self.universe, "killed": look, "id_prefix": "T1", "venue": VENUE}
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
    steps = dice.integers([[0, 0]], [[16, 1000]], (int(dice.integers(*STEPS)), 2)).tolist()
    for is_fast in (False, True):
        day = OracleDay(limits, settings, heard, is_fast=is_fast)
        for op, n in steps:
            if op in (4, 5) and n % 4:  # most signals come with fresh quotes
                day.quote(range(len(NAMES)), [0] * len(NAMES))
            day.step(op, n)
