"""Five accounts of one symbol each, their bars, and a strategy that hangs and tells in which process."""

from __future__ import annotations

import os
import threading

import msgspec

from tests.backtest.bars_by_hand import job, random_bars
from tradebot.backtest.job import Bill, Costs, Job
from tradebot.strategies.loading import load_strategy
from tradebot.strategies.strategy import Strategy

SYMBOLS = ("ACME", "BOLT", "CRAB", "DUNE", "ECHO")
EACH = job(
    load_strategy("ema_cross", {"trend": 0.0}), symbols=SYMBOLS, shared=False, costs=Costs(bill=Bill.INDIA)
)  # fmt: skip


class Hanging(Strategy):
    """Tells in which process it runs, and never decides."""

    def decide(self, bar, now, position):
        os.write(1, f"{os.getpid()}\n".encode())
        threading.Event().wait()

    @staticmethod
    def job() -> Job:
        return msgspec.structs.replace(EACH, strategies=(load_strategy(f"{__file__}:Hanging"),))


def bars(*, ragged: bool = False) -> dict:
    return {name: random_bars(n, 600 - 37 * n * ragged, symbol=name) for n, name in enumerate(SYMBOLS)}
