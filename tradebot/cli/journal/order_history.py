"""Shows an order of the journal: its fields for JSON and lists, its whole history as lines for people."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from tradebot.cli.shared.tables import print_table
from tradebot.clock import MILLISECOND, format_iso
from tradebot.domain.order import Order, OrderEvent
from tradebot.journal.order_history import OrderHistory, OrderHistoryStep
from tradebot.markets.market import market_of
from tradebot.printing import print_line


def exchange_zone(exchange: str) -> tzinfo:
    """Return the zone in which times of an exchange are shown."""
    return market_of(exchange).tzinfo


def format_decimal(value: Any) -> str:
    """Return a number with at most four decimals and without trailing zeros."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def order_fields(order: Order) -> dict[str, Any]:
    """Return the fields of an order as one row of a list."""
    request = order.request
    return {
        "changed_at": format_iso(order.times.changed_at, exchange_zone(request.exchange)),
        "order_id": order.order_id,
        "symbol": request.symbol,
        "side": str(request.side),
        "kind": str(request.kind),
        "quantity": f"{request.quantity:f}",
        "filled": f"{order.filled:f}",
        "average_price": format_decimal(order.average_price) if order.average_price is not None else "",
        "state": str(order.state),
        "purpose": str(request.purpose),
        "strategy": request.strategy,
        "venue_order_id": order.venue_order_id,
        "reason": order.reason,
    }


def _step_fields(step: OrderHistoryStep, zone: tzinfo, since_ns: int | None) -> dict[str, Any]:
    event = step.event
    return {
        "at": format_iso(event.at, zone),
        "after_ms": f"+{since_ns / MILLISECOND:.3f}" if since_ns is not None else "",
        "event": str(event.type),
        "state": str(step.state),
        "what": _what(event),
    }


def _what(event: OrderEvent) -> str:
    parts = []
    if event.fill is not None:
        done = event.fill
        parts.append(f"{done.quantity:f} at {done.price:f}, execution {done.execution_id}")
    if event.venue_order is not None:
        parts.append(
            f"venue says {event.venue_order.status}, {event.venue_order.filled:f} of"
            f" {event.venue_order.quantity:f} filled"
        )
    if event.venue_order_id:
        parts.append(f"venue order {event.venue_order_id}")
    if event.reason:
        parts.append(event.reason)
    return "; ".join(parts)


def _steps(event: OrderHistory) -> list[dict[str, Any]]:
    zone = exchange_zone(event.order.request.exchange)
    before = 0
    listed = []
    for step in event.steps:
        mono = step.event.mono
        listed.append(_step_fields(step, zone, mono - before if 0 < before <= mono else None))
        before = mono or before
    return listed


def history_fields(order_history: OrderHistory) -> dict[str, Any]:
    """Return all that the journal knows about an order, ready for JSON."""
    signal = order_history.signal
    return {
        "run": order_history.run,
        "order": order_fields(order_history.order),
        "signal": None
        if signal is None
        else {
            "signal_id": signal.signal_id,
            "strategy": signal.strategy,
            "action": str(signal.action),
            "bar_at": format_iso(signal.bar_at, exchange_zone(order_history.order.request.exchange)),
            "close": signal.close,
        },
        "inputs": _inputs(order_history),
        "checks": list(order_history.first_event.checks),
        "latencies_us": {name: ns / 1000 for name, ns in order_history.latencies_ns().items()},
        "steps": _steps(order_history),
    }


def _inputs(event: OrderHistory) -> dict[str, float]:
    return dict(event.first_event.inputs or (event.signal.inputs if event.signal else {}))


def print_history(order_history: OrderHistory) -> None:
    """Print an order's history: its cause, the checks of the gate, each state with its time."""
    order, request = order_history.order, order_history.order.request
    price = f" at {request.price:f}" if request.price is not None else ""
    print_line(
        f"{order.order_id}: {request.side} {request.quantity:f} {request.exchange}:{request.symbol}"
        f" {request.kind}{price} {request.product}, {request.purpose}, run {order_history.run}"
    )
    _tell_signal(order_history)
    levels = {"stop_loss": request.stop_loss, "trail_by": request.trail_by, "target": request.target}
    if any(value is not None for value in levels.values()):
        print_line("levels    " + ", ".join(f"{name} {value:f}" for name, value in levels.items() if value is not None))
    for i, check in enumerate(order_history.first_event.checks):
        print_line(f"{'gate' if i == 0 else '':<10}{check}")
    if order_history.latencies_ns():
        spans = (
            f"{name.replace('_', ' ')} {ns / MILLISECOND:.3f} ms" for name, ns in order_history.latencies_ns().items()
        )
        print_line("latency   " + ", ".join(spans))
    print_line("states")
    print_table(_steps(order_history))
    average = f" at {format_decimal(order.average_price)}" if order.average_price is not None else ""
    late = f", {order.irregular.late} late fills" if order.irregular.late else ""
    reason = f": {order.reason}" if order.reason else ""
    print_line(f"now       {order.state}, {order.filled:f} of {request.quantity:f} filled{average}{late}{reason}")


def _tell_signal(event: OrderHistory) -> None:
    request, signal = event.order.request, event.signal
    if signal is not None:
        print_line(
            f"signal    {signal.strategy} {signal.action} on the bar that ended"
            f" {format_iso(signal.bar_at, exchange_zone(request.exchange))}, close {signal.close},"
            f" id {signal.signal_id}"
        )
    else:
        print_line(f"because   {request.reason or 'the journal names no reason'}")
    if inputs := _inputs(event):
        print_line("inputs    " + ", ".join(f"{name} = {value!r}" for name, value in inputs.items()))
