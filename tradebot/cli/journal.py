"""The verbs that read the journal, of a running daemon too: why, orders, trades, positions, bars and verify."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import click

from tradebot.checker.promises import are_kept, dumps, judge, render
from tradebot.checker.verdict import Ruling
from tradebot.cli.emergency import salvaged
from tradebot.cli.order_story import order_fields, plain, story_fields, tell, zone_of
from tradebot.cli.tables import show
from tradebot.clock import SECOND, from_iso, iso
from tradebot.domain.messages import Released
from tradebot.domain.portfolio import Position
from tradebot.errors import DataError, InvariantBroken, StateError
from tradebot.journal import closes, heads, reader, recovery
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.story import story
from tradebot.markets.market import HOME
from tradebot.printing import say, say_json, say_text

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
        say_json(story_fields(told), indent=2)
    else:
        tell(told)


@click.command()
@_reading
@click.option("--account", help="Of this account.  [default: the last run's]")
@click.option("--live", is_flag=True, help="Only those that may still trade.")
def orders(state_dir: Path | None, config: str | None, as_json: bool, account: str | None, live: bool) -> None:
    """List the orders in the journal, oldest first."""
    found = recovery.fold_orders(_journal(state_dir, config), account=account).values()
    show([order_fields(order) for order in found if order.is_live or not live], as_json=as_json)


@click.command()
@_reading
@click.option("--account", help="Of this account.  [default: the last run's]")
def trades(state_dir: Path | None, config: str | None, as_json: bool, account: str | None) -> None:
    """List the fills in the journal, each once, in the order they were booked."""
    fold = recovery.fold(_journal(state_dir, config), account=account)
    seen: set[tuple[str, str, str]] = set()
    listed: list[dict[str, Any]] = []
    for fact in fold.facts:
        if isinstance(fact, Released) or (done := fact.execution) is None:
            continue
        if (key := (fact.order_id, done.exchange, done.execution_id)) in seen:
            continue
        seen.add(key)
        listed.append(
            {
                "traded_at": iso(done.traded_at, zone_of(done.exchange)),
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
    """List our positions as the journal adds them up, and what the venue's books showed beyond them last.

    `realized` is before charges.
    """
    fold = recovery.fold(_journal(state_dir, config), account=account)
    ours = sorted(fold.positions.values(), key=lambda p: (p.symbol, *p.key.line))
    found = [*ours, *(Position(p.key).hold(p.quantity, p.average_price) for p in fold.external)]
    show(
        [
            {
                "exchange": p.key.exchange,
                "symbol": p.symbol,
                "product": p.key.product,
                "owner": p.key.owner,
                "quantity": f"{p.quantity:f}",
                "average_price": plain(p.average_price),
                "realized": plain(p.realized),
                "bought": plain(p.bought),
                "sold": plain(p.sold),
            }
            for p in found
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
    symbol: str,
    state_dir: Path | None,
    config: str | None,
    as_json: bool,
    interval: str,
    since: str | None,
    run_id: str | None,
    as_csv: bool,
) -> None:
    """Print the recorded bars of SYMBOL by start time."""
    length = _interval(interval)
    found = closes.bars(_journal(state_dir, config), symbol, length, since=_moment(since), run=run_id)
    if not found:
        raise DataError(f"the journal holds no {interval} bars of {symbol}")
    fields = [
        {
            "start": iso(bar.start, HOME.time),
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
        say_text(text.getvalue())
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
    journal: Path | None,
    state_dir: Path | None,
    config: str | None,
    as_json: bool,
    head: str | None,
    promises: bool,
    against: Path | None,
    trace: Path | None,
) -> None:
    """Check the hash chain row by row, of JOURNAL or of the configured state directory; exit 73 when it is broken.

    A journal that lacks the row with which a run ended, which stands in the file .heads beside it, is refused as well.

    With --promises, --against or --trace judge instead whether the promises were kept: exit 70 when one was not.
    """
    path = journal or _journal(state_dir, config)
    path = path / FILE_NAME if path.is_dir() else path
    if promises or against is not None or trace is not None:
        _judge(path, against, trace, as_json=as_json)
        return
    verdict = reader.verify(path)
    if not verdict.rows and verdict.is_intact:
        raise StateError(
            f"{path}: holds no row; a copy made while the daemon runs lacks what stands in {path.name}-wal: copy with "
            f"`sqlite3 {path.name} '.backup copy.sqlite3'`, or stop the daemon first"
        )
    if as_json:
        fields = {"path": str(path), "rows": verdict.rows, "head": verdict.head.hex(), "intact": verdict.is_intact}
        say_json(fields | ({} if verdict.is_intact else {"row": verdict.broken, "why": verdict.why}))
    if not verdict.is_intact:
        raise StateError(f"{path}: row {verdict.broken} is {verdict.why}; the {verdict.rows} rows before it are intact")
    if head is not None and reader.find(path, _digest(head)) is None:
        raise StateError(f"{path}: no row has the hash {head}; rows were cut off or this is another journal")
    if doubt := heads.doubt(path):
        raise StateError(doubt)
    if not as_json:
        say(f"{path}: intact, {verdict.rows} rows, head {verdict.head.hex()}")


def _judge(path: Path, against: Path | None, trace: Path | None, *, as_json: bool) -> None:
    verdicts = judge(path, against=against, trace=trace)
    if as_json:
        say_text(dumps(verdicts) + "\n")
    else:
        show(render(verdicts), as_json=False)
    if not are_kept(verdicts):
        names = ", ".join(v.promise for v in verdicts if v.ruling is Ruling.BROKEN)
        raise InvariantBroken(f"{path}: these promises were broken: {names}")


# ---- where and what


def _journal(state_dir: Path | None, config: str | None) -> Path:
    if state_dir is None:
        # What was done must be readable beside a configuration that `run` would refuse.
        state_dir = salvaged(config).state_dir
    return state_dir / FILE_NAME


def _interval(text: str) -> int:
    match = re.fullmatch(r"([1-9]\d{0,4})([smhd])", text)
    if match is None:
        raise click.BadParameter(f"should be a length such as 1m or 1h, not {text!r}", param_hint="--interval")
    return int(match[1]) * UNITS[match[2]] * SECOND


def _moment(text: str | None) -> int | None:
    try:
        return None if text is None else from_iso(text, HOME.time)
    except ValueError as error:
        raise click.BadParameter(
            f"should be a time such as 2026-11-23T09:15, not {text!r}", param_hint="--since"
        ) from (error)


def _digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise click.BadParameter("should be a hash in hexadecimal digits", param_hint="--head") from error
