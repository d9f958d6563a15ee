"""The verbs `pause` and `unpause`: a halt of one strategy, and its end."""

from __future__ import annotations

from pathlib import Path

import click

from tradebot.cli.control.daemon import daemon_options, json_option, post_command
from tradebot.control.api_paths import PREFIX
from tradebot.printing import print_json, print_line


@click.command()
@click.argument("strategy")
@click.argument("reason", default="paused by the operator")
@daemon_options
@json_option
def pause(strategy: str, reason: str, path: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Stop new positions of STRATEGY until `unpause`, over restarts too: a halt with the scope strategy:NAME."""
    answer = post_command(path, state_dir, f"{PREFIX}/pause", {"strategy": strategy, "reason": reason})
    if as_json:
        print_json(answer, indent=2)
    else:
        print_line(f"paused {strategy}: {answer['halted']}; it is on disk and stands until `tradebot unpause`")


@click.command()
@click.argument("strategy")
@click.argument("reason", default="resumed by the operator")
@daemon_options
@json_option
def unpause(strategy: str, reason: str, path: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Let STRATEGY open positions again; a halt of everything still stands."""
    answer = post_command(path, state_dir, f"{PREFIX}/unpause", {"strategy": strategy, "reason": reason})
    if as_json:
        print_json(answer, indent=2)
    else:
        print_line(f"{strategy} may open positions again, unless a wider halt stands (`tradebot status`)")
