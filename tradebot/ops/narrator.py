"""The narrator: journal rows that reached the disk become log lines, one line per fact, never earlier than the fact."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from tradebot.clock import IST, Clock, iso
from tradebot.domain.control import Verb
from tradebot.domain.halts import Halts
from tradebot.domain.message import Message
from tradebot.domain.messages import Command, Ending, Incident, Reconciled, SessionBegins, Signals
from tradebot.domain.order import OrderEvent, OrderFact, OrderRequest, Side
from tradebot.ops.reminder import Reminder

Tell = Callable[..., None]  # tell(event, level="info", **fields)
AT_ONCE = 16  # rows told in one turn of the loop: a millisecond or two of lines
SIGNAL_LINES = 20  # of one close; thousands of symbols would hold the loop for the time of their lines
DENIALS_EVERY_S = 60.0  # a control that denies on and on is told once in this time, with the count
REMEMBERED = 20_000  # requests kept to name an order's symbol in later lines

LINES = {
    OrderEvent.DENIED: ("risk_blocked", "warning"),
    OrderEvent.SENDING: ("order_submitted", "info"),
    OrderEvent.LAPSED: ("order_lapsed", "warning"),
    OrderEvent.NOT_SENT: ("order_not_sent", "warning"),
    OrderEvent.ACCEPTED: ("order_acked", "info"),
    OrderEvent.REFUSED: ("order_rejected", "warning"),
    OrderEvent.AMBIGUOUS: ("order_unknown", "error"),
    OrderEvent.SEEN_OPEN: ("order_open", "debug"),
    OrderEvent.SEEN_ACKED: ("order_seen", "debug"),
    OrderEvent.SEEN_FILLED: ("order_complete", "debug"),
    OrderEvent.SEEN_CANCELED: ("order_cancelled", "info"),
    OrderEvent.SEEN_EXPIRED: ("order_expired", "info"),
    OrderEvent.SEEN_REJECTED: ("order_rejected", "warning"),
    OrderEvent.EXECUTED: ("order_filled", "info"),
    OrderEvent.REVERSED: ("fill_taken_back", "warning"),
    OrderEvent.QUARANTINED: ("fill_disputed", "error"),
    OrderEvent.NOT_FOUND: ("order_not_found", "error"),
    OrderEvent.CANCEL_ASKED: ("order_cancel_waits", "info"),
    OrderEvent.CANCEL_SENT: ("order_cancel_sent", "info"),
    OrderEvent.CANCEL_ACCEPTED: ("order_cancel_accepted", "debug"),
    OrderEvent.CANCEL_REFUSED: ("order_cancel_refused", "warning"),
    OrderEvent.CANCEL_UNKNOWN: ("order_cancel_unknown", "warning"),
    OrderEvent.REPLACE_SENT: ("order_replace_sent", "info"),
    OrderEvent.REPLACED: ("order_replaced", "info"),
    OrderEvent.REPLACE_REFUSED: ("order_replace_refused", "warning"),
    OrderEvent.REPLACE_UNKNOWN: ("order_replace_unknown", "warning"),
    OrderEvent.CHANGED: ("order_changed_elsewhere", "warning"),
    OrderEvent.LINK_LOST: ("order_stale", "debug"),
    OrderEvent.LINK_BACK: ("order_fresh", "debug"),
    OrderEvent.DAY_ENDED: ("order_outlived_the_day", "error"),
}


class Narrator:
    """Turns durable rows into log lines. `tell` writes one line; `clock` says when a denial is told again."""

    def __init__(self, tell: Tell, clock: Clock) -> None:
        self._tell, self._clock = tell, clock
        self._denials = Reminder(first_s=DENIALS_EVERY_S, longest_s=DENIALS_EVERY_S)
        self._requests: dict[str, OrderRequest] = {}  # order_id -> request
        self._differences: tuple[str, ...] = ()
        self._untold: deque[tuple[int, str, Message]] = deque()
        self._halts, self._opens_at = Halts(), 0
        self._close, self._shown = 0, 0  # end of the newest close with signals, and how many of them had a line

    def on_durable(self, rows: Sequence[tuple[int, str, Message]]) -> None:
        """Write the lines of rows that were just made durable, in their order."""
        for _, _, message in rows:
            if isinstance(message, Command):
                self._halts.apply(message)
            match message:
                case OrderFact():
                    self._order(message)
                case Signals():
                    self._signals(message)
                case Reconciled():
                    self._reconciled(message)
                case Command(verb=Verb.HALT):
                    self._tell("halted", level="error", reason=message.reason, scope=str(message.scope))
                case SessionBegins():
                    self._session(message)
                case Incident():
                    self._tell("incident", level="error", reason=message.text, order_id=message.order_id or None)
                case Command(verb=Verb.RESUME):
                    self._tell("resumed", reason=message.reason, scope=str(message.scope))
                case Command(verb=Verb.FLATTEN):
                    self._tell("flattening", level="warning", reason=message.reason, id=message.id)
                case _:
                    pass  # bars and the run's own rows are told by the stages that make them

    def _session(self, session: SessionBegins) -> None:
        if session.opens_at != self._opens_at:
            for over in self._halts.end_session():
                self._tell("halt_ended", scope=str(over.scope), reason=over.reason, because="its session is over")
        self._opens_at = session.opens_at
        self._tell("session_begins", **_hours(session))

    def follow(self, rows: Sequence[tuple[int, str, Message]]) -> None:
        """Do as `on_durable`, two turns of the loop later: an order that waited for the disk leaves before its line.

        Of many rows some are told in each turn, so that a burst of orders does not hold the loop with its lines.
        """
        loop = asyncio.get_running_loop()
        if not self._untold:
            loop.call_soon(loop.call_soon, self._tell_some)
        self._untold.extend(rows)

    def _tell_some(self) -> None:
        some = [self._untold.popleft() for _ in range(min(AT_ONCE, len(self._untold)))]
        if self._untold:
            asyncio.get_running_loop().call_soon(self._tell_some)
        self.on_durable(some)

    def _order(self, fact: OrderFact) -> None:
        if fact.request is not None:
            self._requests[fact.order_id] = fact.request
            if len(self._requests) > REMEMBERED:
                del self._requests[next(iter(self._requests))]
        request = self._requests.get(fact.order_id)
        if fact.event is OrderEvent.INTENT:
            if request is not None and request.is_external:
                self._tell("order_external", level="warning", **_request_fields(request))
            return
        if fact.event is OrderEvent.SENDING and request is not None and request.is_external:
            return
        event, level = LINES[fact.event]
        fields: dict[str, Any] = {"order_id": fact.order_id}
        if fact.event is OrderEvent.DENIED:
            alike = f"{fact.control} {request.strategy if request is not None else ''}"
            if not (times := self._denials.times(alike, self._clock.monotonic())):
                return
            fields |= {"times": times} if times > 1 else {}
        if request is not None:
            fields |= {"symbol": request.symbol, "side": request.side, "strategy": request.strategy or None}
        elif fact.execution is not None:  # of an order that an earlier run began
            fields |= {"symbol": fact.execution.symbol, "side": fact.execution.side}
        if fact.event in (OrderEvent.SENDING, OrderEvent.DENIED) and request is not None:
            fields |= _request_fields(request)
        if fact.execution is not None:
            fields |= {"qty": fact.execution.quantity, "price": fact.execution.price}
            fields["trade_id"] = fact.execution.execution_id
        fields |= {"broker_order_id": fact.venue_order_id or None, "reason": fact.reason or fields.get("reason")}
        self._tell(event, level=level, **{k: v for k, v in fields.items() if v is not None})

    def _signals(self, signals: Signals) -> None:
        if signals.at != self._close:
            self._close, self._shown = signals.at, 0
        shown = signals.signals[: max(SIGNAL_LINES - self._shown, 0)]
        self._shown += len(shown)
        for s in shown:
            self._tell("signal", symbol=s.symbol, strategy=s.strategy, action=s.action, price=s.close, inputs=s.inputs)
        if self._shown == SIGNAL_LINES and len(signals.signals) > len(shown):
            self._shown += 1  # said once a close
            self._tell("signals_not_shown", reason=f"more than {SIGNAL_LINES} at this close; the journal holds all")
        if signals.failed:
            self._tell("signals_missing", level="warning", symbols=list(signals.failed))

    def _reconciled(self, report: Reconciled) -> None:
        for symbol, quantity, price in report.adopted:
            self._tell("position_adopted", level="warning", symbol=symbol, qty=quantity, price=price)
        if report.differences == self._differences:
            return
        for text in report.differences:
            self._tell("difference", level="error", reason=text, action="entries in this symbol are halted")
        if not report.differences:
            self._tell("reconciled", reason="the differences are gone")
        self._differences = report.differences


def _request_fields(request: OrderRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "order_id": request.order_id,
        "symbol": request.symbol,
        "side": request.side,
        "qty": request.quantity,
        "kind": request.kind,
        "purpose": request.purpose,
        "strategy": request.strategy or None,
        "reason": request.reason,
    }
    for name in ("price", "stop_loss", "trail_by", "target"):
        value: Decimal | Side | None = getattr(request, name)
        if value is not None:
            fields[name] = value
    return fields


def _hours(session: SessionBegins) -> dict[str, Any]:
    # The times of a day, IST; of the symbols whose day ends at others how many they are and when.
    told: dict[str, Any] = {"day": iso(session.opens_at, IST)[:10], "opens": _clock(session.opens_at)}
    told |= _end(session)
    if session.endings:
        told["earlier"] = [{"symbols": len(ending.symbols)} | _end(ending) for ending in session.endings]
    return told


def _end(end: SessionBegins | Ending) -> dict[str, Any]:
    return {
        "entries_until": _clock(end.entries_until),
        "square_off_at": _clock(end.square_off_at),
        "closes": _clock(end.closes_at),
    }


def _clock(at: int) -> str:
    return iso(at, IST)[11:16]
