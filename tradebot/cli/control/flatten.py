"""The verb `flatten`: makes the running daemon halt and close every position."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tradebot.cli.control.daemon import daemon_options, json_option, post_command
from tradebot.printing import confirm_or_abort, print_json, print_line


@click.command()
@daemon_options
@json_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--id", "id_", help="Name of this command; the same name acts once.  [default: a new one]")
@click.option("--reason", default="flattened by the operator", help="Why, for the journal.")
@click.option("--lift-kill", is_flag=True, help="After `kill`: let exits leave again; entries stay halted.")
def flatten(
    path: str | None, state_dir: Path | None, as_json: bool, yes: bool, id_: str | None, reason: str, lift_kill: bool
) -> None:
    """Halt, take back working orders and close every position; it stands until `resume`."""
    from tradebot.clock import WallClock

    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("add --yes to close every position without being asked")
        confirm_or_abort("Close every position and halt?")
    id_ = id_ or f"flatten-{WallClock().wall_ns()}"
    body = {"id": id_, "reason": reason} | ({"lift_kill": True} if lift_kill else {})
    answer = post_command(path, state_dir, "/flatten", body)
    if as_json:
        print_json(answer, indent=2)
        return
    if answer.get("known"):
        print_line(f"{id_} was given before and did nothing more")
    for order in answer.get("orders", ()):
        what = f"{order['side']} {order['quantity']} {order['symbol']}"
        print_line(f"working: {order['order_id']} {what}")
    for position in answer.get("closing", ()):
        print_line(f"closing: {position['quantity']} {position['symbol']}")
    if not answer.get("closing"):
        print_line("no position is open")
    print_line(f"halted and flattening ({id_}); `tradebot status` shows what is left")
