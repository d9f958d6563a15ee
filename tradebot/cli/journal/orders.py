"""The verb `orders`: lists the orders in the journal."""

from __future__ import annotations

from pathlib import Path

import click

from tradebot.cli.journal.options import account_option, journal_options, journal_path
from tradebot.cli.journal.order_history import order_fields
from tradebot.cli.shared.tables import print_rows
from tradebot.journal import recovery


@click.command()
@journal_options
@account_option
@click.option("--live", is_flag=True, help="Only those that may still trade.")
def orders(state_dir: Path | None, config: str | None, as_json: bool, account: str | None, live: bool) -> None:
    """List the orders in the journal, oldest first."""
    found = recovery.fold_orders(journal_path(state_dir, config), account=account).values()
    print_rows([order_fields(order) for order in found if order.is_live or not live], as_json=as_json)
