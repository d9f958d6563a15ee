"""The verbs that list what the running daemon has: profit, signals, risk, session, strategies, symbols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from tradebot.cli.control.daemon import daemon_options, fetch_list, json_option, limit_option
from tradebot.cli.shared.tables import print_rows
from tradebot.printing import print_json, print_line

SPANS = (("this run", "run"), ("the day", "day"), ("whole journal", "whole"))
TIMES = frozenset({"market_time", "entries_until"})  # beside the names that end in `_at`
# The columns of each list for people, so that a line fits into 80 columns; JSON has everything.
COLUMNS = {
    "positions": ("symbol", "product", "owner", "quantity", "average_price", "last", "profit"),
    "orders": ("order_id", "symbol", "side", "quantity", "filled", "price", "state", "purpose"),
    "trades": ("traded_at", "order_id", "symbol", "side", "quantity", "price"),
    "signals": ("bar_at", "strategy", "symbol", "action", "close"),
    "symbols": ("symbol", "kind", "last", "quantity", "tick_size", "lot_size", "blocked"),
    "strategies": ("name", "symbols", "working", "denied", "paused"),
    "denials": ("control", "strategy", "count", "reason"),
    "halts": ("verb", "scope", "until", "reason"),
}


def print_list(name: str, answer: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a list of the daemon: its answer as JSON, else the columns for people."""
    if as_json:
        print_json(answer, indent=2)
    else:
        print_rows(shown_rows(name, answer[name]), as_json=False)


def shown_rows(name: str, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with the columns for people, each value as text."""
    return [{column: _shown(column, row[column]) for column in COLUMNS[name]} for row in rows]


@click.command()
@daemon_options
@json_option
def pnl(path: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Show profit and charges of the running daemon: of this run, of the day, since the journal began."""
    found = fetch_list(path, state_dir, "pnl")
    if as_json:
        print_json(found, indent=2)
        return
    names = ("orders", "fills", "charges", "realized", "pnl_net")
    print_rows(
        [{"span": title} | {name: found.get(f"{span}_{name}", "") for name in names} for title, span in SPANS],
        as_json=False,
    )
    print_line(f"open positions: {found['unrealized']} before charges")


@click.command()
@daemon_options
@json_option
@limit_option
def signals(path: str | None, state_dir: Path | None, as_json: bool, limit: int) -> None:
    """List the newest signals in the journal of the running daemon."""
    print_list("signals", fetch_list(path, state_dir, "signals", limit=limit), as_json=as_json)


@click.command()
@daemon_options
@json_option
def risk(path: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Show halts, limits, what is used of them, and what the gate denied in this run."""
    found = fetch_list(path, state_dir, "risk")
    if as_json:
        print_json(found, indent=2)
        return
    print_line("halts:" if found["halts"] else "halts: none")
    if found["halts"]:
        print_rows(shown_rows("halts", found["halts"]), as_json=False)
    print_line("used:")
    print_rows([{"name": name, "value": str(value)} for name, value in found["used"].items()], as_json=False)
    print_line("limits:")
    print_rows(found["limits"], as_json=False)
    print_line("denials:" if found["denials"] else "denials: none")
    if found["denials"]:
        print_rows(shown_rows("denials", found["denials"]), as_json=False)


@click.command()
@daemon_options
@json_option
def session(path: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Show the session in force or next to come, the clock and the login."""
    found = fetch_list(path, state_dir, "session")
    if as_json:
        print_json(found, indent=2)
        return
    login = found.pop("login")
    rows = found | {f"login_{name}": value for name, value in login.items()}
    print_rows([{"name": name, "value": _shown(name, value)} for name, value in rows.items()], as_json=False)


@click.command()
@daemon_options
@json_option
def strategies(path: str | None, state_dir: Path | None, as_json: bool) -> None:
    """List the strategies of the running daemon; a paused one says why."""
    print_list("strategies", fetch_list(path, state_dir, "strategies"), as_json=as_json)


@click.command()
@daemon_options
@json_option
def symbols(path: str | None, state_dir: Path | None, as_json: bool) -> None:
    """List the symbols of the running daemon with last price and position; a blocked one says why."""
    print_list("symbols", fetch_list(path, state_dir, "symbols"), as_json=as_json)


def _shown(name: str, value: Any) -> str:
    from tradebot.clock import format_iso
    from tradebot.markets.market import HOME_MARKET

    if value is None:
        return ""
    if (name in TIMES or name.endswith("_at")) and isinstance(value, int):
        return format_iso(value, HOME_MARKET.tzinfo)[:19]
    if isinstance(value, list):
        return ", ".join(map(str, value)) if value else "all"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
