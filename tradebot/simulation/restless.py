"""A strategy that trades often and at random, by a hash of its seed: the load of a simulated day."""

from __future__ import annotations

from decimal import Decimal
from zlib import crc32

from tradebot.domain.market import Bar
from tradebot.domain.messages import Action
from tradebot.strategies.strategy import Holding, Intent, Param, Strategy


class Restless(Strategy):
    """Enter and exit at random, on `entries` and `exits` of a thousand bars, sometimes with a stop or a target.

    With `trails` most entries have a trailing stop, and the others a stop on the wrong side of the price.
    """

    seed = Param(1, low=0)
    entries = Param(500, low=0, high=1000)
    exits = Param(500, low=0, high=1000)
    trails = Param(False)

    def decide(self, bar: Bar, now: int, position: Holding) -> Intent | None:
        chance = crc32(f"{self.seed} {bar.symbol} {now}".encode())
        pick, fate = chance % 1000, chance // 1000 % 1000
        close = Decimal(str(bar.close))
        if not position.is_flat:
            return Intent(action=Action.EXIT_LONG) if pick < self.exits else None
        if pick >= self.entries:
            return None
        stop = close * Decimal("0.997") if fate < 300 else None
        target = close * Decimal("1.003") if 200 < fate < 500 else None
        trail = close * Decimal("0.002") if 600 < fate < 700 else None
        if self.trails:
            stop = close * Decimal("1.004") if fate < 100 else None
            target, trail = None, close * Decimal("0.0008") if fate >= 100 else None
        return Intent(action=Action.ENTER_LONG, stop_loss=stop, target=target, trail_by=trail)
