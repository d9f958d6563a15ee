"""The options that `backtest` and `sweep` share: which bars to trade, with what money, at what cost.

Limits, sizes, product and times of day come from the configuration, so that a test does what `tradebot run` would do.
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from tradebot.cli.shared.options import combine_options, stamps_option, state_dir_option
from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.markets.market import HOME_MARKET


class _Exact(click.ParamType[Decimal]):
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            found = Decimal(value)
        except InvalidOperation:
            found = Decimal("NaN")
        if not found.is_finite():
            self.fail(f"{value!r} is no number", param, ctx)
        return found


class _Span(click.FloatRange):
    """A range of floats that refuses NaN; click's own range lets it pass, because NaN is neither below nor above."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found: float = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is no number", param, ctx)
        return found


EXACT_DECIMAL = _Exact()

bar_options = combine_options(
    click.option("--symbols", default="", help='RELIANCE,TCS or an index name or "@file".  [default: all in a file]'),
    click.option("--data", default="history", show_default=True, help="`history`, or a file or folder of bars."),
    click.option("--sample", is_flag=True, help="Bars of an invented market, made on the spot; for a first look."),
    click.option("--interval", default="", help="Length of a bar; made of shorter ones if need be."),
    click.option("--from", "start", help="First day or time that is traded; bars before it warm up."),
    click.option("--to", "end", help="Last day, or the time to stop before."),
    click.option("--tz", "zone", default="", help="Zone of times in files that name none."),
    click.option("--time-format", default="", help="Of unusual times in files, as in strftime: '%d/%m/%Y %H:%M'."),
    stamps_option("What of a bar its time in a file is."),
    click.option("--exchange", default=HOME_EXCHANGE, show_default=True, help="Where the symbols of files trade."),
    click.option("--accept-gaps", is_flag=True, help="Test on data with gaps, or with rows twice or out of order."),
    click.option(
        "--cash", type=EXACT_DECIMAL, default=Decimal(100_000), show_default=True, help="What the account has."
    ),
    click.option("--slippage", default="none", show_default=True, help="2ticks, 5bps, spread:0.05 or volume:10."),
    click.option("--latency-bars", type=click.IntRange(0, 1000), default=0, help="Bars an order is under way."),
    click.option("--latency", type=_Span(0, 3600), default=0.0, help="Seconds an order is under way."),
    click.option(
        "--participation",
        type=_Span(0, 100, min_open=True),
        help="Percent of a bar's volume that orders may take.  [default: all]",
    ),
    click.option(
        "--costs",
        default="",
        help=f"india, none, or a percentage as 0.1%.  [default: india for {HOME_MARKET.currency_word}]",
    ),
    click.option(
        "--hours", type=click.Choice(["nse", "always"]), help="Sessions.  [default: by exchange, interval and bars]"
    ),
    click.option(
        "--account",
        type=click.Choice(["shared", "each"]),
        default="shared",
        show_default=True,
        help="One account for all symbols as the daemon trades, or one for each.",
    ),
    click.option("--every-bar", is_flag=True, help="Walk every bar; gives the same, slower."),
    click.option(
        "--time-limit",
        type=_Span(0.01, 3600),
        default=10.0,
        show_default=True,
        help="Seconds a strategy may take for a bar; ten times that for a symbol in a frame.",
    ),
    click.option("-c", "--config", "config_path", metavar="FILE", help="Configuration: risk and execution hold here."),
    state_dir_option("Where the history is.", default="as set"),
)
