"""The history of one order from the journal: its signal, the gate's checks, every event and the state after it."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import NamedTuple

import msgspec

from tradebot.domain.messages import Signal, Signals
from tradebot.domain.order import Order, OrderEvent, OrderEventType, OrderState
from tradebot.domain.order_reducer import apply_event, open_order
from tradebot.errors import DataError, StateError
from tradebot.journal.reader import read_rows

ANSWER_EVENTS = (OrderEventType.ACCEPTED, OrderEventType.REFUSED, OrderEventType.AMBIGUOUS, OrderEventType.NOT_SENT)


class OrderHistoryStep(NamedTuple):
    """One event of an order, the `seq` of its row, and the state of the order after it."""

    seq: int
    event: OrderEvent
    state: OrderState


class OrderHistory(NamedTuple):
    """All that the journal holds about one order; `signal` is None for an order without a signal."""

    run: str
    order: Order
    steps: tuple[OrderHistoryStep, ...]
    signal: Signal | None

    @property
    def first_event(self) -> OrderEvent:
        """Return the event that opened the order."""
        return self.steps[0].event

    def latencies_ns(self) -> dict[str, int]:
        """Return the known latencies in ns, by name.

        The names are quote_to_signal, signal_to_decision, decision_to_sending, sending_to_answer and quote_to_answer.
        """
        request = self.order.request
        sent = next((s.event.mono for s in self.steps if s.event.type is OrderEventType.SENDING), 0)
        answered = next((s.event.mono for s in self.steps if s.event.type in ANSWER_EVENTS), 0)
        spans = {
            "quote_to_signal": (request.quoted_at, request.signaled_at),
            "signal_to_decision": (request.signaled_at, request.decided_at),
            "decision_to_sending": (request.decided_at, sent),
            "sending_to_answer": (sent, answered),
            "quote_to_answer": (request.quoted_at, answered),
        }
        # A monotonic time of 0 was not recorded.
        return {name: end - start for name, (start, end) in spans.items() if 0 < start <= end}


class _Id(msgspec.Struct):
    order_id: str


def read_order_history(path: Path, order_id: str) -> OrderHistory:
    """Return the history of an order; the first part of its id is sufficient where only one order has it.

    Raises DataError naming the nearest ids when no order, or more than one, matches; StateError for a bad journal.
    """
    found = list(read_rows(path, order_id=order_id))
    ids = dict.fromkeys(_order_id(row.body) for row in found)
    if not ids:
        raise DataError(_unknown(path, order_id))
    if order_id not in ids and len(ids) > 1:
        some = ", ".join(list(ids)[:5])
        raise DataError(f"{len(ids)} orders begin with {order_id}: {some}{', ...' if len(ids) > 5 else ''}")
    meant = order_id if order_id in ids else next(iter(ids))
    order: Order | None = None
    steps: list[OrderHistoryStep] = []
    run = ""
    for row in found:
        event = row.message
        assert isinstance(event, OrderEvent)
        if event.order_id != meant:
            continue
        if order is None and event.request is None:
            raise StateError(f"row {row.seq} speaks of the order {meant}, which no row before it begins")
        order, run = (open_order(event), row.run) if order is None else (apply_event(order, event), run)
        steps.append(OrderHistoryStep(row.seq, event, order.state))
    assert order is not None
    return OrderHistory(run=run, order=order, steps=tuple(steps), signal=_signal(path, run, order.request.signal_id))


def _signal(path: Path, run: str, signal_id: str) -> Signal | None:
    if not signal_id:
        return None
    for row in read_rows(path, kinds=("signals",), run=run):
        if signal_id.encode() in row.body and isinstance(message := row.message, Signals):
            for signal in message.signals:
                if signal.signal_id == signal_id:
                    return signal
    return None


def _order_id(body: bytes) -> str:
    return msgspec.json.decode(body, type=_Id).order_id


def _unknown(path: Path, order_id: str) -> str:
    ids = list(dict.fromkeys(_order_id(row.body) for row in read_rows(path, kinds=("order",))))
    if not ids:
        return f"there is no order {order_id}: the journal holds none"
    near = difflib.get_close_matches(order_id, ids, n=3, cutoff=0.5) or ids[-3:]
    return f"there is no order {order_id} in the journal; near it: {', '.join(near)}"
