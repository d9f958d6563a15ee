"""The verbs `halt` and `resume`: make the running daemon stop new positions, and allow them again."""

from __future__ import annotations

from pathlib import Path

import click

from tradebot.cli.control.daemon import daemon_options, json_option, post_command
from tradebot.printing import print_json, print_line


@click.command()
@daemon_options
@json_option
@click.argument("reason", default="halted by the operator")
@click.option("--scope", default="all", show_default=True, help="all, symbol:TCS or strategy:NAME.")
def halt(path: str | None, state_dir: Path | None, reason: str, scope: str, as_json: bool) -> None:
    """Stop new positions until `resume`, over restarts too; exits and cancels still leave."""
    answer = post_command(path, state_dir, "/halt", {"reason": reason, "scope": scope})
    if as_json:
        print_json(answer, indent=2)
        return
    print_line(f"halted ({scope}): {reason}; it is on disk and stands until `tradebot resume`")


@click.command()
@daemon_options
@json_option
@click.argument("reason", default="resumed by the operator")
@click.option("--scope", default="all", show_default=True, help="all (every halt), symbol:TCS or strategy:NAME.")
def resume(path: str | None, state_dir: Path | None, reason: str, scope: str, as_json: bool) -> None:
    """Let new positions be opened again; after `kill` this also removes the HALT file."""
    answer = post_command(path, state_dir, "/resume", {"reason": reason, "scope": scope})
    if as_json:
        print_json(answer, indent=2)
        return
    if lifted := answer.get("lifted"):
        print_line(f"the HALT file is gone; it said: {lifted}")
    print_line(f"resumed ({scope})")
