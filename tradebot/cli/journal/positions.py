"""The verb `positions`: lists the positions that the fills in the journal add up to."""

from __future__ import annotations

from pathlib import Path

import click

from tradebot.cli.control.daemon import fetch_list
from tradebot.cli.control.lists import print_list
from tradebot.cli.journal.options import account_option, journal_options, journal_path, running_option
from tradebot.cli.journal.order_history import format_decimal
from tradebot.cli.shared.tables import print_rows
from tradebot.domain.portfolio import Position
from tradebot.journal import recovery


@click.command()
@journal_options
@account_option
@click.option("--all", "with_flat", is_flag=True, help="Flat ones too.")
@running_option
def positions(
    state_dir: Path | None, config: str | None, as_json: bool, account: str | None, with_flat: bool, running: bool
) -> None:
    """List our positions as the journal adds them up, and what the venue's books showed beyond them last.

    `realized` is before charges. With --running the daemon lists its open positions, with last price and profit.
    """
    if running:
        print_list("positions", fetch_list(config, state_dir, "positions"), as_json=as_json)
        return
    fold = recovery.fold_account(journal_path(state_dir, config), account=account)
    ours = sorted(fold.positions.values(), key=lambda p: (p.symbol, *p.key.netting_key))
    found = [*ours, *(Position(p.key).with_quantity(p.quantity, p.average_price) for p in fold.external)]
    print_rows(
        [
            {
                "exchange": p.key.exchange,
                "symbol": p.symbol,
                "product": p.key.product,
                "owner": p.key.owner,
                "quantity": f"{p.quantity:f}",
                "average_price": format_decimal(p.average_price),
                "realized": format_decimal(p.realized),
                "bought": format_decimal(p.bought),
                "sold": format_decimal(p.sold),
            }
            for p in found
            if with_flat or not p.is_flat
        ],
        as_json=as_json,
    )
