"""The start of a desk: the journal's facts, given to the parts that remember something of them; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable

from tradebot.domain.messages import Released
from tradebot.domain.order import Order, OrderEvent, OrderFact
from tests.oracle.vendor.trading.desk.blotter import Blotter
from tests.oracle.vendor.trading.desk.breaker import Breaker
from tests.oracle.vendor.trading.desk.conditions import Conditions
from tests.oracle.vendor.trading.desk.exits import Exits
from tests.oracle.vendor.trading.desk.gate.gate import Gate
from tests.oracle.vendor.trading.desk.shortfalls import Shortfalls
from tests.oracle.vendor.trading.desk.worth import Worth


class Start:
    """Rebuilds what a desk knew: orders and positions, what is to be closed, and the counters of the day."""

    def __init__(
        self, *, blotter: Blotter, worth: Worth, conditions: Conditions, shortfalls: Shortfalls, exits: Exits,
        breaker: Breaker, gate: Gate,
    ) -> None:  # fmt: skip
        self._blotter, self._worth, self._conditions, self._shortfalls = blotter, worth, conditions, shortfalls
        self._exits, self._breaker, self._gate = exits, breaker, gate

    def take(self, facts: Iterable[OrderFact | Released], *, opens_at: int) -> None:
        """Take all facts so far, in their order; the day and its counters begin at `opens_at` (market ns)."""
        for fact in facts:
            if isinstance(fact, Released):
                self._blotter.give_up(fact)
                self._exits.gone(fact.key.symbol)
                if fact.at < opens_at:
                    self._worth.begin_day(is_marked=False)
                continue
            before = self._blotter.orders.get(fact.order_id)
            order = self._blotter.record(fact)
            if fact.at < opens_at:
                self._worth.begin_day(is_marked=False)
            else:
                self._breaker.heard(before, fact, order)  # what it trips was halted then
                self._recall(order, fact)
            self._shortfalls.note(order, fact, self._conditions.mono)
            if fact.event is OrderEvent.EXECUTED and not order.is_external:
                self._exits.filled(order.request)
            if not order.is_live and order.request.purpose.is_exit and (before is None or before.is_live):
                # What it was for, or was held back by the gate, is still wanted, unless a later fill made it flat.
                self._exits.ended(order)

    def _recall(self, order: Order, fact: OrderFact) -> None:
        # What passed the gate today, by an earlier process, counts for the limits of the day.
        is_change = fact.event is OrderEvent.REPLACE_SENT
        if (is_change or fact.event is OrderEvent.INTENT) and not order.is_external:
            self._gate.recall(order.request, fact.mono, is_change=is_change)
