"""The verb `why`: explains one order, from the signal to the last fill."""

from __future__ import annotations

from pathlib import Path

import click

from tradebot.cli.journal.options import journal_options, journal_path
from tradebot.cli.journal.order_history import history_fields, print_history
from tradebot.journal.order_history import read_order_history
from tradebot.printing import print_json


@click.command()
@click.argument("order_id")
@journal_options
def why(order_id: str, state_dir: Path | None, config: str | None, as_json: bool) -> None:
    """Explain ORDER_ID: its signal, the gate's checks, every state with its time, every fill.

    The beginning of the id is enough where only one order has it.
    """
    event = read_order_history(journal_path(state_dir, config), order_id)
    if as_json:
        print_json(history_fields(event), indent=2)
    else:
        print_history(event)
