"""What is around a desk for a random day: prices, the clock, a session, and a small venue."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np

from tests.oracle.dice import Dice
from tests.oracle.small_venue import SmallVenue
from tests.trading.desk.recorded_day import OPEN
from tradebot.clock import SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarBatch, Quotes
from tradebot.domain.messages import (
    Cancel,
    ClockTick,
    EarlySessionEnd,
    Modify,
    SessionBegins,
    Submit,
)
from tradebot.domain.order import (
    OrderRequest,
)

D = Decimal


class Surroundings:
    """A desk's surroundings for a day. Who fills it in gives messages to desks and takes what they say."""

    def __init__(self, dice: Dice, universe: Universe, *, product: str, is_fast: bool) -> None:
        self.dice, self.universe, self.product, self.is_fast = dice, universe, product, is_fast
        self.venue = SmallVenue()
        self.at, self.mono, self.opens_at, self.reason = OPEN, 1_000 * SECOND, OPEN, ""
        self.prices = np.array([1000 * 10**i.price_decimals for i in universe])
        self.waiting: list[OrderRequest] = []  # decided and not sent
        self.cancels: list[Cancel] = []  # not answered
        self.changes: list[Modify] = []
        self.ghosts: list[OrderRequest] = []  # of which we think, or may think, that they are not at the venue

    def leave_out(self, count: int) -> None:
        """Let the universe have some instruments fewer, whatever is held of them."""
        some = self.dice.some(len(self.universe), len(self.universe) - count)
        self.prices, self.universe = self.prices[some], Universe([self.universe[id_] for id_ in some])

    def give(self, message: Any) -> None:
        raise NotImplementedError

    def view(self) -> dict[str, Any]:
        raise NotImplementedError

    def start_again(self) -> None:
        raise NotImplementedError

    def told(self, batch: BarBatch) -> None:
        raise NotImplementedError

    def take(self, what: Any) -> None:
        """Take what the desk wants done."""
        match what:
            case Submit():
                self.waiting.append(what.request)
            case Cancel():
                self.cancels.append(what)
            case Modify():
                self.changes.append(what)

    # ---- the market and the clock

    def pass_(self, seconds: float) -> None:
        """Let time go by, and a tick tell of it."""
        self.at, self.mono = self.at + int(seconds * SECOND), self.mono + int(seconds * SECOND)
        self.give(ClockTick(at=self.at, mono=self.mono))

    def soon(self) -> None:
        self.pass_(self.dice.choice((0.05, 0.2, 1.0)))

    def later(self) -> None:
        self.pass_(self.dice.choice((3.0, 5.0, 7.0, 21.0)))
        self.everywhere()

    def much_later(self) -> None:
        self.pass_(self.dice.choice((65.0, 601.0, 2000.0)))
        self.look()

    def quote(self, ids: Iterable[int], move: int = 0, spread: tuple[int, int] = (5, 5)) -> None:
        """Quote instruments, moved by up to `move` thousandths of a percent; bid and ask lie `spread` units away."""
        ids = np.array(list(ids), dtype=np.int64)
        if not len(ids):  # a universe of three has no fourth
            return
        self.mono += SECOND // 50
        steps = [self.dice.between(-move, move) for _ in ids]
        self.prices[ids] += self.prices[ids] * steps // 100_000
        last, none = self.prices[ids].copy(), np.zeros(len(ids), dtype=np.int64)
        below, above = spread
        quotes = Quotes(
            source="kite", seen_at=self.mono, ids=ids, sent_at=none + self.at, last=last, volume=none,
            bid=np.maximum(last - below, 0), ask=last + above, bid_size=none + 9, ask_size=none + 9,
        )  # fmt: skip
        self.give(quotes)

    def some(self) -> None:
        count = self.dice.between(1, len(self.universe))
        self.quote(self.dice.some(len(self.universe), count), self.dice.choice((50, 300, 2000)))

    def everywhere(self) -> None:
        self.quote(range(len(self.universe)), 30)

    def price(self, symbol: str) -> Decimal:
        if symbol not in self.universe:
            return D(1000)
        return self.universe.instrument_of(symbol).price_from_units(int(self.prices[self.universe.id_of(symbol)]))

    def begin_session(self) -> None:
        """Tell the times of the day; of a few symbols another end."""
        closes_at = self.opens_at + 22_500 * SECOND
        early = closes_at - 3_600 * SECOND
        ending = EarlySessionEnd(
            closes_at=early, entries_until=early - 1_200 * SECOND, square_off_at=early - 900 * SECOND, symbols=("A",)
        )
        self.give(
            SessionBegins(
                opens_at=self.opens_at, closes_at=closes_at, entries_until=closes_at - 1_200 * SECOND,
                square_off_at=closes_at - 900 * SECOND, early_ends=(ending,) * self.dice.below(2),
            )
        )  # fmt: skip
