"""The operator's verbs: `status`, `halt`, `resume` and `flatten` ask the running daemon, `kill` needs none."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from tradebot.errors import AccessDenied, ConfigError, ExitCode

# The imports of the verbs are inside them: in an emergency each loads only what it needs.


def _options(command: click.decorators.FC) -> click.decorators.FC:
    config = click.option(
        "-c", "--config", "path", metavar="FILE", help="Configuration file.  [env var: TRADEBOT_CONFIG]"
    )
    where = click.option(
        "--state-dir", type=click.Path(path_type=Path), help="The daemon's state directory.  [default: as configured]"
    )
    return config(where(command))


def _state_dir(path: str | None, state_dir: Path | None) -> Path:
    if state_dir is not None:
        return state_dir
    from tradebot.config import load

    return load(path).app.state_dir


@click.command()
@_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(path: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Show the running daemon: halts, feed, positions, working orders, profit, queues; exit 69 without a daemon."""
    from tradebot.control.client import ask

    found = ask(_state_dir(path, state_dir), "GET", "/status")
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _show_status(found)


@click.command()
@_options
@click.argument("reason", default="halted by the operator")
@click.option("--scope", default="all", show_default=True, help="all, symbol:TCS or strategy:NAME.")
def halt(path: str | None, state_dir: Path | None, reason: str, scope: str) -> None:
    """Stop new positions until `resume`, over restarts too; exits and cancels still leave."""
    _ask(path, state_dir, "/halt", {"reason": reason, "scope": scope})
    click.echo(f"halted ({scope}): {_line(reason)}; it is on disk and stands until `tradebot resume`")


@click.command()
@_options
@click.argument("reason", default="resumed by the operator")
@click.option("--scope", default="all", show_default=True, help="all (every halt), symbol:TCS or strategy:NAME.")
def resume(path: str | None, state_dir: Path | None, reason: str, scope: str) -> None:
    """Let new positions be opened again; after `kill` this also removes the HALT file."""
    answer = _ask(path, state_dir, "/resume", {"reason": reason, "scope": scope})
    if lifted := answer.get("lifted"):
        click.echo(f"the HALT file is gone; it said: {_line(lifted)}")
    click.echo(f"resumed ({scope})")


@click.command()
@_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--id", "id_", help="Name of this command; the same name acts once.  [default: a new one]")
@click.option("--reason", default="flattened by the operator", help="Why, for the journal.")
@click.option("--lift-kill", is_flag=True, help="After `kill`: let exits leave again; entries stay halted.")
def flatten(path: str | None, state_dir: Path | None, yes: bool, id_: str | None, reason: str, lift_kill: bool) -> None:
    """Halt, take back working orders and close every position; it stands until `resume`."""
    from tradebot.clock import WallClock

    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("add --yes to close every position without being asked")
        click.confirm("Close every position and halt?", abort=True, err=True)
    id_ = id_ or f"flatten-{WallClock().wall()}"
    body = {"id": id_, "reason": reason} | ({"lift_kill": True} if lift_kill else {})
    answer = _ask(path, state_dir, "/flatten", body)
    if answer.get("known"):
        click.echo(f"{id_} was given before and did nothing more")
    for order in answer.get("orders", ()):
        click.echo(f"working: {_line(order['order_id'])} {order['side']} {order['quantity']} {_line(order['symbol'])}")
    for position in answer.get("closing", ()):
        click.echo(f"closing: {position['quantity']} {_line(position['symbol'])}")
    if not answer.get("closing"):
        click.echo("no position is open")
    click.echo(f"halted and flattening ({id_}); `tradebot status` shows what is left")


def _ask(path: str | None, state_dir: Path | None, route: str, body: dict[str, Any]) -> dict[str, Any]:
    from tradebot.control.client import ask

    return ask(_state_dir(path, state_dir), "POST", route, body)


# ---- kill


class _Access(NamedTuple):
    rest: str
    api_key: str
    access_token: str


@click.command()
@_options
@click.argument("reason", default="killed by the operator")
@click.option("--exchange", "exchange_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A running `tradebot exchange`: the file holding the line it printed.")  # fmt: skip
@click.option("--within", "within_s", type=click.FloatRange(1, 600), default=30.0, show_default=True,
              help="Seconds to try.")  # fmt: skip
def kill(path: str | None, state_dir: Path | None, reason: str, exchange_file: Path | None, within_s: float) -> int:
    """Bar every new order and cancel every working one at the venue, with the daemon alive, hung or dead.

    Writes the file HALT into the state directory, which a daemon obeys before each send and at start until `resume`,
    then cancels by id and looks until the book is clean. Positions stay. Credentials: TRADEBOT_KILL__API_KEY and
    TRADEBOT_KILL__ACCESS_TOKEN, else those of [kite]. Exit 0: clean; 75: something is left.
    """
    from tradebot.clock import WallClock, iso

    clock = WallClock()
    folder = _state_dir(path, state_dir)
    is_barred = _bar(folder, f"{_line(reason)} (tradebot kill, {iso(clock.wall())[:19]}Z)")
    access = _access(path, exchange_file)
    if access is None:
        click.echo("the venue is the exchange inside the daemon, which takes its own orders back when it sees HALT")
        return ExitCode.OK if is_barred else ExitCode.TEMPORARY
    outcome = asyncio.run(_sweep(access, within_s))
    for line in outcome.lines:
        order = line.order
        end = f"STILL WORKING: {line.answer or 'not asked'}" if line.is_left else order.status.value
        click.echo(
            f"{_line(order.venue_order_id):20} {order.side:4} {order.quantity:>8} {_line(order.symbol):12} "
            f"filled {order.filled:>8}  cancels sent {line.asked}  {_line(end)}"
        )
    if outcome.positions is None:
        click.echo("positions: the venue did not tell")
    for position in outcome.positions or ():
        click.echo(f"position stays open: {position.quantity} {_line(position.symbol)} {_line(position.product)}")
    left = sum(line.is_left for line in outcome.lines)
    if outcome.failure:
        click.echo(f"NOT CLEAN: the order book could not be read at the end: {_line(outcome.failure)}", err=True)
    elif left:
        click.echo(f"NOT CLEAN: {left} orders still work at the venue; run it again or cancel by hand", err=True)
    else:
        click.echo(f"clean: no order works at the venue; {len(outcome.lines)} worked before")
    return ExitCode.OK if outcome.is_clean and is_barred else ExitCode.TEMPORARY


def _bar(folder: Path, reason: str) -> bool:
    from tradebot.control.halt_file import HaltFile

    halt_file = HaltFile(folder)
    try:
        halt_file.write(reason)
    except OSError as error:  # cancelling must not wait for a full disk
        click.echo(f"NOT HALTED: {halt_file.path} cannot be written: {error.strerror}; stop the daemon", err=True)
        return False
    click.echo(f"halted: {halt_file.path} is on disk; no order leaves until `tradebot resume`")
    return True


def _access(path: str | None, exchange_file: Path | None) -> _Access | None:
    from tradebot.daemon.order_route import is_loopback
    from tradebot.venues.kite.profile import REST

    if exchange_file is not None:
        from tradebot.cli.run import addresses

        kite = addresses(exchange_file)["kite"]
        return _Access(kite["rest"], kite["api_key"], kite["access_token"])
    own: Callable[[str], str] = lambda name: os.environ.get(f"TRADEBOT_KILL__{name}", "").strip()  # noqa: E731
    if own("API_KEY") and own("ACCESS_TOKEN"):
        rest = own("REST") or os.environ.get("TRADEBOT_KITE__REST", "").strip() or REST
        if not rest.startswith("https://") and not is_loopback(rest):
            raise ConfigError(
                f"TRADEBOT_KILL__REST is {rest[:200]!r}: it must be https, the keys leave with each request"
            )
        return _Access(rest, own("API_KEY"), own("ACCESS_TOKEN"))
    from tradebot.config import load

    config = load(path)
    if config.venue.name == "embedded":
        return None
    key, token = config.kite.api_key.get_secret_value(), config.kite.access_token.get_secret_value()
    if not key or not token:
        raise ConfigError("no credentials to cancel with: set TRADEBOT_KILL__API_KEY and TRADEBOT_KILL__ACCESS_TOKEN")
    return _Access(config.kite.rest, key, token)


async def _sweep(access: _Access, within_s: float) -> Any:
    from tradebot.clock import WallClock
    from tradebot.control.kill import QUERIES, Sweep
    from tradebot.venues.kite.broker import KiteBroker
    from tradebot.venues.kite.rest import Timeouts
    from tradebot.venues.limiter import Limiter

    clock = WallClock()
    broker = KiteBroker(
        rest=access.rest,
        api_key=access.api_key,
        access_token=access.access_token,
        clock=clock,
        limiter=Limiter(QUERIES, clock),
        timeouts=Timeouts(connect_s=2.0, query_s=4.0, write_s=4.0),
    )
    try:
        return await Sweep(broker, clock).run(within_s=within_s)
    except AccessDenied as error:
        raise AccessDenied(f"nothing was cancelled: {error}") from error
    finally:
        await broker.close()


# ---- how the picture is shown


def _show_status(found: dict[str, Any]) -> None:
    from tradebot.cli.tables import say, table
    from tradebot.clock import IST, iso

    say(f"{found['state']}, {found['mode']} on {found['venue']}, account {found['account']}, run {found['run_id']}, "
        f"pid {found['pid']}, market time {iso(found['market_time'], IST)[:19]}")  # fmt: skip
    for one in found["halts"]:
        say(f"HALTED ({one['verb']} {one['scope']}): {one['reason']}")
    if not found["halts"]:
        say("not halted")
    feed = found["feed"]
    age = "no quote yet" if feed["age_s"] is None else f"newest quote {feed['age_s']:.1f} s ago"
    say(f"feed: {'STALE, ' if feed['is_stale'] else ''}{age}" + "".join(f"; {k}: {v}" for k, v in feed["down"].items()))
    counts = ", ".join(f"{name} {number}" for name, number in found["counts"].items())
    say(f"day profit {found['day_profit']}; {counts}; {len(found['symbols'])} symbols")
    for title, rows in (("positions", found["positions"]), ("working orders", found["orders"])):
        say(f"{title}: {len(rows) or 'none'}")
        if rows:
            table([{name: "" if value is None else value for name, value in row.items()} for row in rows])
    queues = ", ".join(f"{name} {queue['now']}" for name, queue in found["queues"].items())
    journal = found["journal"]
    say(
        f"queues: {queues}; journal: row {journal['on_disk']} on disk, {journal['queued'] - journal['on_disk']} waiting"
    )


def _line(value: Any) -> str:
    # What a venue or a file said may neither move the cursor nor break the line.
    return "".join(c if c.isprintable() else " " for c in str(value))
