"""The data of a report: a finished backtest as plain values, for the page and for `report.json`.

Times are seconds on the exchange's own wall clock, because charts know no time zones. What would make the page too
large to mail is thinned here, and the page says so; figures and sums always cover the whole.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pandas as pd

from tradebot import __version__
from tradebot.backtest import metrics
from tradebot.backtest.candles import chart_candles, interval_label, local_clock_s
from tradebot.backtest.check import Check
from tradebot.backtest.job import Bill, Job
from tradebot.backtest.result import Result
from tradebot.clock import DAY, SECOND
from tradebot.domain.market import SERIES_COLUMNS, BarSeries
from tradebot.domain.order import Side
from tradebot.markets.calendar import ist_date
from tradebot.markets.charges import CHARGE_NAMES, NO_CHARGES, Charges, order_charges, segment_of, tariff_of
from tradebot.markets.debits import DELIVERY, DematDebits

CURVE_POINTS = 2_000  # more than a screen has pixels across
MAX_TRADES_SHOWN = 4_000
TILE_FIGURES = ("net", "total_return", "sharpe", "max_drawdown", "trades", "win_rate", "profit_factor", "cost_share")
SIGNED_FIGURES = {"net", "total_return", "cagr", "sharpe", "sortino", "calmar", "gross", "expectancy", "max_drawdown"}
COST_PART_NAMES = {
    "brokerage": "Brokerage",
    "transaction_tax": "Transaction tax (STT, CTT)",
    "exchange_fee": "Exchange fees",
    "sebi_fee": "SEBI fee",
    "stamp_duty": "Stamp duty",
    "gst": "GST",
    "dp": "Depository",
}
TRADE_COLUMNS = (
    ("symbol", "Symbol", "text"),
    ("strategy", "Strategy", "text"),
    ("side", "Side", "text"),
    ("entered_at", "Entered", "time"),
    ("exited_at", "Left", "time"),
    ("qty", "Quantity", "quantity"),
    ("entry_price", "In at", "price"),
    ("exit_price", "Out at", "price"),
    ("gross", "Gross", "money"),
    ("charges", "Costs", "money"),
    ("net", "Net", "money"),
    ("bars", "Bars", "count"),
    ("exit_reason", "Exit", "text"),
)


def result_summary(result: Result, checks: Sequence[Check] = ()) -> dict[str, Any]:
    """Return the summary of a result, ready for JSON: settings, figures, checks and hashes."""
    job = result.job
    return {
        "tradebot": __version__,
        "orders_hash": result.orders_hash,
        "currency": job.currency,
        "zone": job.zone,
        "period": [_iso(at, job) for at in result.period],
        "symbols": len(result.symbols),
        "counts": result.counts,
        "figures": metrics.performance_figures(result.equity, result.trades, result.fills, cash=float(job.cash)),
        "checks": [check.json_values() for check in checks],
        "costs": cost_parts(result),
        "truths": list(result.truths),
        "faults": list(result.faults),
        "notes": list(result.notes),
        "denials": [msgspec.to_builtins(denial) for denial in result.denials],
        "settings": result.settings(),
    }


def report_data(
    result: Result,
    series: Mapping[str, BarSeries],
    checks: Sequence[Check] = (),
    *,
    summary_: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all that the page draws, ready for JSON; `series` are the bars that the result was computed from."""
    job, whole = result.job, summary_ or result_summary(result, checks)
    hashes = {"orders": result.orders_hash, "bars": bars_hash(series), **code_hashes(job)}
    equity, trades = result.equity, result.trades
    return {
        "title": _title(job),
        "made_by": f"tradebot {__version__}",
        "currency": job.currency,
        "locale": "en-IN" if job.currency == "INR" else "en-US",
        "zone": job.zone,
        "digits": max(i.price_decimals for i in job.instruments),
        "intraday": job.interval < DAY,
        "period": _period(result),
        "tiles": list(TILE_FIGURES),
        "figures": [
            {
                "name": name,
                "text": label.text,
                "kind": label.kind,
                "value": whole["figures"][name],
                "signed": name in SIGNED_FIGURES,
            }
            for name, label in metrics.LABELS.items()
        ],
        "checks": whole["checks"],
        "faults": list(result.faults),
        "equity": _curve(equity, cash=float(job.cash)),
        "months": monthly_returns(equity, cash=float(job.cash)),
        "symbols": chart_candles(result, series),
        "trades": _trades(trades),
        "trades_of": len(trades),
        "charges": _shares(whole["costs"]),
        "hashes": hashes,
        "config": _config(result, whole, hashes),
    }


def bars_hash(series: Mapping[str, BarSeries]) -> str:
    """Return the sha256 over all bars, symbol by symbol in the order given."""
    digest = hashlib.sha256()
    for symbol, one in series.items():
        digest.update(f"{symbol} {one.interval} {len(one)}".encode())
        for name in SERIES_COLUMNS:
            digest.update(np.ascontiguousarray(getattr(one, name), "<i8").data)
    return digest.hexdigest()


def code_hashes(job: Job) -> dict[str, str]:
    """Return the sha256 of each strategy's source, under its name; those without readable source are left out."""
    found = {}
    for spec in job.strategies:
        try:
            code = spec.code or inspect.getsource(spec.load_class())
        except (OSError, TypeError):  # a class typed into a cell
            continue
        found[f"code of {spec.name}"] = hashlib.sha256(code.encode()).hexdigest()
    return found


def cost_parts(result: Result) -> dict[str, float]:
    """Return what was charged, by part of the bill; the parts add up to the charges of all fills.

    The parts of the Indian bill are computed again from the fills; what an account added on its own is `other`.
    """
    fills, job = result.fills, result.job
    total = float(fills["charges"].sum())
    if job.costs.bill is not Bill.INDIA or fills.empty:
        return {"commission": round(total, 2)} if total else {}
    instruments = {i.symbol: i for i in job.instruments}
    bill = NO_CHARGES
    fills = fills.assign(value=fills["qty"] * fills["price"])
    for _, order in fills.groupby("order_id", sort=False):
        first = order.iloc[0]
        instrument = instruments[str(first["symbol"])]
        bill += order_charges(
            segment=segment_of(instrument.kind, job.desk.product),
            side=Side(str(first["side"])),
            turnover=Decimal(repr(round(float(order["value"].sum()), 6))),
            on=first["ts"].date(),
            exchange=instrument.exchange,
        )
    bill += _debits(result)
    parts = {name: float(getattr(bill, name)) for name in CHARGE_NAMES if getattr(bill, name)}
    other = round(total - float(bill.total), 2)
    return parts | ({"other": other} if other else {})


def _debits(result: Result) -> Charges:
    # The depository's charges. They cannot be computed from the turnover of an order.
    job, rows, found, debits = result.job, result.fill_rows, NO_CHARGES, DematDebits()
    if job.desk.product != DELIVERY:
        return found
    for row, at, quantity in zip(rows.order.tolist(), rows.at.tolist(), rows.quantity.tolist(), strict=True):
        instrument = job.instruments[result.order_rows.symbol[row]]
        side = Side.BUY if result.order_rows.side[row] > 0 else Side.SELL
        if debits.book_delivery(
            symbol=instrument.symbol, side=side, quantity=instrument.quantity_from_units(quantity), traded_at=at
        ):
            tariff = tariff_of(segment_of(instrument.kind, DELIVERY), side, ist_date(at), instrument.exchange)
            found += Charges(dp=tariff.dp, gst=tariff.depository_charge - tariff.dp)
    return found


def monthly_returns(equity: pd.Series[float], *, cash: float) -> list[dict[str, Any]]:
    """Return a row per year: `returns` of its twelve months (None where the curve has no point) and their `total`."""
    if equity.empty:
        return []
    index = metrics.last_instants(pd.DatetimeIndex(equity.index))
    last = equity.groupby([index.year, index.month]).last()
    before = np.concatenate([[cash], last.to_numpy()[:-1]])
    pairs = zip(last.tolist(), before.tolist(), strict=True)
    grown = [worth / base - 1 if base > 0 else None for worth, base in pairs]  # a debt has no return
    by_month = dict(zip(last.index.tolist(), grown, strict=True))
    rows = []
    for year in sorted({year for year, _ in by_month}):
        returns = [by_month.get((year, month)) for month in range(1, 13)]
        total = float(np.prod([1 + r for r in returns if r is not None])) - 1
        rows.append({"year": str(year), "returns": returns, "total": total})
    return rows


def _title(job: Job) -> str:
    names = ", ".join(spec.name for spec in job.strategies)
    symbols = [i.symbol for i in job.instruments]
    return f"{names} on {', '.join(symbols[:4])}{f' and {len(symbols) - 4} more' if len(symbols) > 4 else ''}"


def _period(result: Result) -> str:
    first, last = (_iso(at, result.job)[:16].replace("T", " ") for at in result.period)
    bars, cash = result.counts.get("bars", 0), result.job.cash
    return (
        f"{first} to {last}, {bars:,} bars of {interval_label(result.job.interval // SECOND)}, "
        f"{len(result.symbols):,} symbol{'s' if len(result.symbols) != 1 else ''}, "
        f"starting with {cash:,} {result.job.currency}"
    )


def _iso(at: int, job: Job) -> str:
    return pd.Timestamp(at, unit="ns", tz=ZoneInfo(job.zone)).isoformat(timespec="seconds")


def _curve(equity: pd.Series[float], *, cash: float) -> dict[str, list[Any]]:
    values = equity.to_numpy(np.float64)
    under = metrics.drawdown_series(np.concatenate([[cash], values]))[1:]
    keep = np.arange(len(values))
    if len(values) > CURVE_POINTS:  # keep the extremes of each slice, so that no spike is lost
        slices = np.array_split(keep, CURVE_POINTS // 2)
        ends = [{int(part[values[part].argmin()]), int(part[values[part].argmax()])} for part in slices]
        keep = np.array(sorted(set.union({0, len(values) - 1}, *ends)))
    seconds = local_clock_s(pd.DatetimeIndex(equity.index))[keep]
    return {
        "t": seconds.tolist(),
        "v": np.round(values[keep], 2).tolist(),
        "drawdown": np.round(under[keep], 6).tolist(),
    }


def _trades(trades: pd.DataFrame) -> dict[str, Any]:
    if len(trades) > MAX_TRADES_SHOWN:  # keep the trades with the largest results
        trades = trades.loc[trades["net"].abs().nlargest(MAX_TRADES_SHOWN).index].sort_values(
            "exited_at", kind="stable"
        )
    columns = []
    for name, _, kind in TRADE_COLUMNS:
        values = trades[name]
        if kind == "time":
            columns.append(local_clock_s(pd.DatetimeIndex(values)).tolist())
        elif kind == "text":
            columns.append(values.astype(str).tolist())
        else:
            columns.append(values.astype(np.float64).round(4).tolist())
    heads = [{"name": name, "text": text, "kind": kind} for name, text, kind in TRADE_COLUMNS]
    return {"columns": heads, "rows": [list(row) for row in zip(*columns, strict=True)]}


def _shares(parts: dict[str, float]) -> list[dict[str, Any]]:
    total = sum(parts.values())
    lines = [
        {
            "text": COST_PART_NAMES.get(name, name.capitalize()),
            "amount": amount,
            "share": amount / total if total else None,
        }
        for name, amount in sorted(parts.items(), key=lambda part: -part[1])
    ]
    return [*lines, {"text": "Total", "amount": total, "share": 1.0 if total else None}]


def _config(result: Result, whole: dict[str, Any], hashes: dict[str, str]) -> list[tuple[str, str]]:
    lines = [(f"sha256 of {name}" if " " not in name else f"sha256, {name}", digest) for name, digest in hashes.items()]
    lines += [("assumption", text) for text in result.truths]
    lines += [("strategy fault", text) for text in result.faults]
    for name, value in whole["settings"].items():
        if name == "instruments":
            value = ", ".join(i.symbol for i in result.job.instruments)
        if name == "interval":
            value = interval_label(result.job.interval // SECOND)
        if value is not None:
            lines.append((name, _plain(value)))
    return [*lines, ("counts", _plain(result.counts)), ("made by", f"tradebot {__version__}")]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {_plain(one)}" for key, one in value.items() if one not in (None, "", [], (), {}))
    if isinstance(value, list | tuple):
        return "\n".join(map(_plain, value))
    return str(value)
