"""The guards of open positions: stop, trailing stop and target of each, and the best price that it saw."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tradebot.clock import MILLISECOND
from tradebot.domain.messages import TrailingStopPrices
from tradebot.domain.order import OrderRequest, OrderPurpose, Side

TOLD_EVERY = 950 * MILLISECOND  # with the tick that writes them down no best price is older than a second


class Hit(NamedTuple):
    """A protective level that the last price reached."""

    purpose: OrderPurpose
    reason: str


class Levels(NamedTuple):
    """What guards a position: prices, the distance of a trailing stop, and the best price it saw so far."""

    is_long: bool
    stop: Decimal | None
    trail_by: Decimal | None
    target: Decimal | None
    best: Decimal | None

    @property
    def told(self) -> dict[str, Decimal]:
        """What guards the position now, by name: its stop, where the trailing one has moved to, its target."""
        trail = None
        if self.trail_by is not None and self.best is not None:
            trail = self.best - self.trail_by if self.is_long else self.best + self.trail_by
        found = {"stop": self.stop, "trail": trail, "target": self.target}
        return {name: level for name, level in found.items() if level is not None}


class _Guard:
    __slots__ = ("best", "is_long", "order_id", "stop", "target", "trail_by")

    def __init__(self, request: OrderRequest) -> None:
        self.order_id = request.order_id
        self.is_long = request.side is Side.BUY
        self.stop, self.trail_by, self.target = request.stop_loss, request.trail_by, request.target
        self.best: Decimal | None = None

    def judge(self, price: Decimal) -> tuple[OrderPurpose, Decimal] | None:
        if self.best is None or (price > self.best if self.is_long else price < self.best):
            self.best = price
        sign = 1 if self.is_long else -1
        if self.stop is not None and (price - self.stop) * sign <= 0:
            return OrderPurpose.STOP, self.stop
        if self.trail_by is not None:
            trail = self.best - sign * self.trail_by
            if (price - trail) * sign <= 0:
                return OrderPurpose.TRAIL, trail
        if self.target is not None and (price - self.target) * sign >= 0:
            return OrderPurpose.TARGET, self.target
        return None


class Guards:
    """The guards of all open positions. `mask[id]` is True where one stands: a frame of quotes is sifted at once.

    `tells` is off where there is no restart to outlive. A stop is judged on the last price: between two quotes the
    market may jump past it, and the exit then fills worse.
    """

    def __init__(self, size: int) -> None:
        self.mask: npt.NDArray[np.bool_] = np.zeros(size, dtype=bool)
        self.standing: dict[int, _Guard] = {}  # id -> guard
        self.moved: set[int] = set()  # ids whose trailing stop follows a better price than was told last
        self.tells, self._told_at = True, 0

    def set(self, id_: int, request: OrderRequest) -> None:
        """Guard the position that `request` opens with its stop, trail and target; replaces one of another order."""
        if request.stop_loss is None and request.trail_by is None and request.target is None:
            if self.standing:
                self.clear(id_)
            return
        if id_ not in self.standing or self.standing[id_].order_id != request.order_id:
            self.standing[id_] = _Guard(request)  # a further fill of one order keeps the best price seen
        self.mask[id_] = True

    def clear(self, id_: int) -> None:
        if self.standing.pop(id_, None) is not None:
            self.mask[id_] = False
            self.moved.discard(id_)

    def told(self, *, at: int, mono: int, every: int = TOLD_EVERY) -> tuple[TrailingStopPrices, ...]:
        """Return what the trailing stops saw that moved, unless the last words on them are less than `every` ns old."""
        if not self.moved or mono - self._told_at < every:
            return ()
        guards, self._told_at = [self.standing[id_] for id_ in sorted(self.moved)], mono
        self.moved.clear()
        return (TrailingStopPrices(at=at, best_prices={guard.order_id: guard.best for guard in guards if guard.best is not None}),)

    def recover(self, best: Mapping[str, Decimal]) -> None:
        """Take the best prices that an earlier run saw, by the order id of the entry; others stay as they are."""
        for guard in self.standing.values():
            guard.best = best.get(guard.order_id, guard.best)

    def levels(self, id_: int) -> Levels | None:
        """Return what guards the position of an instrument, if anything does."""
        guard = self.standing.get(id_)
        if guard is None:
            return None
        return Levels(guard.is_long, guard.stop, guard.trail_by, guard.target, guard.best)

    def saw(self, id_: int, best: Decimal) -> None:
        """Take the best price so far from who looked at a whole history; a trailing stop follows it."""
        self.standing[id_].best = best

    def judge(self, id_: int, price: Decimal) -> Hit | None:
        """Return the level that `price` reached, if any; moves the trailing stop."""
        guard = self.standing[id_]
        before = guard.best
        found = guard.judge(price)
        if self.tells and guard.trail_by is not None and guard.best is not before:
            self.moved.add(id_)
        if found is None:
            return None
        purpose, level = found
        return Hit(purpose, f"{purpose} at {level.normalize():f}, last {price}")
