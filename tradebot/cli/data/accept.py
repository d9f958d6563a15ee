"""The verb `data accept`: a person confirms that one price jump of a symbol is true, so that no check refuses it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from tradebot.cli.data.options import history_options
from tradebot.cli.shared.history import open_configured_history
from tradebot.config import load_config
from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.errors import DataError
from tradebot.history.history import History
from tradebot.printing import print_line


@click.command()
@click.argument("symbol")
@click.argument("day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]))
@click.option("--exchange", default="", help=f"Where it trades.  [default: as in the history, else {HOME_EXCHANGE}]")
@history_options
def accept(symbol: str, day: date, exchange: str, config: str | None, state_dir: Path | None) -> None:
    """Accept the jump of SYMBOL on DATE, the first day of its new prices: no split, or one that is meant to be there.

    `data check` and backtests then pass it, those on files too. Each jump is accepted by itself: --accept-gaps lets
    none pass.
    """
    from tradebot.history.exchange_calendar import day_number, require_known_exchange

    name = symbol.upper()
    number = day_number(date(day.year, day.month, day.day))
    with open_configured_history(load_config(config, {"app.state_dir": state_dir}), writes=True) as history:
        place, _, bare = name.rpartition(":")
        place = exchange.upper() or place or _exchange(history, bare, number)
        require_known_exchange(place)
        with history.transaction():
            history.accept_jump(place, bare, number)
    print_line(f"accepted: the jump of {place}:{bare} on {day:%Y-%m-%d}")


def _exchange(history: History, symbol: str, day: int) -> str:
    from tradebot.history.exchange_calendar import date_of_day
    from tradebot.history.price_jumps import find_jumps

    lengths = history.stored_intervals(symbol)
    if not lengths:
        return HOME_EXCHANGE
    exchange = history.instrument_of(symbol, lengths[0]).exchange
    found = {
        jump.day for length in lengths for jump in find_jumps(history.load_series([symbol], length)[symbol], exchange)
    }
    if day not in found:
        days = ", ".join(str(date_of_day(one)) for one in sorted(found)[:10])
        raise DataError(
            f"{history.location}: {symbol} has no jump on {date_of_day(day)};"
            f" {f'it has: {days}' if days else 'it has none'}"
        )
    return exchange
