"""The journal logger: turns journal rows into log events, one a row, once the rows are on disk."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from tradebot.clock import Clock, format_iso
from tradebot.domain.commands import CommandVerb
from tradebot.domain.halts import Halts
from tradebot.domain.message import Message
from tradebot.domain.messages import Command, EarlySessionEnd, Incident, ReconciliationResult, SessionBegins, Signals
from tradebot.domain.order import OrderEvent, OrderEventType, OrderRequest
from tradebot.markets.market import HOME_MARKET, Market
from tradebot.ops.events import orders
from tradebot.ops.events.desk import (
    DayStarted,
    DifferenceFound,
    DifferencesSettled,
    FlattenStarted,
    HaltEnded,
    HaltLifted,
    HaltRaised,
    IncidentRaised,
    PositionAdopted,
    SignalFired,
    SignalsMissed,
    SignalsTruncated,
)
from tradebot.ops.events.event import EventListener
from tradebot.ops.reminder import Reminder

ROWS_PER_TURN = 16  # rows logged in one turn of the loop: one or two milliseconds
MAX_SIGNAL_LINES = 20  # lines for one close; those of thousands of symbols would block the loop
DENIALS_EVERY_S = 60.0  # a control that keeps denying is logged once in this time, with the count
REQUESTS_REMEMBERED = 20_000  # requests kept, to name an order's symbol in later lines

EVENT_TYPES: dict[OrderEventType, type[orders.OrderTold]] = {
    OrderEventType.DENIED: orders.OrderDenied,
    OrderEventType.SENDING: orders.OrderSubmitted,
    OrderEventType.LAPSED: orders.OrderLapsed,
    OrderEventType.NOT_SENT: orders.OrderNotSent,
    OrderEventType.ACCEPTED: orders.OrderAcked,
    OrderEventType.REFUSED: orders.OrderRejected,
    OrderEventType.AMBIGUOUS: orders.OrderUnknown,
    OrderEventType.SEEN_OPEN: orders.OrderOpened,
    OrderEventType.SEEN_ACKED: orders.OrderSeen,
    OrderEventType.SEEN_FILLED: orders.OrderCompleted,
    OrderEventType.SEEN_CANCELED: orders.OrderCancelled,
    OrderEventType.SEEN_EXPIRED: orders.OrderExpired,
    OrderEventType.SEEN_REJECTED: orders.OrderRejected,
    OrderEventType.EXECUTED: orders.OrderFilled,
    OrderEventType.REVERSED: orders.FillReversed,
    OrderEventType.QUARANTINED: orders.FillDisputed,
    OrderEventType.NOT_FOUND: orders.OrderNotFound,
    OrderEventType.CANCEL_ASKED: orders.OrderCancelDeferred,
    OrderEventType.CANCEL_SENT: orders.OrderCancelSent,
    OrderEventType.CANCEL_ACCEPTED: orders.OrderCancelAccepted,
    OrderEventType.CANCEL_REFUSED: orders.OrderCancelRefused,
    OrderEventType.CANCEL_UNKNOWN: orders.OrderCancelUnknown,
    OrderEventType.REPLACE_SENT: orders.OrderReplaceSent,
    OrderEventType.REPLACED: orders.OrderReplaced,
    OrderEventType.TRIGGERED: orders.OrderTriggered,
    OrderEventType.REPLACE_REFUSED: orders.OrderReplaceRefused,
    OrderEventType.REPLACE_UNKNOWN: orders.OrderReplaceUnknown,
    OrderEventType.CHANGED: orders.OrderChanged,
    OrderEventType.LINK_LOST: orders.OrderUnconfirmed,
    OrderEventType.LINK_BACK: orders.OrderConfirmed,
    OrderEventType.DAY_ENDED: orders.OrderStranded,
}


class JournalLogger:
    """Logs rows that are on disk. `tell` takes the events; `clock` decides when a denial is logged again."""

    def __init__(self, tell: EventListener, clock: Clock) -> None:
        self._tell, self._clock = tell, clock
        self._denials = Reminder(first_s=DENIALS_EVERY_S, longest_s=DENIALS_EVERY_S)
        self._requests: dict[str, OrderRequest] = {}  # order_id -> request
        self._differences: tuple[str, ...] = ()
        self._untold: deque[tuple[int, str, Message]] = deque()
        self._halts, self._opens_at = Halts(), 0
        self.market = HOME_MARKET  # gives the time zone of session times; set once the instruments are known
        self._close, self._shown = 0, 0  # end of the newest close with signals (market ns), and its signals logged

    def log_rows(self, rows: Sequence[tuple[int, str, Message]]) -> None:
        """Log rows that were just written to disk, in their order."""
        for _, _, message in rows:
            if isinstance(message, Command):
                self._halts.apply_command(message)
            match message:
                case OrderEvent():
                    self._order(message)
                case Signals():
                    self._signals(message)
                case ReconciliationResult():
                    self._reconciled(message)
                case Command(verb=CommandVerb.HALT):
                    self._tell(HaltRaised(reason=message.reason, scope=str(message.scope)))
                case SessionBegins():
                    self._session(message)
                case Incident():
                    self._tell(IncidentRaised(reason=message.text, order_id=message.order_id or None))
                case Command(verb=CommandVerb.RESUME):
                    self._tell(HaltLifted(reason=message.reason, scope=str(message.scope)))
                case Command(verb=CommandVerb.FLATTEN):
                    self._tell(FlattenStarted(reason=message.reason, id=message.id))
                case _:
                    pass  # the stages that make the other rows log them

    def _session(self, session: SessionBegins) -> None:
        if session.opens_at != self._opens_at:
            for over in self._halts.lift_session_halts():
                self._tell(HaltEnded(scope=str(over.scope), reason=over.reason))
        self._opens_at = session.opens_at
        self._tell(_hours(session, self.market))

    def log_rows_later(self, rows: Sequence[tuple[int, str, Message]]) -> None:
        """Log rows as `log_rows` does, two turns of the loop later, so that orders waiting for the disk leave first.

        At most `ROWS_PER_TURN` rows are logged in a turn, so that a burst of orders does not block the loop.
        """
        loop = asyncio.get_running_loop()
        if not self._untold:
            loop.call_soon(loop.call_soon, self._log_some)
        self._untold.extend(rows)

    def _log_some(self) -> None:
        some = [self._untold.popleft() for _ in range(min(ROWS_PER_TURN, len(self._untold)))]
        if self._untold:
            asyncio.get_running_loop().call_soon(self._log_some)
        self.log_rows(some)

    def _order(self, event: OrderEvent) -> None:
        if event.request is not None:
            self._requests[event.order_id] = event.request
            if len(self._requests) > REQUESTS_REMEMBERED:
                del self._requests[next(iter(self._requests))]
        request = self._requests.get(event.order_id)
        if event.type is OrderEventType.INTENT:
            if request is not None and request.is_external:
                self._tell(orders.ExternalOrderSeen(order_id=request.order_id, **_whole(request)))
            return
        if event.type is OrderEventType.SENDING and request is not None and request.is_external:
            return
        kind, fields = EVENT_TYPES[event.type], dict[str, Any]()
        if kind is orders.OrderDenied:
            alike = f"{event.control} {request.strategy if request is not None else ''}"
            if not (times := self._denials.due_count(alike, self._clock.monotonic_ns())):
                return
            fields["times"] = times if times > 1 else None
        if request is not None:
            is_whole = issubclass(kind, orders.OrderAsked)
            fields |= _whole(request) if is_whole else _known(request)
        elif event.fill is not None:  # the order is of an earlier run
            fields |= {"symbol": event.fill.symbol, "side": event.fill.side}
        if event.fill is not None:
            fields |= {"qty": event.fill.quantity, "price": event.fill.price}
            fields["trade_id"] = event.fill.execution_id
        fields["reason"] = event.reason or fields.get("reason")
        self._tell(kind(order_id=event.order_id, broker_order_id=event.venue_order_id or None, **fields))

    def _signals(self, signals: Signals) -> None:
        if signals.at != self._close:
            self._close, self._shown = signals.at, 0
        shown = signals.signals[: max(MAX_SIGNAL_LINES - self._shown, 0)]
        self._shown += len(shown)
        for s in shown:
            fired = SignalFired(symbol=s.symbol, strategy=s.strategy, action=s.action, price=s.close, inputs=s.inputs)
            self._tell(fired)
        if self._shown == MAX_SIGNAL_LINES and len(signals.signals) > len(shown):
            self._shown += 1  # so that this is logged once a close
            self._tell(SignalsTruncated(reason=f"more than {MAX_SIGNAL_LINES} at this close; the journal holds all"))
        if signals.failed:
            self._tell(SignalsMissed(symbols=list(signals.failed)))

    def _reconciled(self, report: ReconciliationResult) -> None:
        for symbol, quantity, price in report.adopted:
            self._tell(PositionAdopted(symbol=symbol, qty=quantity, price=price))
        if report.differences == self._differences:
            return
        for text in report.differences:
            self._tell(DifferenceFound(reason=text))
        if not report.differences:
            self._tell(DifferencesSettled())
        self._differences = report.differences


def _known(request: OrderRequest) -> dict[str, Any]:
    return {"symbol": request.symbol, "side": request.side, "strategy": request.strategy or None}


def _whole(request: OrderRequest) -> dict[str, Any]:
    return _known(request) | {
        "qty": request.quantity,
        "kind": request.kind,
        "purpose": request.purpose,
        "reason": request.reason or None,
        "price": request.price,
        "stop_loss": request.stop_loss,
        "trail_by": request.trail_by,
        "target": request.target,
    }


def _hours(session: SessionBegins, market: Market) -> DayStarted:
    # Groups of symbols whose day ends at another time than that of most: their number and times.
    earlier = [{"symbols": len(ending.symbols)} | _end(ending, market) for ending in session.early_ends]
    return DayStarted(
        day=format_iso(session.opens_at, market.tzinfo)[:10],
        opens=format_iso(session.opens_at, market.tzinfo)[11:16],
        **_end(session, market),
        earlier=earlier or None,
    )


def _end(end: SessionBegins | EarlySessionEnd, market: Market) -> dict[str, Any]:
    times = {"entries_until": end.entries_until, "square_off_at": end.square_off_at, "closes": end.closes_at}
    return {name: format_iso(at, market.tzinfo)[11:16] for name, at in times.items()}
