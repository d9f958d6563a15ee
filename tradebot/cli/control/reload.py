"""The verb `reload`: the running daemon takes up the settings that changed in its config, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tradebot.cli.control.daemon import daemon_options, json_option, post_command
from tradebot.control.api_paths import PREFIX
from tradebot.printing import confirm_or_abort, print_json, print_line


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Do not ask before limits rise while a position or an order is open.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@daemon_options
@json_option
def reload(yes: bool, dry_run: bool, path: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Take up changed limits, parameters of strategies, alerts and the log level; all else needs a restart.

    With a change that needs one nothing is taken up. Lower limits hold at once. Higher ones are taken up while the
    account is flat, or after your yes.
    """

    def ask(**body: bool) -> dict[str, Any]:
        return post_command(path, state_dir, f"{PREFIX}/reload", body)

    trial = ask(trial=True)
    if dry_run:
        _show(trial["would_change"], trial, as_json=as_json, verb="would change")
        return
    if trial["raised"] and not yes and not as_json:
        _list(trial["would_change"])
        confirm_or_abort(f"Raise {', '.join(trial['raised'])}, also while a position or an order is open?")
        yes = True
    answer = ask(confirm=yes)
    _show(answer["changed"], answer, as_json=as_json, verb="changed")


def _show(changes: dict[str, list[str]], answer: dict[str, Any], *, as_json: bool, verb: str) -> None:
    if as_json:
        print_json(answer, indent=2)
        return
    _list(changes)
    print_line(f"{len(changes)} setting(s) {verb}" if changes else "nothing differs from the settings of the run")


def _list(changes: dict[str, list[str]]) -> None:
    for key, (before, after) in changes.items():
        print_line(f"{key}: {before} -> {after}")
