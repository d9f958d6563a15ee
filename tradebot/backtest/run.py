"""One backtest from a job and its bars: signals over whole histories, the backtest loop, and its record as a result."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from zoneinfo import ZoneInfo

import msgspec

from tradebot.backtest import ledger
from tradebot.backtest.assumptions import assumptions_of
from tradebot.backtest.backtest_desk import BacktestDesk
from tradebot.backtest.backtest_loop import BacktestLoop
from tradebot.backtest.bar_table import BarTable
from tradebot.backtest.buying_power import BuyingPower
from tradebot.backtest.fast_gate import FastGate
from tradebot.backtest.imperative_strategies import ImperativeStrategies
from tradebot.backtest.job import Bill, Job
from tradebot.backtest.ledger import BacktestLedger
from tradebot.backtest.result import Result, trading_hash
from tradebot.backtest.session_timetable import SessionTimetable, timeline_days
from tradebot.backtest.signal_index import index_signals
from tradebot.backtest.signal_source import SignalSource
from tradebot.backtest.single_symbol_loop import SingleSymbolLoop
from tradebot.clock import SECOND, format_iso
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarSeries
from tradebot.trading.desk import fill_charges
from tradebot.trading.desk.book.blotter import ChargesOf
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.gate.limits import build_gate
from tradebot.trading.desk.lot_costs import unaffordable_lots
from tradebot.trading.desk.placing.denials import Denial

NEVER = 1 << 62


SeriesInput = Mapping[str, BarSeries] | Iterable[BarSeries]


def run_backtest(
    job: Job, series: SeriesInput, *, on_progress: Callable[[int, int], None] = lambda done, of: None
) -> Result:
    """Run a backtest over the bars of its symbols in this process; the same job and bars give the same result.

    `on_progress` is called now and then with the number of bars of the timeline that are done, and the number of all.
    Raises DataError for bars that cannot be used and for strategies that cannot be built, ConfigError for parameters.
    """
    cut = {symbol: _until(bars, job.end) for symbol, bars in series_by_symbol(series).items()}
    table = BarTable(job.instruments, cut, job.interval)
    decimals = ledger.money_decimals(job.instruments)
    cash = int(job.cash.scaleb(decimals))
    ledger.check_exact_size({"the cash": cash})
    first = int(table.starts.searchsorted(job.begin)) if job.begin is not None else 0
    specs = sorted(job.strategies, key=lambda spec: spec.name)
    firsts = [table.first_row(id_, first) for id_ in range(len(job.instruments))]
    found = index_signals(specs, job.instruments, table, firsts, job.time_limit_s * 10)
    deciders = ImperativeStrategies(specs, job.instruments, table, job.time_limit_s)
    for id_, row in enumerate(firsts):
        deciders.warm_up(id_, row)
    record = BacktestLedger(job.instruments, [spec.name for spec in specs], decimals)
    funds = BuyingPower(job, record, table, _charges_of(job, decimals))
    desk = _desk(job, funds, decimals)
    kind = SingleSymbolLoop if len(job.instruments) == 1 and not job.every_bar else BacktestLoop
    strategies = SignalSource(found.indexes, deciders, desk.book.positions.position_of)
    timetable = SessionTimetable(timeline_days(job.hours, job.instruments, table.starts, job.interval), first)
    loop = kind(
        job,
        desk=desk,
        table=table,
        strategies=strategies,
        ledger=record,
        funds=funds,
        timetable=timetable,
        on_progress=lambda k: on_progress(k - first, len(table) - first),
    )
    with _no_collector():
        loop.run_to_end()
    on_progress(len(table) - first, len(table) - first)
    counts = desk.account.signal_counts
    counts["signals"] += strategies.skipped_signals
    counts["ignored"] += strategies.skipped_signals
    bars = sum(len(s) - row for s, row in zip(table.series, firsts, strict=True))
    counts |= {"bars": bars} | loop.event_counts
    faults = tuple(
        f"{fault.strategy} was switched off for {fault.symbol}: {fault.reason}"
        for fault in (*found.faults, *deciders.faults)
    )
    notes = unaffordable_instruments(job, cut)
    if loop.ruined_at:
        when = format_iso(loop.ruined_at, ZoneInfo(job.zone))[:19]
        notes = (f"the account was worth nothing at {when}: everything was closed, and trading ended there", *notes)
    return _result(job, table, record, first, cash, counts, faults, notes, tuple(desk.account.denials))


def unaffordable_instruments(job: Job, series: SeriesInput) -> tuple[str, ...]:
    """Return a sentence for each instrument whose lot may cost more than the money of one order."""
    found = series_by_symbol(series)
    priced = [
        (i, i.price_from_units(int(bars.close.min())), i.price_from_units(int(bars.close.max())))
        for i in job.instruments
        if (bars := found.get(i.symbol)) is not None and len(bars)
    ]
    return unaffordable_lots(priced, job.desk.order_notional)


def series_by_symbol(series: SeriesInput) -> Mapping[str, BarSeries]:
    """Return bars as symbol -> series."""
    return series if isinstance(series, Mapping) else {one.symbol: one for one in series}


def _result(
    job: Job,
    table: BarTable,
    record: BacktestLedger,
    first: int,
    cash: int,
    counts: dict[str, int],
    faults: tuple[str, ...],
    notes: tuple[str, ...],
    denials: tuple[Denial, ...],
) -> Result:
    orders, (fills, ks) = record.order_columns(), record.fill_columns()
    factors = ledger.money_factors(job.instruments, record.money_decimals)
    if len(fills):  # sums may wrap around, because their differences stay right; a single value may not
        largest = int(orders.quantity[fills.order].max()) * int(fills.price.max()) * int(factors.max())
        ledger.check_exact_size({"the value of a fill": largest})
    symbols = tuple(instrument.symbol for instrument in job.instruments)
    strategies = tuple(sorted(spec.name for spec in job.strategies))
    return Result(
        job=job,
        orders_hash=trading_hash(orders, fills, names=(*symbols, *strategies)),
        symbols=symbols,
        strategies=strategies,
        texts=tuple(record.reason_codes),
        money_decimals=record.money_decimals,
        order_rows=orders,
        fill_rows=fills,
        trade_rows=ledger.round_trips(orders, fills, ks, factors),
        equity_at=table.starts[first:] + table.interval_ns,
        equity_units=ledger.equity_curve(table, first, cash, orders, fills, ks, factors),
        counts=counts | {"orders": len(orders), "fills": len(fills)},
        faults=faults,
        denials=denials,
        truths=assumptions_of(job),
        notes=notes,
    )


@contextmanager
def _no_collector() -> Iterator[None]:
    # The loop makes no reference cycles; the collector's search for them would cost a twentieth of its time.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on and not gc.get_freeze_count():
            # Freezing and back moves what the loop made to the oldest generation, so it is not searched at once.
            gc.freeze()
            gc.unfreeze()
        if was_on:
            gc.enable()


def _until(bars: BarSeries, end: int | None) -> BarSeries:
    if end is None or not len(bars) or bars.starts[-1] < end:
        return bars
    return bars.select_bars(slice(int(bars.starts.searchsorted(end))))


def _desk(job: Job, funds: BuyingPower, decimals: int) -> BacktestDesk:
    universe, matching = Universe(job.instruments), job.matching
    # Modelled latency must not age a signal. An order that comes late also waits for one more open.
    waits = matching.latency_bars + bool(matching.latency_ns)
    under_way_s = (waits * job.interval + matching.latency_ns) / SECOND
    settings = msgspec.structs.replace(job.desk, signal_max_age_s=job.desk.signal_max_age_s + under_way_s)
    at_once = job.matching.is_immediate
    gate = build_gate(job.limits, kill_reason=lambda: "", missing_funds=funds.missing_cash_reason)
    return BacktestDesk(
        Book(universe, settings, _charges_of(job, decimals), keeps_ended=not at_once),
        gate=gate,
        clearance=FastGate(job.limits, gate, lacking=funds.missing_cash_reason),
        id_prefix="B",
        absent_after_s=NEVER / SECOND,
        zero_latency=at_once,
    )


def _charges_of(job: Job, decimals: int) -> ChargesOf:
    match job.costs.bill:
        case Bill.INDIA:
            return fill_charges.charges_by_market(Universe(job.instruments))
        case Bill.PERCENT:
            return fill_charges.percent_charges(job.costs.commission_pct, decimals=decimals)
        case Bill.NONE:
            return fill_charges.no_charges
