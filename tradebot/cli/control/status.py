"""The verb `status`: shows the state of the running daemon, or one line of it for a cron job."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tradebot.cli.control.daemon import daemon_options
from tradebot.cli.shared.state_dir import state_dir_of
from tradebot.control.checkup import EXIT_CODES_HELP, check_status
from tradebot.errors import ExitCode
from tradebot.journal.disk_space import MB
from tradebot.printing import print_json, print_line


@click.command()
@daemon_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--check", "is_check", is_flag=True, help=f"Say in one line what is wrong, for a cron job.  {EXIT_CODES_HELP}"
)
def status(path: str | None, state_dir: Path | None, as_json: bool, is_check: bool) -> int:
    """Show the running daemon: halts, feed, positions, working orders, profit, queues; exit 69 without a daemon."""
    from tradebot.control.client import send_request

    folder = state_dir_of(state_dir, path)
    found = send_request(folder, "GET", "/status")
    found["disk_free_mb"] = _free_mb(folder)
    if is_trading := "journal" in found:
        found["journal"]["log_mb"] = _log_mb(folder)
    verdict = check_status(found)
    if as_json:
        print_json(found | {"check": verdict._asdict()}, indent=2)
    elif is_check:
        print_line(verdict.sentence)
    elif is_trading:
        _show_status(found)
    else:
        _show_start(found, verdict.sentence)
    return verdict.code if is_check else ExitCode.OK


def _free_mb(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free // MB
    except OSError:
        return None


def _log_mb(folder: Path) -> int | None:
    # SQLite's write-ahead log grows while another process reads the journal in one long transaction.
    try:
        return os.stat(folder / "journal.sqlite3-wal").st_size // MB
    except OSError:
        return None


def _vitals(found: dict[str, Any]) -> str:
    from tradebot.clock import format_iso
    from tradebot.markets.market import HOME_MARKET

    def when(at: int | None) -> str:
        return "none" if at is None else format_iso(at, HOME_MARKET.tzinfo)[:19]

    session, store, offset = found["session"], found["store"], found["clock_offset_s"]
    said = [
        f"up {found['uptime_s']:.0f} s",
        f"runs before {found['runs_before']}, {found['cut_off_before']} of them cut off since the last resume",
        f"last bar {when(found['last_bar'])}",
        f"last signal {when(found['last_signal'])}",
        *([f"{found['held_back']} symbols held back for a repair of bars"] if found.get("held_back") else ()),
        f"session {'open' if session['is_open'] else 'closed'}, its close {when(session['closes_at'])}",
        _login(found["login"], when),
        "clock as the exchange's own" if offset is None else f"clock {offset:+.3f} s from the venue's",
        f"log lines dropped {found['log_lines_dropped']}",
        "free disk not known" if found["disk_free_mb"] is None else f"free disk {found['disk_free_mb']} MB",
        "no store"
        if store is None
        else f"store {store['behind']} rows behind" + (f": {store['trouble']}" if store["trouble"] else ""),
    ]
    return "; ".join(said)


def _show_start(found: dict[str, Any], sentence: str) -> None:
    print_line(f"{found['state']}, {found['mode']} on {found['venue']}, run {found['run_id']}, pid {found['pid']}")
    print_line(sentence)


def _login(login: dict[str, Any], when: Callable[[int | None], str]) -> str:
    ends = "its end not known" if login["ends_at"] is None else f"ends {when(login['ends_at'])} at the latest"
    issued = "issued at a time not known" if login["issued_at"] is None else f"issued {when(login['issued_at'])}"
    state = f"{login['state']}, " if "state" in login else ""
    return f"login {state}held since {when(login['held_since'])}, {issued}, {ends}"


def _show_status(found: dict[str, Any]) -> None:
    from tradebot.cli.shared.tables import print_table
    from tradebot.clock import format_iso
    from tradebot.markets.market import HOME_MARKET

    print_line(
        f"{found['state']}, {found['mode']} on {found['venue']}, account {found['account']}, run {found['run_id']}, "
        f"pid {found['pid']}, market time {format_iso(found['market_time'], HOME_MARKET.tzinfo)[:19]}"
    )
    for one in found["halts"]:
        ends = ", to the end of the session" if one.get("until") == "session" else ""
        print_line(f"HALTED ({one['verb']} {one['scope']}{ends}): {one['reason']}")
    if not found["halts"]:
        print_line("not halted")
    feed = found["feed"]
    age = "no quote yet" if feed["age_s"] is None else f"newest quote {feed['age_s']:.1f} s ago"
    print_line(
        f"feed: {'STALE, ' if feed['is_stale'] else ''}{age}" + "".join(f"; {k}: {v}" for k, v in feed["down"].items())
    )
    counts = ", ".join(f"{name} {number}" for name, number in found["counts"].items())
    money = found["money"]
    spans = (("this run", "run"), ("the day", "day"), ("since the journal began", "whole"))
    for title, span in spans:
        orders, fills, charges, profit = (money[f"{span}_{name}"] for name in ("orders", "fills", "charges", "pnl_net"))
        print_line(f"{title}: {orders} orders, {fills} fills, charges {charges}, profit after charges {profit}")
    print_line(f"counted in this run: {counts}; {len(found['symbols'])} symbols")
    tables = (
        ("positions", found["positions"]),
        ("working orders", found["orders"]),
        ("stops at the venue", found["resting_stops"]),
    )
    for title, rows in tables:
        print_line(f"{title}: {len(rows) or 'none'}")
        if rows:
            print_table([{name: "" if value is None else value for name, value in row.items()} for row in rows])
    print_line(_vitals(found))
    queues = ", ".join(f"{name} {queue['now']}" for name, queue in found["queues"].items())
    journal = found["journal"]
    waiting = journal["queued"] - journal["on_disk"]
    print_line(f"queues: {queues}")
    print_line(f"journal: row {journal['on_disk']} on disk, {waiting} waiting, its log {journal['log_mb']} MB")
