"""The verbs `paper reset` and `paper compare`: begin a new paper account, and hold a live run against its shadow."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import msgspec

from tradebot.cli.shared.options import CONFIG_OPTION, combine_options, state_dir_option
from tradebot.cli.shared.state_dir import state_dir_of
from tradebot.cli.shared.tables import print_rows
from tradebot.errors import StateError
from tradebot.printing import confirm_or_abort, print_json, print_line

_options = combine_options(CONFIG_OPTION, state_dir_option("Where the paper account, the shadow and the journal are."))


@click.group()
def paper() -> None:
    """Begin a new paper account, or compare a live run with its shadow on paper."""


@paper.command()
@_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask first.")
def reset(path: str | None, state_dir: Path | None, yes: bool) -> None:
    """Move the paper account's log aside; the next start in paper mode begins a new account with `paper.cash`.

    The journal keeps the orders and positions of the old account under its name; the new one has the next name, such as
    PAPER-AB1234-2, and begins without any. Refused while a daemon runs in the state directory.
    """
    from tradebot.journal.lock import StateLock
    from tradebot.paper.accounts import account_of_log, reset_account
    from tradebot.paper.settings import PAPER_LOG

    folder = state_dir_of(state_dir, path)
    if not folder.is_dir() or not (account := account_of_log(folder / PAPER_LOG)):
        raise StateError(f"{folder}: there is no paper account here, so there is nothing to reset")
    lock = StateLock(folder)
    lock.acquire_lock()
    try:
        if not yes:
            confirm_or_abort(f"End the paper account {account} in {folder}? Its positions are given up.")
        done = reset_account(folder)
    finally:
        lock.release_lock()
    if done is not None:
        print_line(f"{done[0]} has ended and its log is {done[1]}; the next start in paper mode begins a new account")


@paper.command()
@_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(path: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Compare live fills with those of the shadow (`paper.shadow`), order by order in ticks, by kind and by hour.

    Above zero the paper price was better than the live one: the simulation is too optimistic by that much.
    """
    from tradebot.journal.recovery import fold_orders
    from tradebot.journal.schema import FILE_NAME
    from tradebot.paper.accounts import SHADOW
    from tradebot.paper.comparison import compare_orders, read_shadow, summarize_comparison
    from tradebot.paper.settings import SHADOW_LOG

    folder = state_dir_of(state_dir, path)
    journal, log = folder / FILE_NAME, folder / SHADOW_LOG
    for needed, what in ((journal, "no journal"), (log, "no shadow: set paper.shadow = true for live runs")):
        if not needed.is_file():
            raise StateError(f"{folder}: there is {what}")
    shadow = read_shadow(log, prefix=SHADOW)
    orders = fold_orders(journal, account=shadow.live_account)
    rows = compare_orders(orders.values(), shadow, _tick_sizes(journal))
    groups = summarize_comparison(rows)
    if as_json:
        print_json({"orders": [_shown(row) for row in rows], "summary": [_shown(group) for group in groups]}, indent=2)
        return
    print_rows([_shown(row) for row in rows], as_json=False)
    print_line("")
    print_rows([_shown(group) for group in groups], as_json=False)


def _tick_sizes(journal: Path) -> dict[str, Decimal]:
    # Symbol -> the tick size of its newest listing.
    from tradebot.journal.reader import read_rows
    from tradebot.journal.rows import InstrumentList

    found: dict[str, Decimal] = {}
    for row in read_rows(journal, kinds=("universe",)):
        if isinstance(listing := row.message, InstrumentList):
            found |= {one.symbol: one.tick_size for one in listing.instruments}
    return found


def _shown(row: msgspec.Struct) -> dict[str, Any]:
    fields = msgspec.structs.asdict(row)
    return {name: _text(value) for name, value in fields.items()}


def _text(value: object) -> Any:
    if value is None:
        return ""
    return f"{value:f}" if isinstance(value, Decimal) else value
