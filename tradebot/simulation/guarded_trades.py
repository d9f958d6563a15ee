"""The strategy of a day with resting stops: it trades at random like `Restless`, and guards most of its entries.

A class of its own, because the parameters of a strategy stand in the journal: a day without stops keeps its bytes.
"""

from __future__ import annotations

from decimal import Decimal
from zlib import crc32

from tradebot.domain.market import Bar
from tradebot.domain.messages import Action
from tradebot.simulation.restless import Restless
from tradebot.strategies.strategy import Holding, Intent, Param

EXITS_PART = 6  # of the exits that `Restless` signals, one in so many
DISTANCES = tuple(Decimal(part) for part in ("0.0004", "0.0008", "0.0015", "0.003"))  # of stops, as parts of the price


class GuardedTrades(Restless):
    """Enter and exit at random, with a stop, a trailing stop or both for `guarded` of a thousand entries.

    Some levels are reached within some bars, others seldom. Some entries have a target.
    """

    guarded = Param(900, low=0, high=1000)

    def decide(self, bar: Bar, now: int, position: Holding) -> Intent | None:
        """Return what `Restless` signals, with levels of its own; most of its exits are left out."""
        drawn = super().decide(bar, now, position)
        luck = crc32(f"stops {self.seed} {bar.symbol} {now}".encode())
        if drawn is None:
            return None
        if not position.is_flat:
            return drawn if luck % EXITS_PART == 0 else None
        stop, trail, target = self._draw_levels(Decimal(str(bar.close)), luck // EXITS_PART)
        return Intent(action=Action.ENTER_LONG, stop_loss=stop, trail_by=trail, target=target)

    def _draw_levels(self, close: Decimal, luck: int) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
        if luck % 1000 >= self.guarded:
            return None, None, None
        luck //= 1000
        distance = close * DISTANCES[luck % len(DISTANCES)]
        kind, has_target = luck // 4 % 3, luck // 12 % 5 == 0
        return (
            close - distance if kind != 1 else None,
            distance if kind != 0 else None,
            close + 2 * distance if has_target else None,
        )
