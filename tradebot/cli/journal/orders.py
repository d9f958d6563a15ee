"""The verb `orders`: lists the orders in the journal."""

from __future__ import annotations

from pathlib import Path

import click

from tradebot.cli.control.daemon import fetch_list
from tradebot.cli.control.lists import print_list
from tradebot.cli.journal.options import account_option, journal_options, journal_path, running_option
from tradebot.cli.journal.order_history import order_fields
from tradebot.cli.shared.tables import print_rows
from tradebot.control.api_paths import MAX_ROWS
from tradebot.journal import recovery


@click.command()
@journal_options
@account_option
@click.option("--live", is_flag=True, help="Only those that may still trade.")
@running_option
def orders(
    state_dir: Path | None, config: str | None, as_json: bool, account: str | None, live: bool, running: bool
) -> None:
    """List the orders in the journal, oldest first; with --running those that the daemon remembers, newest first."""
    if running:
        found = fetch_list(config, state_dir, "orders", live=live, limit=MAX_ROWS)
        print_list("orders", found, as_json=as_json)
        return
    folded = recovery.fold_orders(journal_path(state_dir, config), account=account).values()
    print_rows([order_fields(order) for order in folded if order.is_live or not live], as_json=as_json)
