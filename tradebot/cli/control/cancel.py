"""The verb `cancel`: makes the running daemon cancel one order of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tradebot.cli.control.daemon import daemon_options, json_option, post_command
from tradebot.control.api_paths import PREFIX
from tradebot.printing import confirm_or_abort, print_json, print_line


@click.command()
@click.argument("order_id")
@daemon_options
@json_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--reason", default="", help="Why, for the journal.")
def cancel(order_id: str, path: str | None, state_dir: Path | None, as_json: bool, yes: bool, reason: str) -> None:
    """Cancel the order ORDER_ID of this daemon; a stop that guards an open position comes back by itself."""
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("add --yes to cancel an order without being asked")
        confirm_or_abort(f"Cancel the order {order_id}?")
    answer = post_command(path, state_dir, f"{PREFIX}/cancel", {"order_id": order_id, "reason": reason})
    if as_json:
        print_json(answer, indent=2)
    elif answer["already"]:
        print_line(f"a cancel of {order_id} was on its way already; the order is {answer['state']}")
    else:
        print_line(f"the cancel of {order_id} is on disk and on its way; the venue's answer shows in `tradebot why`")
