"""Builds the job of a backtest or sweep from its options: strategies, money, costs, hours and span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from tradebot.cli.backtest.bars import BacktestBars

MAX_ORDER_CHANGES = 25  # changes of one order, as many as venues allow


def build_backtest_job(config: Any, given: Mapping[str, Any], bars: BacktestBars, strategies: Sequence[Any]) -> Any:
    """Return the job that `bar_options` describe for these bars and strategies. Raises DataError or UsageError."""
    from tradebot.backtest.exchange_settings import default_bill, default_market
    from tradebot.backtest.job import BarFillModel, Job, Slippage, TradingHours, with_delivery_product
    from tradebot.config.desk_settings import desk_settings, gate_limits
    from tradebot.errors import DataError
    from tradebot.history.exchange_calendar import zone_of
    from tradebot.history.frames import parse_moment

    lengths = {one.interval for one in bars.series.values()}
    if len(lengths) != 1:
        raise DataError("the bars have several lengths; say one with --interval")
    if len({(zone_of(i.exchange), i.currency) for i in bars.instruments}) > 1:
        places = ", ".join(sorted({f"{i.exchange} in {i.currency}" for i in bars.instruments}))
        raise DataError(f"the symbols trade on exchanges of several hours or currencies ({places}); take one at a time")
    interval, first = lengths.pop(), bars.instruments[0]
    zone = zone_of(first.exchange)
    try:
        slippage = Slippage.parse(given["slippage"])
    except ValueError as fault:
        raise click.BadParameter(str(fault), param_hint="--slippage") from None
    if given["cash"] < Decimal("0.01"):
        least = "more than 0" if given["cash"] <= 0 else "0.01 or more"
        raise click.BadParameter(f"should be {least}, not {given['cash']}", param_hint="--cash")
    share = given["participation"]
    job = Job(
        strategies=tuple(strategies),
        instruments=tuple(bars.instruments),
        interval=interval,
        cash=given["cash"],
        limits=gate_limits(config),
        desk=desk_settings(config, most_changes=MAX_ORDER_CHANGES),
        matching=BarFillModel(
            slippage=slippage,
            latency_bars=given["latency_bars"],
            latency_s=given["latency"],
            participation=None if share is None else Decimal(str(share)) / 100,
        ),
        costs=_costs(given["costs"], default_bill(first.exchange)),
        hours=TradingHours(
            market=given["hours"] or default_market(first.exchange, interval, bars.series),
            entries_until=time.fromisoformat(config.risk.entries_until),
            square_off_at=time.fromisoformat(config.risk.square_off_at),
        ),
        zone=zone,
        currency=first.currency,
        begin=parse_moment(given["start"], zone, is_end=False),
        end=parse_moment(given["end"], zone, is_end=True),
        every_bar=given["every_bar"],
        shared=given["account"] == "shared",
        time_limit_s=given["time_limit"],
        invented=bars.invented,
    )
    _check_span(job, bars.series)
    return with_delivery_product(job)


def _check_span(job: Any, series: Mapping[str, Any]) -> None:
    from zoneinfo import ZoneInfo

    from tradebot.clock import format_iso
    from tradebot.errors import DataError

    if job.begin is not None and job.end is not None and job.begin >= job.end:
        raise click.UsageError("--from must be before --to")
    first = min(int(one.starts[0]) for one in series.values())
    last = max(int(one.starts[-1]) for one in series.values())
    begin, end = first if job.begin is None else job.begin, last + 1 if job.end is None else job.end
    if not any(one.starts.searchsorted(begin) < one.starts.searchsorted(end) for one in series.values()):
        span = " to ".join(format_iso(at, ZoneInfo(job.zone))[:16] for at in (first, last))
        raise DataError(f"there are no bars from --from to --to: they go from {span}")


def _costs(text: str, default: Any) -> Any:
    from tradebot.backtest.job import Bill, Costs

    words = text.strip().lower() or default
    if words in (Bill.INDIA, Bill.NONE):
        return Costs(bill=Bill(words))
    try:
        percent = Decimal(words.removesuffix("%"))
    except InvalidOperation:
        percent = Decimal(-1)
    if not (percent.is_finite() and 0 <= percent <= 100):
        raise click.BadParameter(
            f"should be india, none or a percentage such as 0.1%, not {text!r}", param_hint="--costs"
        )
    return Costs(bill=Bill.PERCENT, commission_pct=percent)
