"""The input of a backtest: strategies, instruments, the rules of account and market, as plain values that pickle.

A `Job` with the same series gives the same orders on any machine: `run_backtest(job, series)` has no other input.
"""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from enum import StrEnum

import msgspec

from tradebot.domain.instrument import Instrument, InstrumentKind
from tradebot.domain.message import Message
from tradebot.domain.products import DELIVERY, INTRADAY
from tradebot.exchange.bar_matching import BarFillModel
from tradebot.exchange.slippage import Slippage, SlippageKind
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.desk.gate.limits import Limits
from tradebot.trading.desk.settings import DeskSettings

__all__ = ("BarFillModel", "Bill", "Costs", "Job", "Slippage", "SlippageKind", "TradingHours")


class Bill(StrEnum):
    """Which schedule of charges fills are billed by."""

    INDIA = "india"  # brokerage and the dated taxes and fees of `markets/charges.py`
    PERCENT = "percent"  # `commission_pct` of the value
    NONE = "none"


class Costs(Message, frozen=True):
    """What trading costs."""

    bill: Bill = Bill.INDIA
    commission_pct: Decimal = Decimal(0)


class TradingHours(Message, frozen=True):
    """When trading is allowed.

    `market` is `nse` for its calendar, or `always` for days from midnight UTC that never close. `entries_until` and
    `square_off_at` are times in the market's zone; `always` ignores them.
    """

    market: str = "always"
    entries_until: time = time(15, 0)
    square_off_at: time = time(15, 10)


class Job(Message, frozen=True):
    """One backtest.

    `interval` is the length of a bar in ns; `zone` is the exchange's, in which people read the result. Bars that start
    in [`begin`, `end`) are traded (market ns, None: no bound); earlier ones warm up the indicators. With
    `resumes_daily` a halt that waits for a person is lifted when the next session begins. A halt for a day's loss ends
    then in any case. `every_bar` visits all bars and gives the same result. `time_limit_s` bounds a strategy's time for
    one bar. `shared` is one account for all symbols, as the daemon trades; without it every symbol has an account of
    its own. `invented` are the symbols whose prices come from no real market.
    """

    strategies: tuple[StrategySpec, ...]
    instruments: tuple[Instrument, ...]
    interval: int
    cash: Decimal = Decimal(100_000)
    limits: Limits = Limits()
    desk: DeskSettings = DeskSettings(order_notional=Decimal(10_000))
    matching: BarFillModel = BarFillModel()
    costs: Costs = Costs()
    hours: TradingHours = TradingHours()
    zone: str = "Asia/Kolkata"
    currency: str = "INR"
    begin: int | None = None
    end: int | None = None
    resumes_daily: bool = True
    every_bar: bool = False
    shared: bool = True
    time_limit_s: float = 10.0
    invented: tuple[str, ...] = ()


def with_delivery_product(job: Job) -> Job:
    """Return the job with shares bought for delivery (CNC) where nothing sells them before the day is over.

    An intraday product is not held overnight and is taxed less, so its bill would be too small. The product stays for
    short sales, which delivery does not allow, and where the bill is not India's.
    """
    is_kept = job.hours.market == "always" and job.costs.bill is Bill.INDIA and job.desk.product == INTRADAY
    if not is_kept or job.limits.allow_short or any(i.kind is not InstrumentKind.EQUITY for i in job.instruments):
        return job
    permitted = tuple(dict.fromkeys((*job.limits.permitted_products, DELIVERY)))
    return msgspec.structs.replace(
        job,
        desk=msgspec.structs.replace(job.desk, product=DELIVERY),
        limits=msgspec.structs.replace(job.limits, permitted_products=permitted),
    )
