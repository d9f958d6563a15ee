"""The stop, trailing stop and target of each open position, and its best price so far."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tradebot.clock import MILLISECOND
from tradebot.domain.messages import TrailingStopPrices
from tradebot.domain.order import OrderPurpose, OrderRequest, Side

REPORT_INTERVAL_NS = 950 * MILLISECOND  # plus a tick until it is written: no recorded best price is older than a second


class LevelHit(NamedTuple):
    """A stop, trailing stop or target that the last price reached."""

    purpose: OrderPurpose
    reason: str


class ProtectiveLevels(NamedTuple):
    """The levels that protect a position: prices, the distance of its trailing stop, and its best price so far."""

    is_long: bool
    stop: Decimal | None
    trail_by: Decimal | None
    target: Decimal | None
    best: Decimal | None

    @property
    def current_levels(self) -> dict[str, Decimal]:
        """Return name -> price of the levels in force now: `stop`, `trail` (where it has moved to) and `target`."""
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
        """Return the level that `price` reached as (purpose, level), None without one; move the best price."""
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
    """The stops and targets of all open positions.

    `mask[id]` is True for an instrument with a level, so that a frame of quotes is filtered in one step.
    `reports_trailing` is False where no restart needs the best prices. A stop is judged on the last price. Between two
    quotes the market may jump past it; the exit then fills worse.
    """

    def __init__(self, size: int) -> None:
        self.mask: npt.NDArray[np.bool_] = np.zeros(size, dtype=bool)
        self.by_instrument: dict[int, _PositionStop] = {}  # instrument id -> its levels
        self.moved_ids: set[int] = set()  # instrument ids whose best price has moved since it was last reported
        self.reports_trailing, self._told_at = True, 0

    def set_levels(self, id_: int, request: OrderRequest) -> None:
        """Set the stop, trailing stop and target of the order that opens a position.

        The levels of another order are replaced. A further fill of the same order keeps the best price.
        """
        if request.stop_loss is None and request.trail_by is None and request.target is None:
            if self.by_instrument:
                self.clear_levels(id_)
            return
        if id_ not in self.by_instrument or self.by_instrument[id_].order_id != request.order_id:
            self.by_instrument[id_] = _PositionStop(request)
        self.mask[id_] = True

    def clear_levels(self, id_: int) -> None:
        """Remove the levels of an instrument, if it has any."""
        if self.by_instrument.pop(id_, None) is not None:
            self.mask[id_] = False
            self.moved_ids.discard(id_)

    def trailing_updates(
        self, *, at: int, mono: int, every_ns: int = REPORT_INTERVAL_NS
    ) -> tuple[TrailingStopPrices, ...]:
        """Return the best prices of the trailing stops that moved; none if the last report is younger than `every_ns`.

        `at` is market ns, `mono` monotonic ns.
        """
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
        """Restore the best prices of an earlier run: order id of the entry -> price. Other best prices stay."""
        for guard in self.by_instrument.values():
            guard.best = best.get(guard.order_id, guard.best)

    def protective_levels(self, id_: int) -> ProtectiveLevels | None:
        """Return the levels that protect the position in an instrument, None without any."""
        guard = self.by_instrument.get(id_)
        if guard is None:
            return None
        return ProtectiveLevels(guard.is_long, guard.stop, guard.trail_by, guard.target, guard.best)

    def update_best(self, id_: int, best: Decimal) -> None:
        """Set the best price so far, for a caller that scanned a whole history; a trailing stop follows it."""
        self.by_instrument[id_].best = best

    def level_reached(self, id_: int, price: Decimal) -> LevelHit | None:
        """Return the level that `price` reached, None without one; move the trailing stop."""
        guard = self.by_instrument[id_]
        before = guard.best
        found = guard.level_reached(price)
        if self.reports_trailing and guard.trail_by is not None and guard.best is not before:
            self.moved_ids.add(id_)
        if found is None:
            return None
        purpose, level = found
        return LevelHit(purpose, f"{purpose} at {level.normalize():f}, last {price}")
