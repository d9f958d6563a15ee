"""Options of the verbs that read the journal, and the path of the journal that they name."""

from __future__ import annotations

from pathlib import Path

import click

from tradebot.cli.shared.options import combine_options, state_dir_option
from tradebot.cli.shared.state_dir import state_dir_of
from tradebot.journal.schema import FILE_NAME

journal_options = combine_options(
    state_dir_option("Where the journal is."),
    click.option("-c", "--config", "config", metavar="FILE", help="Configuration file, for its state_dir."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON."),
)
running_option = click.option(
    "--running", is_flag=True, help="Ask the running daemon, which knows prices and states of this moment."
)
account_option = click.option("--account", help="Of this account.  [default: the last run's]")


def journal_path(state_dir: Path | None, config: str | None) -> Path:
    """Return the path of the journal file."""
    return state_dir_of(state_dir, config) / FILE_NAME
