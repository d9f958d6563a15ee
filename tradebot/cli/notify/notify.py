"""The verbs `notify test` and `notify watch`: try the receivers; look at a daemon and tell when it needs a person."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from tradebot.cli.control.daemon import daemon_options
from tradebot.cli.notify.settings import alert_settings
from tradebot.cli.shared.options import CONFIG_OPTION
from tradebot.cli.shared.state_dir import state_dir_of
from tradebot.errors import ExitCode
from tradebot.printing import print_json, print_line

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def notify() -> None:
    """Try the receivers of alerts; look at a daemon from outside and tell when it needs a person."""


@notify.command()
@CONFIG_OPTION
@AS_JSON
def test(path: str | None, as_json: bool) -> int:
    """Send one message to each receiver of [notify] and [telegram], and say which took it; exit 69 when one did not."""
    from tradebot.cli.notify.delivery import deliver_to_all
    from tradebot.config import load_config

    config = load_config(path)
    body = "This is a test of `tradebot notify test`.\nDo: nothing; alerts of the daemon come here."
    rows = asyncio.run(deliver_to_all(config, "test of alerts", body))
    if as_json:
        print_json(rows, indent=2)
    for row in () if as_json else rows:
        print_line(f"{row['receiver']}: {'delivered' if row['delivered'] else row['reason']}")
    return ExitCode.OK if all(row["delivered"] for row in rows) else ExitCode.UNAVAILABLE


@notify.command()
@daemon_options
@click.option("--always", "is_always", is_flag=True, help="Tell at any hour.  [default: in market hours]")
@AS_JSON
def watch(path: str | None, state_dir: Path | None, is_always: bool, as_json: bool) -> int:
    """Look at the daemon once, for a timer: tell when it is silent, halted or not ready in market hours.

    Told once a state, again each hour, and when it is over. Exit 0 whatever was found; 69 when no receiver took it.
    """
    from tradebot.cli.notify.daemon_look import is_market_open, look_at_daemon
    from tradebot.clock import WallClock
    from tradebot.notify.watch import judge_look, keep_watched, read_watched

    folder, now = state_dir_of(state_dir, path), WallClock().wall_ns()
    look = look_at_daemon(folder)
    telling, after = judge_look(look, read_watched(folder), now=now, is_in_hours=is_always or is_market_open(now))
    rows: list[dict[str, Any]] = []
    if telling is not None:
        from tradebot.cli.notify.delivery import deliver_to_all

        rows = asyncio.run(deliver_to_all(alert_settings(path), telling.title, telling.body))
    told = any(row["delivered"] for row in rows)
    if as_json:
        print_json({"code": look.code, "sentence": look.sentence, "told": told, "receivers": rows}, indent=2)
    else:
        print_line(f"{look.code} {look.sentence}; {_told_text(rows)}")
    if told:
        keep_watched(folder, after)
    return ExitCode.UNAVAILABLE if rows and not told else ExitCode.OK


def _told_text(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "nothing to tell"
    return "; ".join(f"{row['receiver']}: {'told' if row['delivered'] else row['reason']}" for row in rows)
