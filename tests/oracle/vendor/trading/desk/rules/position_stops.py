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

# With the tick until it is written, no recorded best price is older than a second.
REPORT_INTERVAL_NS = 950 * MILLISECOND


class LevelHit(NamedTuple):
    """A stop, trailing stop or target that the last price reached."""

    purpose: OrderPurpose
    reason: str


class ProtectiveLevels(NamedTuple):
    """The levels that protect a position: the prices of its stop and target, and its trailing stop.

    A trailing stop is the distance `trail_by` from `best`, the best price since the entry.
    """

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
        levels = {"stop": self.stop, "trail": trail, "target": self.target}
        return {name: level for name, level in levels.items() if level is not None}


class _PositionStop:
    __slots__ = ("best", "is_long", "order_id", "stop", "target", "trail_by")

    def __init__(self, request: OrderRequest) -> None:
        self.order_id = request.order_id
        self.is_long = request.side is Side.BUY
        self.stop, self.trail_by, self.target = request.stop_loss, request.trail_by, request.target
        self.best: Decimal | None = None

    def level_reached(self, price: Decimal) -> tuple[OrderPurpose, Decimal] | None:
        """Return the level that `price` reached as (purpose, level), None without one.

        Moves the best price first. If `price` reaches several levels, the stop counts before the trailing stop, and
        that before the target.
        """
        if self.best is None or (price > self.best if self.is_long else price < self.best):
            self.best = price
        sign = 1 if self.is_long else -1  # (price - level) * sign is positive on the winning side of a level
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
    """The stops, trailing stops and targets of all open positions, by instrument.

    `mask[id]` is True for an instrument with a level, so that a frame of quotes is filtered in one step.
    `reports_trailing` is False where no restart needs the best prices, as in a backtest. A stop is judged on the last
    price. Between two quotes the market may jump past it; the exit then fills worse.
    """

    def __init__(self, size: int) -> None:
        self.mask: npt.NDArray[np.bool_] = np.zeros(size, dtype=bool)
        self.by_instrument: dict[int, _PositionStop] = {}  # instrument id -> its levels
        self.moved_ids: set[int] = set()  # instrument ids whose best price has moved since it was last reported
        self.reports_trailing, self._reported_mono = True, 0

    def set_levels(self, id_: int, request: OrderRequest) -> None:
        """Set the levels of a position to those of `request`, the entry that was filled.

        They replace the levels of another order. A further fill of the same order keeps the best price. An entry
        without levels removes those of the instrument.
        """
        if request.stop_loss is None and request.trail_by is None and request.target is None:
            if self.by_instrument:  # saves the call where no position has levels
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
        if not self.moved_ids or mono - self._reported_mono < every_ns:
            return ()
        stops, self._reported_mono = [self.by_instrument[id_] for id_ in sorted(self.moved_ids)], mono
        self.moved_ids.clear()
        return (
            TrailingStopPrices(
                at=at, best_prices={stop.order_id: stop.best for stop in stops if stop.best is not None}
            ),
        )

    def restore_best(self, best: Mapping[str, Decimal]) -> None:
        """Restore the best prices of an earlier run: order id of the entry -> price. Other best prices stay."""
        for stop in self.by_instrument.values():
            stop.best = best.get(stop.order_id, stop.best)

    def protective_levels(self, id_: int) -> ProtectiveLevels | None:
        """Return the levels that protect the position in an instrument, None without any."""
        stop = self.by_instrument.get(id_)
        if stop is None:
            return None
        return ProtectiveLevels(stop.is_long, stop.stop, stop.trail_by, stop.target, stop.best)

    def update_best(self, id_: int, best: Decimal) -> None:
        """Set the best price so far, for a caller that scanned a whole history; a trailing stop follows it."""
        self.by_instrument[id_].best = best

    def level_reached(self, id_: int, price: Decimal) -> LevelHit | None:
        """Return the level that `price` reached, None without one; move the trailing stop.

        Raises KeyError for an instrument without levels.
        """
        stop = self.by_instrument[id_]
        before = stop.best
        reached = stop.level_reached(price)
        # A best price that has not moved is the same object.
        if self.reports_trailing and stop.trail_by is not None and stop.best is not before:
            self.moved_ids.add(id_)
        if reached is None:
            return None
        purpose, level = reached
        return LevelHit(purpose, f"{purpose} at {level.normalize():f}, last {price}")
