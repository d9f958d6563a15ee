"""The desk of a backtest: its caller knows that nothing else waits and keeps no tape, so it asks for what it needs.

`at_once` is for one without latency: an order is at the exchange, under our id, in the moment it is decided; of its
common course nothing is told but the order itself, and when it was filled nobody asks for it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tradebot.domain.messages import Signal, Submit
from tradebot.domain.order import Execution, OrderRequest
from tests.oracle.vendor.domain.order_course import fills_whole, placed
from tests.oracle.vendor.trading.desk.desk import Desk, DeskOutput

NOTHING: tuple[DeskOutput, ...] = ()


class DirectDesk(Desk):
    """A desk that takes some messages as calls; what they return is what `apply` of the message does."""

    def __init__(self, *, at_once: bool, **parts: Any) -> None:
        super().__init__(keeps_ended=not at_once, **parts)
        self._at_once, self.protection.tells = at_once, False

    def move_to(self, at: int) -> None:
        """Let it be market and monotonic time `at`, without a tick."""
        c = self.conditions
        c.now = c.mono = at
        if self._exposure.held:
            self.blotter.release(at)

    def tick(self, at: int, mono: int) -> Sequence[DeskOutput]:
        """Take a Tick."""
        self._out = []
        self._clock(at, mono)
        if self.reversals.waiting:
            self.reversals.follow()
        return self._out

    def decide(self, signals: Iterable[Signal]) -> Sequence[DeskOutput]:
        """Take Signals."""
        self._out = []
        for signal in signals:
            self._acting.take(signal)
        return self._out

    def touch(self, id_: int, units: int) -> Sequence[DeskOutput]:
        """Hold one last price against the guard of its instrument; for who knows prices and has no quotes."""
        self._out = []
        self.exits.judge(id_, units, quoted_at=self.conditions.mono)
        return self._out

    def waited(self, order_id: str, mono: int) -> None:
        """Let an order that nothing could fill until `mono` count as acknowledged then: it does not hang by that."""
        order = self.blotter.orders[order_id]
        if order.times.acked_mono:
            times = msgspec.structs.replace(order.times, acked_mono=mono)
            self.blotter.orders[order_id] = msgspec.structs.replace(order, times=times)

    def exit_again(self, symbol: str) -> Sequence[DeskOutput]:
        """Send the exit of a symbol at its open, as the first tick would that sees it."""
        self._out = []
        self.exits.again(symbol)
        return self._out

    def book(self, execution: Execution, mono: int) -> Sequence[DeskOutput]:
        """Take Executed."""
        if self._at_once:
            order = self.blotter.orders.get(execution.venue_order_id)
            if order is not None and fills_whole(order, execution):
                self.blotter.close(order, execution)
                if not self.reversals.waiting:
                    self._filled(order)
                    return NOTHING
                self._out = []
                self._filled(order)
                self.reversals.follow()
                return self._out
        self._out = []
        self._executed(execution, mono)
        if self.reversals.waiting:
            self.reversals.follow()
        return self._out

    def _intend(
        self, request: OrderRequest, checks: tuple[str, ...], inputs: dict[str, float], reference: Decimal | None
    ) -> None:  # fmt: skip
        if not self._at_once:
            super()._intend(request, checks, inputs, reference)
            return
        self.blotter.place(placed(request, at=self.conditions.now, mono=self.conditions.mono))
        self._out.append(Submit(request=request))
