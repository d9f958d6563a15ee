"""The guards of open positions: stop, trailing stop and target of each, and the best price that it saw."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tradebot.clock import MILLISECOND
from tradebot.domain.messages import TrailingStopPrices
from tradebot.domain.order import OrderPurpose, OrderRequest, Side

REPORT_INTERVAL_NS = 950 * MILLISECOND  # with the tick that writes them down no best price is older than a second


class LevelHit(NamedTuple):
    """A protective level that the last price reached."""

    purpose: OrderPurpose
    reason: str


class ProtectiveLevels(NamedTuple):
    """What guards a position: prices, the distance of a trailing stop, and the best price it saw so far."""

    is_long: bool
    stop: Decimal | None
    trail_by: Decimal | None
    target: Decimal | None
    best: Decimal | None

    @property
    def current_levels(self) -> dict[str, Decimal]:
        """What guards the position now, by name: its stop, where the trailing one has moved to, its target."""
        trail = None
        if self.trail_by is not None and self.best is not None:
            trail = self.best - self.trail_by if self.is_long else self.best + self.trail_by
        found = {"stop": self.stop, "trail": trail, "target": self.target}
        return {name: level for name, level in found.items() if level is not None}


class _PositionStop:
    __slots__ = ("best", "is_long", "order_id", "stop", "target", "trail_by")

    def __init__(self, request: OrderRequest) -> None:
        self.order_id = request.order_id
        self.is_long = request.side is Side.BUY
        self.stop, self.trail_by, self.target = request.stop_loss, request.trail_by, request.target
        self.best: Decimal | None = None

    def level_reached(self, price: Decimal) -> tuple[OrderPurpose, Decimal] | None:
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


class PositionStops:
    """The guards of all open positions. `mask[id]` is True where one stands: a frame of quotes is sifted at once.

    `reports_trailing` is off where there is no restart to outlive. A stop is judged on the last price: between two quotes the
    market may jump past it, and the exit then fills worse.
    """

    def __init__(self, size: int) -> None:
        self.mask: npt.NDArray[np.bool_] = np.zeros(size, dtype=bool)
        self.by_instrument: dict[int, _PositionStop] = {}  # id -> guard
        self.moved_ids: set[int] = set()  # ids whose trailing stop follows a better price than was told last
        self.reports_trailing, self._told_at = True, 0

    def set_levels(self, id_: int, request: OrderRequest) -> None:
        """Guard the position that `request` opens with its stop, trail and target; replaces one of another order."""
        if request.stop_loss is None and request.trail_by is None and request.target is None:
            if self.by_instrument:
                self.clear_levels(id_)
            return
        if id_ not in self.by_instrument or self.by_instrument[id_].order_id != request.order_id:
            self.by_instrument[id_] = _PositionStop(request)  # a further fill of one order keeps the best price seen
        self.mask[id_] = True

    def clear_levels(self, id_: int) -> None:
        if self.by_instrument.pop(id_, None) is not None:
            self.mask[id_] = False
            self.moved_ids.discard(id_)

    def trailing_updates(
        self, *, at: int, mono: int, every_ns: int = REPORT_INTERVAL_NS
    ) -> tuple[TrailingStopPrices, ...]:
        """Return what the trailing stops saw that moved, unless the last words on them are less than `every_ns` ns old."""
        if not self.moved_ids or mono - self._told_at < every_ns:
            return ()
        guards, self._told_at = [self.by_instrument[id_] for id_ in sorted(self.moved_ids)], mono
        self.moved_ids.clear()
        return (
            TrailingStopPrices(
                at=at, best_prices={guard.order_id: guard.best for guard in guards if guard.best is not None}
            ),
        )

    def restore_best(self, best: Mapping[str, Decimal]) -> None:
        """Take the best prices that an earlier run saw, by the order id of the entry; others stay as they are."""
        for guard in self.by_instrument.values():
            guard.best = best.get(guard.order_id, guard.best)

    def protective_levels(self, id_: int) -> ProtectiveLevels | None:
        """Return what guards the position of an instrument, if anything does."""
        guard = self.by_instrument.get(id_)
        if guard is None:
            return None
        return ProtectiveLevels(guard.is_long, guard.stop, guard.trail_by, guard.target, guard.best)

    def update_best(self, id_: int, best: Decimal) -> None:
        """Take the best price so far from who looked at a whole history; a trailing stop follows it."""
        self.by_instrument[id_].best = best

    def level_reached(self, id_: int, price: Decimal) -> LevelHit | None:
        """Return the level that `price` reached, if any; moves the trailing stop."""
        guard = self.by_instrument[id_]
        before = guard.best
        found = guard.level_reached(price)
        if self.reports_trailing and guard.trail_by is not None and guard.best is not before:
            self.moved_ids.add(id_)
        if found is None:
            return None
        purpose, level = found
        return LevelHit(purpose, f"{purpose} at {level.normalize():f}, last {price}")
