"""The verb `data accept`: a person says of one jump of one symbol that it is true, so that nothing asks again."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from tradebot.cli.data.options import where
from tradebot.cli.shared.history import opened
from tradebot.config import load
from tradebot.domain.home import HOME_EXCHANGE
from tradebot.errors import DataError
from tradebot.history.history import History
from tradebot.printing import say


@click.command()
@click.argument("symbol")
@click.argument("day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]))
@click.option("--exchange", default="", help=f"Where it trades.  [default: as in the history, else {HOME_EXCHANGE}]")
@where
def accept(symbol: str, day: date, exchange: str, config: str | None, state_dir: Path | None) -> None:
    """Accept the jump of SYMBOL on DATE, the first day of its new prices: no split, or one that is meant to be there.

    `data check` and backtests then pass it, those on files too. Each jump is accepted by itself: --accept-gaps lets
    none pass.
    """
    from tradebot.history.market import day_number, require_exchange

    name = symbol.upper()
    number = day_number(date(day.year, day.month, day.day))
    with opened(load(config, {"app.state_dir": state_dir}), writes=True) as history:
        place, _, bare = name.rpartition(":")
        place = exchange.upper() or place or _exchange(history, bare, number)
        require_exchange(place)
        with history.transaction():
            history.accept(place, bare, number)
    say(f"accepted: the jump of {place}:{bare} on {day:%Y-%m-%d}")


def _exchange(history: History, symbol: str, day: int) -> str:
    from tradebot.history.jumps import jumps
    from tradebot.history.market import as_date

    lengths = history.intervals(symbol)
    if not lengths:
        return HOME_EXCHANGE
    exchange = history.instrument(symbol, lengths[0]).exchange
    found = {jump.day for length in lengths for jump in jumps(history.load([symbol], length)[symbol], exchange)}
    if day not in found:
        days = ", ".join(str(as_date(one)) for one in sorted(found)[:10])
        raise DataError(
            f"{history.place}: {symbol} has no jump on {as_date(day)}; {f'it has: {days}' if days else 'it has none'}"
        )
    return exchange
