"""The verbs that read the journal, of a running daemon too: why, orders, trades, positions, bars and verify."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, timezone
from pathlib import Path
from typing import Any

import click

from tradebot.checker.promises import are_kept, dumps, judge, render
from tradebot.checker.verdict import Ruling
from tradebot.cli.tables import say, show, table
from tradebot.clock import IST, MILLISECOND, SECOND, from_iso, iso
from tradebot.domain.order import Order, OrderFact
from tradebot.errors import DataError, InvariantBroken, StateError
from tradebot.journal import closes, reader, recovery
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.story import Step, Story, story

INDIAN = ("NSE", "BSE", "NFO", "BFO")
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def _reading(command: click.decorators.FC) -> click.decorators.FC:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("-c", "--config", "config", metavar="FILE", help="Configuration file, for its state_dir."),
        click.option(
            "--state-dir", type=click.Path(path_type=Path), help="Where the journal is.  [default: as configured]"
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("order_id")
@_reading
def why(order_id: str, state_dir: Path | None, config: str | None, as_json: bool) -> None:
    """Explain ORDER_ID: its signal, the gate's checks, every state with its time, every fill.

    The beginning of the id is enough where only one order has it.
    """
    told = story(_journal(state_dir, config), order_id)
    if as_json:
        click.echo(json.dumps(_story_fields(told), indent=2))
    else:
        _tell(told)


@click.command()
@_reading
@click.option("--account", help="Of this account.  [default: the last run's]")
@click.option("--live", is_flag=True, help="Only those that may still trade.")
def orders(state_dir: Path | None, config: str | None, as_json: bool, account: str | None, live: bool) -> None:
    """List the orders in the journal, oldest first."""
    found = recovery.fold_orders(_journal(state_dir, config), account=account).values()
    show([_order_fields(order) for order in found if order.is_live or not live], as_json=as_json)


@click.command()
@_reading
@click.option("--account", help="Of this account.  [default: the last run's]")
def trades(state_dir: Path | None, config: str | None, as_json: bool, account: str | None) -> None:
    """List the fills in the journal, each once, in the order they were booked."""
    fold = recovery.fold(_journal(state_dir, config), account=account)
    seen: set[tuple[str, str, str]] = set()
    listed: list[dict[str, Any]] = []
    for fact in fold.facts:
        if (done := fact.execution) is None or (key := (fact.order_id, done.exchange, done.execution_id)) in seen:
            continue
        seen.add(key)
        listed.append(
            {
                "traded_at": iso(done.traded_at, _zone(done.exchange)),
                "execution_id": done.execution_id,
                "order_id": fact.order_id,
                "exchange": done.exchange,
                "symbol": done.symbol,
                "side": str(done.side),
                "quantity": f"{done.quantity:f}",
                "price": f"{done.price:f}",
                "strategy": fold.orders[fact.order_id].request.strategy,
            }
        )
    show(listed, as_json=as_json)


@click.command()
@_reading
@click.option("--account", help="Of this account.  [default: the last run's]")
@click.option("--all", "with_flat", is_flag=True, help="Flat ones too.")
def positions(state_dir: Path | None, config: str | None, as_json: bool, account: str | None, with_flat: bool) -> None:
    """List the positions the journal adds up to; `realized` is before charges."""
    found = recovery.positions(_journal(state_dir, config), account=account)
    show(
        [
            {
                "symbol": p.symbol,
                "quantity": f"{p.quantity:f}",
                "average_price": _number(p.average_price),
                "realized": _number(p.realized),
                "bought": _number(p.bought),
                "sold": _number(p.sold),
            }
            for p in sorted(found.values(), key=lambda p: p.symbol)
            if with_flat or not p.is_flat
        ],
        as_json=as_json,
    )


@click.command()
@click.argument("symbol")
@_reading
@click.option("--interval", default="1m", show_default=True, help="Length of the bars: 1s, 1m, 5m, 1h, 1d.")
@click.option("--since", metavar="TIME", help="Bars that end then or later, ISO-8601; without a zone in India's.")
@click.option("--run", "run_id", help="Only what this run recorded.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def bars(
    symbol: str, state_dir: Path | None, config: str | None, as_json: bool, interval: str, since: str | None,
    run_id: str | None, as_csv: bool,
) -> None:  # fmt: skip
    """Print the recorded bars of SYMBOL by start time."""
    length = _interval(interval)
    found = closes.bars(_journal(state_dir, config), symbol, length, since=_moment(since), run=run_id)
    if not found:
        raise DataError(f"the journal holds no {interval} bars of {symbol}")
    fields = [
        {
            "start": iso(bar.start, IST),
            "open": f"{bar.open:f}",
            "high": f"{bar.high:f}",
            "low": f"{bar.low:f}",
            "close": f"{bar.close:f}",
            "volume": f"{bar.volume:f}",
        }
        for bar in found
    ]
    if as_csv:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(fields[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(fields)
        click.echo(text.getvalue(), nl=False)
    else:
        show(fields, as_json=as_json)


@click.command()
@click.argument("journal", required=False, type=click.Path(path_type=Path))
@_reading
@click.option("--head", metavar="HEX", help="A hash that must stand in the chain: shows that no rows were cut off.")
@click.option("--promises", is_flag=True, help="Judge what was promised as well; exit 70 when a promise is broken.")
@click.option(
    "--against", metavar="LOG", type=click.Path(path_type=Path), help="Judge against this log of the exchange."
)
@click.option("--trace", metavar="FILE", type=click.Path(path_type=Path), help="And this trace of commits and sends.")
def verify(
    journal: Path | None, state_dir: Path | None, config: str | None, as_json: bool, head: str | None, promises: bool,
    against: Path | None, trace: Path | None,
) -> None:  # fmt: skip
    """Check the hash chain row by row, of JOURNAL or of the configured state directory; exit 73 when it is broken.

    With --promises, --against or --trace judge instead whether the promises were kept: exit 70 when one was not.
    """
    path = journal or _journal(state_dir, config)
    path = path / FILE_NAME if path.is_dir() else path
    if promises or against is not None or trace is not None:
        _judge(path, against, trace, as_json=as_json)
        return
    verdict = reader.verify(path)
    if as_json:
        fields = {"path": str(path), "rows": verdict.rows, "head": verdict.head.hex(), "intact": verdict.is_intact}
        click.echo(json.dumps(fields | ({} if verdict.is_intact else {"row": verdict.broken, "why": verdict.why})))
    if not verdict.is_intact:
        raise StateError(f"{path}: row {verdict.broken} is {verdict.why}; the {verdict.rows} rows before it are intact")
    if head is not None and reader.find(path, _digest(head)) is None:
        raise StateError(f"{path}: no row has the hash {head}; rows were cut off or this is another journal")
    if not as_json:
        click.echo(f"{path}: intact, {verdict.rows} rows, head {verdict.head.hex()}")


def _judge(path: Path, against: Path | None, trace: Path | None, *, as_json: bool) -> None:
    verdicts = judge(path, against=against, trace=trace)
    if as_json:
        click.echo(dumps(verdicts))
    else:
        show(render(verdicts), as_json=False)
    if not are_kept(verdicts):
        names = ", ".join(v.promise for v in verdicts if v.ruling is Ruling.BROKEN)
        raise InvariantBroken(f"{path}: these promises were broken: {names}")


# ---- where and what


def _journal(state_dir: Path | None, config: str | None) -> Path:
    if state_dir is None:
        # Loaded here: reading the configuration takes longer than most of these verbs.
        from tradebot.config import load

        state_dir = load(config, {}).app.state_dir
    return state_dir / FILE_NAME


def _interval(text: str) -> int:
    match = re.fullmatch(r"([1-9]\d{0,4})([smhd])", text)
    if match is None:
        raise click.BadParameter(f"should be a length such as 1m or 1h, not {text!r}", param_hint="--interval")
    return int(match[1]) * UNITS[match[2]] * SECOND


def _moment(text: str | None) -> int | None:
    try:
        return None if text is None else from_iso(text, IST)
    except ValueError as error:
        raise click.BadParameter(
            f"should be a time such as 2026-11-23T09:15, not {text!r}", param_hint="--since"
        ) from (error)


def _digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise click.BadParameter("should be a hash in hexadecimal digits", param_hint="--head") from error


def _zone(exchange: str) -> timezone:
    return IST if exchange in INDIAN else UTC


def _number(value: Any) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


# ---- fields


def _order_fields(order: Order) -> dict[str, Any]:
    request = order.request
    return {
        "changed_at": iso(order.changed_at, _zone(request.exchange)),
        "order_id": order.order_id,
        "symbol": request.symbol,
        "side": str(request.side),
        "kind": str(request.kind),
        "quantity": f"{request.quantity:f}",
        "filled": f"{order.filled:f}",
        "average_price": _number(order.average_price) if order.average_price is not None else "",
        "state": str(order.state),
        "purpose": str(request.purpose),
        "strategy": request.strategy,
        "venue_order_id": order.venue_order_id,
        "reason": order.reason,
    }


def _step_fields(step: Step, zone: timezone, since_ns: int | None) -> dict[str, Any]:
    fact = step.fact
    return {
        "at": iso(fact.at, zone),
        "after_ms": f"+{since_ns / MILLISECOND:.3f}" if since_ns is not None else "",
        "event": str(fact.event),
        "state": str(step.state),
        "what": _what(fact),
    }


def _what(fact: OrderFact) -> str:
    parts = []
    if fact.execution is not None:
        done = fact.execution
        parts.append(f"{done.quantity:f} at {done.price:f}, execution {done.execution_id}")
    if fact.venue is not None:
        parts.append(f"venue says {fact.venue.status}, {fact.venue.filled:f} of {fact.venue.quantity:f} filled")
    if fact.venue_order_id:
        parts.append(f"venue order {fact.venue_order_id}")
    if fact.reason:
        parts.append(fact.reason)
    return "; ".join(parts)


def _steps(told: Story) -> list[dict[str, Any]]:
    zone = _zone(told.order.request.exchange)
    before = 0
    listed = []
    for step in told.steps:
        mono = step.fact.mono
        listed.append(_step_fields(step, zone, mono - before if 0 < before <= mono else None))
        before = mono or before
    return listed


def _story_fields(told: Story) -> dict[str, Any]:
    signal = told.signal
    return {
        "run": told.run,
        "order": _order_fields(told.order),
        "signal": None
        if signal is None
        else {
            "signal_id": signal.signal_id,
            "strategy": signal.strategy,
            "action": str(signal.action),
            "bar_at": iso(signal.bar_at, _zone(told.order.request.exchange)),
            "close": signal.close,
        },
        "inputs": _inputs(told),
        "checks": list(told.beginning.checks),
        "latencies_us": {name: ns / 1000 for name, ns in told.latencies().items()},
        "steps": _steps(told),
    }


def _inputs(told: Story) -> dict[str, float]:
    return dict(told.beginning.inputs or (told.signal.inputs if told.signal else {}))


# ---- for people


def _tell(told: Story) -> None:
    order, request = told.order, told.order.request
    price = f" at {request.price:f}" if request.price is not None else ""
    say(
        f"{order.order_id}: {request.side} {request.quantity:f} {request.exchange}:{request.symbol}"
        f" {request.kind}{price} {request.product}, {request.purpose}, run {told.run}"
    )
    _tell_signal(told)
    levels = {"stop_loss": request.stop_loss, "trail_by": request.trail_by, "target": request.target}
    if any(value is not None for value in levels.values()):
        say("levels    " + ", ".join(f"{name} {value:f}" for name, value in levels.items() if value is not None))
    for i, check in enumerate(told.beginning.checks):
        say(f"{'gate' if i == 0 else '':<10}{check}")
    if told.latencies():
        spans = (f"{name.replace('_', ' ')} {ns / MILLISECOND:.3f} ms" for name, ns in told.latencies().items())
        say("latency   " + ", ".join(spans))
    say("states")
    table(_steps(told))
    average = f" at {_number(order.average_price)}" if order.average_price is not None else ""
    late = f", {order.late_fills} late fills" if order.late_fills else ""
    reason = f": {order.reason}" if order.reason else ""
    say(f"now       {order.state}, {order.filled:f} of {request.quantity:f} filled{average}{late}{reason}")


def _tell_signal(told: Story) -> None:
    request, signal = told.order.request, told.signal
    if signal is not None:
        say(
            f"signal    {signal.strategy} {signal.action} on the bar that ended"
            f" {iso(signal.bar_at, _zone(request.exchange))}, close {signal.close}, id {signal.signal_id}"
        )
    else:
        say(f"because   {request.reason or 'the journal names no reason'}")
    if inputs := _inputs(told):
        say("inputs    " + ", ".join(f"{name} = {value!r}" for name, value in inputs.items()))
