"""The operator's verbs that ask the running daemon: `status`, `halt`, `resume` and `flatten`; `kill` needs none."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from tradebot.cli.emergency import salvaged
from tradebot.control.checkup import HELP, check
from tradebot.errors import ExitCode
from tradebot.printing import confirm, say, say_json

# The imports of the verbs are inside them: in an emergency each loads only what it needs.


def where(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options that say which daemon is meant."""
    config = click.option(
        "-c", "--config", "path", metavar="FILE", help="Configuration file.  [env var: TRADEBOT_CONFIG]"
    )
    folder = click.option(
        "--state-dir", type=click.Path(path_type=Path), help="The daemon's state directory.  [default: as configured]"
    )
    return config(folder(command))


def _state_dir(path: str | None, state_dir: Path | None) -> Path:
    return state_dir if state_dir is not None else salvaged(path).state_dir


@click.command()
@where
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--check", "is_check", is_flag=True, help=f"Say in one line what is wrong, for a cron job.  {HELP}")
def status(path: str | None, state_dir: Path | None, as_json: bool, is_check: bool) -> int:
    """Show the running daemon: halts, feed, positions, working orders, profit, queues; exit 69 without a daemon."""
    from tradebot.control.client import ask

    folder = _state_dir(path, state_dir)
    found = ask(folder, "GET", "/status")
    found["disk_free_mb"] = _free_mb(folder)
    found["journal"]["log_mb"] = _log_mb(folder)
    verdict = check(found)
    if as_json:
        say_json(found | {"check": verdict._asdict()}, indent=2)
    elif is_check:
        say(verdict.sentence)
    else:
        _show_status(found)
    return verdict.code if is_check else ExitCode.OK


@click.command()
@where
@click.argument("reason", default="halted by the operator")
@click.option("--scope", default="all", show_default=True, help="all, symbol:TCS or strategy:NAME.")
def halt(path: str | None, state_dir: Path | None, reason: str, scope: str) -> None:
    """Stop new positions until `resume`, over restarts too; exits and cancels still leave."""
    _ask(path, state_dir, "/halt", {"reason": reason, "scope": scope})
    say(f"halted ({scope}): {reason}; it is on disk and stands until `tradebot resume`")


@click.command()
@where
@click.argument("reason", default="resumed by the operator")
@click.option("--scope", default="all", show_default=True, help="all (every halt), symbol:TCS or strategy:NAME.")
def resume(path: str | None, state_dir: Path | None, reason: str, scope: str) -> None:
    """Let new positions be opened again; after `kill` this also removes the HALT file."""
    answer = _ask(path, state_dir, "/resume", {"reason": reason, "scope": scope})
    if lifted := answer.get("lifted"):
        say(f"the HALT file is gone; it said: {lifted}")
    say(f"resumed ({scope})")


@click.command()
@where
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
        confirm("Close every position and halt?")
    id_ = id_ or f"flatten-{WallClock().wall()}"
    body = {"id": id_, "reason": reason} | ({"lift_kill": True} if lift_kill else {})
    answer = _ask(path, state_dir, "/flatten", body)
    if answer.get("known"):
        say(f"{id_} was given before and did nothing more")
    for order in answer.get("orders", ()):
        what = f"{order['side']} {order['quantity']} {order['symbol']}"
        say(f"working: {order['order_id']} {what}")
    for position in answer.get("closing", ()):
        say(f"closing: {position['quantity']} {position['symbol']}")
    if not answer.get("closing"):
        say("no position is open")
    say(f"halted and flattening ({id_}); `tradebot status` shows what is left")


def _ask(path: str | None, state_dir: Path | None, route: str, body: dict[str, Any]) -> dict[str, Any]:
    from tradebot.control.client import ask

    return ask(_state_dir(path, state_dir), "POST", route, body)


# ---- how the picture is shown


def _free_mb(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free // 1_000_000
    except OSError:
        return None


def _log_mb(folder: Path) -> int | None:
    # The write-ahead log grows while somebody reads the journal in one long transaction.
    try:
        return os.stat(folder / "journal.sqlite3-wal").st_size // 1_000_000
    except OSError:
        return None


def _vitals(found: dict[str, Any]) -> str:
    from tradebot.clock import iso
    from tradebot.markets.market import HOME

    def when(at: int | None) -> str:
        return "none" if at is None else iso(at, HOME.time)[:19]

    session, store, offset, login = found["session"], found["store"], found["clock_offset_s"], found["login"]
    ends = "its end not known" if login["ends_at"] is None else f"ends {when(login['ends_at'])} at the latest"
    said = [
        f"up {found['uptime_s']:.0f} s",
        f"runs before {found['runs_before']}, {found['cut_off_before']} of them cut off since the last resume",
        f"last bar {when(found['last_bar'])}",
        f"last signal {when(found['last_signal'])}",
        f"session {'open' if session['is_open'] else 'closed'}, its close {when(session['closes_at'])}",
        f"login held since {when(login['held_since'])}, issued at a time not known, {ends}",
        "clock as the exchange's own" if offset is None else f"clock {offset:+.3f} s from the venue's",
        f"log lines dropped {found['log_lines_dropped']}",
        "free disk not known" if found["disk_free_mb"] is None else f"free disk {found['disk_free_mb']} MB",
        "no store"
        if store is None
        else f"store {store['behind']} rows behind" + (f": {store['trouble']}" if store["trouble"] else ""),
    ]
    return "; ".join(said)


def _show_status(found: dict[str, Any]) -> None:
    from tradebot.cli.tables import table
    from tradebot.clock import iso
    from tradebot.markets.market import HOME

    say(
        f"{found['state']}, {found['mode']} on {found['venue']}, account {found['account']}, run {found['run_id']}, "
        f"pid {found['pid']}, market time {iso(found['market_time'], HOME.time)[:19]}"
    )
    for one in found["halts"]:
        ends = ", to the end of the session" if one.get("until") == "session" else ""
        say(f"HALTED ({one['verb']} {one['scope']}{ends}): {one['reason']}")
    if not found["halts"]:
        say("not halted")
    feed = found["feed"]
    age = "no quote yet" if feed["age_s"] is None else f"newest quote {feed['age_s']:.1f} s ago"
    say(f"feed: {'STALE, ' if feed['is_stale'] else ''}{age}" + "".join(f"; {k}: {v}" for k, v in feed["down"].items()))
    counts = ", ".join(f"{name} {number}" for name, number in found["counts"].items())
    money = found["money"]
    spans = (("this run", "run"), ("the day", "day"), ("since the journal began", "whole"))
    for title, span in spans:
        orders, fills, charges, profit = (money[f"{span}_{name}"] for name in ("orders", "fills", "charges", "pnl_net"))
        say(f"{title}: {orders} orders, {fills} fills, charges {charges}, profit after charges {profit}")
    say(f"counted in this run: {counts}; {len(found['symbols'])} symbols")
    for title, rows in (("positions", found["positions"]), ("working orders", found["orders"])):
        say(f"{title}: {len(rows) or 'none'}")
        if rows:
            table([{name: "" if value is None else value for name, value in row.items()} for row in rows])
    say(_vitals(found))
    queues = ", ".join(f"{name} {queue['now']}" for name, queue in found["queues"].items())
    journal = found["journal"]
    waiting = journal["queued"] - journal["on_disk"]
    say(f"queues: {queues}")
    say(f"journal: row {journal['on_disk']} on disk, {waiting} waiting, its log {journal['log_mb']} MB")
