"""The verb `trades`: lists the fills in the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tradebot.cli.control.daemon import fetch_list
from tradebot.cli.control.lists import print_list
from tradebot.cli.journal.options import account_option, journal_options, journal_path, running_option
from tradebot.cli.journal.order_history import exchange_zone
from tradebot.cli.shared.tables import print_rows
from tradebot.clock import format_iso
from tradebot.control.api_paths import MAX_ROWS
from tradebot.domain.messages import ReleasedPosition
from tradebot.journal import recovery


@click.command()
@journal_options
@account_option
@running_option
def trades(state_dir: Path | None, config: str | None, as_json: bool, account: str | None, running: bool) -> None:
    """List the fills in the journal, each once, in the order they were booked; with --running the newest first."""
    if running:
        print_list("trades", fetch_list(config, state_dir, "trades", limit=MAX_ROWS), as_json=as_json)
        return
    fold = recovery.fold_account(journal_path(state_dir, config), account=account)
    seen: set[tuple[str, str, str]] = set()
    listed: list[dict[str, Any]] = []
    for event in fold.events:
        if isinstance(event, ReleasedPosition) or (done := event.fill) is None:
            continue
        if (key := (event.order_id, done.exchange, done.execution_id)) in seen:
            continue
        seen.add(key)
        listed.append(
            {
                "traded_at": format_iso(done.traded_at, exchange_zone(done.exchange)),
                "execution_id": done.execution_id,
                "order_id": event.order_id,
                "exchange": done.exchange,
                "symbol": done.symbol,
                "side": str(done.side),
                "quantity": f"{done.quantity:f}",
                "price": f"{done.price:f}",
                "strategy": fold.orders[event.order_id].request.strategy,
            }
        )
    print_rows(listed, as_json=as_json)
