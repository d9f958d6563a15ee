"""Backtests from Python: `tradebot.backtest(Strategy, bars)` and the object it returns, for notebooks.

Everything runs inside the call, without an event loop, so it works whether or not one is running.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from tradebot.backtest import honesty_checks, metrics, report, report_data
from tradebot.backtest.check import Check
from tradebot.backtest.exchange_settings import default_bill, default_market, exchange_settings
from tradebot.backtest.input_frames import InputFrames, bars_from_frames
from tradebot.backtest.job import Bill, Costs, Job, TradingHours, with_delivery_product
from tradebot.backtest.result import UNUSUAL_COUNTS, Result
from tradebot.backtest.run import run_backtest, unaffordable_instruments
from tradebot.clock import WallClock
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.domain.order import OrderKind
from tradebot.errors import ConfigError
from tradebot.exchange.bar_matching import BarFillModel
from tradebot.exchange.slippage import Slippage, SlippageKind
from tradebot.history.data_quality import require_testable
from tradebot.history.exchange_calendar import INDIA, zone_of
from tradebot.history.interval import parse_interval
from tradebot.strategies.loading import load_strategy, register_class
from tradebot.strategies.strategy import Strategy
from tradebot.trading.desk.gate.limits import Limits
from tradebot.trading.desk.settings import DeskSettings

NO_LIMIT = Decimal(10) ** 15  # more than any test account reaches: the caller's cash is the limit
CURVE_SIZE_PX = (640, 120)  # width and height of the equity curve in a cell, pixels
CELL_STYLE = "font-variant-numeric:tabular-nums;text-align:right;padding:.1rem .6rem"


class Tested:
    """A finished backtest: frames `orders`, `fills`, `trades`; series `equity`, `stats`; honesty checks; a report."""

    def __init__(self, result: Result, series: Mapping[str, BarSeries], notes: Sequence[str] = ()) -> None:
        self.result, self.series, self.notes = result, series, tuple(notes)

    @cached_property
    def orders(self) -> pd.DataFrame:
        """Return every order that the desk made, denied ones included."""
        return self.result.orders

    @cached_property
    def fills(self) -> pd.DataFrame:
        """Return every fill, with its charges."""
        return self.result.fills

    @cached_property
    def trades(self) -> pd.DataFrame:
        """Return every round trip, before and after costs."""
        return self.result.trades

    @cached_property
    def equity(self) -> pd.Series[float]:
        """Return the account's value at the end of every bar."""
        return self.result.equity

    @cached_property
    def stats(self) -> pd.Series[float]:
        """Return every figure by name, NaN where it is not defined; see `tradebot.backtest.metrics.LABELS`."""
        return pd.Series(self._figures, dtype=float, name="value")

    @cached_property
    def checks(self) -> list[Check]:
        """Return the honesty checks; the first use runs the backtest again a few times."""
        return honesty_checks.run_honesty_checks(self.result, self.series, run_backtest)

    @property
    def orders_hash(self) -> str:
        """Return the sha256 over all orders and fills: the same for the same strategy, bars and settings."""
        return self.result.orders_hash

    def report(self, path: str | Path) -> Path:
        """Write the report to `path` (.html) and its figures beside it (.json); return the path. Raises DataError."""
        whole = report_data.result_summary(self.result, self.checks)
        report.write_report(
            Path(path), report_data.report_data(self.result, self.series, self.checks, summary_=whole), whole
        )
        return Path(path)

    def plot(self) -> ReportFrame:
        """Return the whole report, to be shown in a cell."""
        return ReportFrame(
            report.render_page(report_data.report_data(self.result, self.series, self.checks)), title=repr(self)
        )

    @cached_property
    def _figures(self) -> metrics.Figures:
        return metrics.performance_figures(self.equity, self.trades, self.fills, cash=float(self.result.job.cash))

    def __repr__(self) -> str:
        names = ", ".join(spec.name for spec in self.result.job.strategies)
        values = [f"{label.text} {label.format_value(self._figures[name])}" for name, label in _TOLD.items()]
        told = f"{names} on {', '.join(self.result.symbols)}: {', '.join(values)}"
        return "\n".join((told, *self._words))

    @property
    def _words(self) -> tuple[str, ...]:
        # Sentences that explain the figures: notes, denials with reasons, unusual counts, faults.
        result = self.result
        denied = (f"{one.count:,} entries or exits denied: {one.reason}" for one in result.denials)
        unusual = (
            f"{result.counts[name]:,} {words}" for name, words in UNUSUAL_COUNTS.items() if result.counts.get(name)
        )
        return (*self.notes, *result.notes, *denied, *unusual, *result.faults)

    def _repr_html_(self) -> str:
        names = html.escape(", ".join(spec.name for spec in self.result.job.strategies))
        symbols = html.escape(", ".join(self.result.symbols[:8]))
        rows = "".join(
            f"<tr><td>{label.text}</td><td style='{CELL_STYLE}'>{label.format_value(self._figures[name])}</td></tr>"
            for name, label in metrics.LABELS.items()
        )
        faults = "".join(f"<p><b>{html.escape(fault)}</b></p>" for fault in self._words)
        more = ".trades .orders .fills .equity .stats .checks .plot() .report('out.html')"
        return (
            f"<div><p><b>{names}</b> on {symbols}, orders {self.orders_hash[:12]}</p>{faults}{_curve(self.equity)}"
            f"<table>{rows}</table><p>{more}</p></div>"
        )


class ReportFrame:
    """A page that a notebook shows in a cell, in a frame of its own."""

    def __init__(self, page: str, *, title: str) -> None:
        self.page, self.title = page, title

    def __repr__(self) -> str:
        return f"report of {self.title}"

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.page, quote=True)}" title="{html.escape(self.title, quote=True)}" '
            'style="width:100%;height:900px;border:0" sandbox="allow-scripts"></iframe>'
        )


def backtest(
    strategy: str | type[Strategy],
    bars: InputFrames,
    *,
    cash: float | Decimal = 100_000,
    order_notional: float | Decimal | None = None,
    allow_short: bool = False,
    slippage_ticks: int = 0,
    commission_pct: float | Decimal | None = None,
    market: str | None = None,
    exchange: str = "",
    zone: str = "",
    currency: str = "",
    symbol: str = "",
    interval: str = "",
    accept_gaps: bool = False,
    **params: Any,
) -> Tested:
    """Run `strategy` over `bars` through the desk, gate and order states that trade live.

    `strategy` is a class, a shipped name or "file.py:Class"; the remaining keywords are its parameters. `bars` is a
    frame (open, high, low, close, volume by time), one with a column `symbol`, or symbol -> frame. Every entry buys for
    `order_notional`, by default a tenth of `cash`, and no more than the cash pays.

    `exchange` gives hours, zone, currency and instruments. By default it is that of `load_bars`, else the home
    exchange; for another currency it is NASDAQ in New York's zone, else CRYPTO, which trades around the clock in UTC.
    Times without a zone are in `zone`, by default the exchange's. `commission_pct` of the value is charged; without it
    exchanges of India charge India's brokerage and taxes, and others nothing. `market` is "nse" for its sessions, with
    entries until 15:00 and square-off at 15:10, or "always". The default is "nse" for an exchange of India if most bars
    lie in its sessions and are shorter than a day. Shares that nothing sells before the day is over are billed as
    delivery.

    `interval`, such as "5m", is the length of a bar; by default it is the commonest step. Bars must be as sound as
    `tradebot data check` requires; `accept_gaps` accepts missing days, holes and unadjusted splits. Only the cash
    limits the account. Raises DataError for bars or a strategy that cannot be used, ConfigError for parameters and
    settings.
    """
    money = _money("cash", cash)
    size = money / 10 if order_notional is None else _money("order_notional", order_notional)
    if market not in ("nse", "always", None):
        raise ConfigError(f'market must be "nse" or "always", was {market!r}')
    ticks: Any = slippage_ticks
    if not isinstance(ticks, Integral) or ticks < 0:
        raise ConfigError(f"slippage_ticks must be 0 or more, and whole, was {ticks!r}")
    spec = register_class(strategy, params) if isinstance(strategy, type) else load_strategy(strategy, params)
    length = parse_interval(interval) if interval else 0
    place = exchange_settings(exchange or _exchange(bars), zone=zone, currency=currency)
    if market == "nse" and zone_of(place.exchange) != INDIA:
        raise ConfigError(f'market="nse" is for exchanges of India, not for {place.exchange}')
    instruments, series, notes = bars_from_frames(
        bars, exchange=place, zone=zone, symbol=symbol, interval_ns=length, now=WallClock().wall_ns()
    )
    require_testable(series, instruments, accept_gaps=accept_gaps, hint="accept_gaps=True", with_splits=True)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    interval_ = next(iter(series.values())).interval
    job = Job(
        strategies=(spec,),
        instruments=instruments,
        interval=interval_,
        cash=money,
        limits=_no_limits(allow_short=allow_short),
        desk=DeskSettings(order_notional=size, order_kind=OrderKind.MARKET, max_daily_loss=NO_LIMIT),
        matching=BarFillModel(slippage=Slippage(kind=SlippageKind.TICKS, amount=Decimal(int(ticks)))),
        costs=_costs(commission_pct, place.exchange),
        hours=TradingHours(market=market or default_market(place.exchange, interval_, series)),
        zone=place.zone,
        currency=place.currency,
        invented=_invented(bars, instruments),
    )
    for note in unaffordable_instruments(job, series):
        warnings.warn(note, stacklevel=2)
    result = run_backtest(with_delivery_product(job), series)
    return Tested(msgspec.structs.replace(result, truths=(*result.truths, *notes)), series, notes)


def _invented(bars: InputFrames, instruments: Sequence[Instrument]) -> tuple[str, ...]:
    # `load_bars` marks a frame whose prices a simulated exchange made.
    if isinstance(bars, Mapping):
        return tuple(str(name) for name, one in bars.items() if one.attrs.get("invented_by"))
    return tuple(one.symbol for one in instruments) if bars.attrs.get("invented_by") else ()


def _exchange(bars: InputFrames) -> str:
    frames = bars.values() if isinstance(bars, Mapping) else [bars]
    found = {str(frame.attrs.get("exchange", "")) for frame in frames if isinstance(frame, pd.DataFrame)}
    if len(found) > 1:
        raise ConfigError(f"the frames are of several exchanges, {', '.join(sorted(found))}; say which with exchange=")
    return found.pop() if found else ""


def _no_limits(*, allow_short: bool) -> Limits:
    return Limits(
        allow_short=allow_short,
        max_order_quantity=NO_LIMIT,
        max_order_notional=NO_LIMIT,
        max_position_notional=NO_LIMIT,
        max_gross_notional=NO_LIMIT,
        max_daily_loss=NO_LIMIT,
        max_open_orders=10_000,
        price_collar_pct=Decimal(100),
        orders_per_second=10_000,
        orders_per_minute=100_000,
        orders_per_day=1_000_000,
    )


def _costs(commission_pct: float | Decimal | None, exchange: str) -> Costs:
    if commission_pct is not None:
        return Costs(bill=Bill.PERCENT, commission_pct=_money("commission_pct", commission_pct, least=Decimal(0)))
    return Costs(bill=default_bill(exchange))


def _money(name: str, value: Any, *, least: Decimal = Decimal("0.01")) -> Decimal:
    is_number = type(value) is not bool and isinstance(value, Real | Decimal)
    found = Decimal(str(value)) if is_number else Decimal("NaN")
    if not found.is_finite() or found < least:
        raise ConfigError(f"{name} must be a number of {least} or more, was {value!r}")
    return found


def _curve(equity: pd.Series[float]) -> str:
    if len(equity) < 2:
        return ""
    width, height = CURVE_SIZE_PX
    values = equity.to_numpy(np.float64)[np.linspace(0, len(equity) - 1, min(len(equity), width)).astype(int)]
    low, high = float(values.min()), float(values.max())
    x = np.linspace(0, width, len(values))
    y = height - 2 - (values - low) / ((high - low) or 1) * (height - 4)
    points = " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True))
    label = f"equity from {values[0]:,.0f} to {values[-1]:,.0f}"
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="{label}">'
        f'<polyline points="{points}" fill="none" stroke="#4a7de2" stroke-width="1.5"/></svg>'
    )


_TOLD = {name: metrics.LABELS[name] for name in ("net", "total_return", "sharpe", "max_drawdown", "trades")}
