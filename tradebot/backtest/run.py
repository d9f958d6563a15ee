"""One backtest from a job and its bars: strategies over whole histories, the walk, and its record as a result."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from zoneinfo import ZoneInfo

import msgspec

from tradebot.backtest import ledger as books
from tradebot.backtest.alone import Alone
from tradebot.backtest.clearance import Clearance
from tradebot.backtest.deciders import Deciders
from tradebot.backtest.fast_desk import FastDesk
from tradebot.backtest.funds import Funds
from tradebot.backtest.hours import Timetable, days
from tradebot.backtest.job import Bill, Job
from tradebot.backtest.ledger import Ledger
from tradebot.backtest.panel import Panel
from tradebot.backtest.result import Result, hash_of
from tradebot.backtest.strategies import Strategies
from tradebot.backtest.truths import truths
from tradebot.backtest.walk import Walk
from tradebot.backtest.wishes import find
from tradebot.clock import SECOND, iso
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Series
from tradebot.trading.desk import billing
from tradebot.trading.desk.book.blotter import ChargesOf
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.gate.limits import gate_of
from tradebot.trading.desk.placing.denials import Denial
from tradebot.trading.desk.sizing import too_dear

NEVER = 1 << 62


Bars = Mapping[str, Series] | Iterable[Series]


def run(job: Job, series: Bars, *, say: Callable[[int, int], None] = lambda done, of: None) -> Result:
    """Run a backtest over the bars of its symbols in this process; the same job and bars give the same result.

    `say` is told now and then how many bars of the timeline are done, and of how many. Raises DataError for bars that
    cannot be walked and for strategies that cannot be built, ConfigError for parameters.
    """
    cut = {symbol: _until(bars, job.end) for symbol, bars in by_symbol(series).items()}
    panel = Panel(job.instruments, cut, job.interval)
    decimals = books.money_decimals(job.instruments)
    cash = int(job.cash.scaleb(decimals))
    books.check_size({"the cash": cash})
    first = int(panel.starts.searchsorted(job.begin)) if job.begin is not None else 0
    specs = sorted(job.strategies, key=lambda spec: spec.name)
    firsts = [panel.first_row(id_, first) for id_ in range(len(job.instruments))]
    found = find(specs, job.instruments, panel, firsts, job.time_limit_s * 10)
    deciders = Deciders(specs, job.instruments, panel, job.time_limit_s)
    for id_, row in enumerate(firsts):
        deciders.warm(id_, row)
    record = Ledger(job.instruments, [spec.name for spec in specs], decimals)
    funds = Funds(job, record, panel, _charges_of(job, decimals))
    desk = _desk(job, funds, decimals)
    kind = Alone if len(job.instruments) == 1 and not job.every_bar else Walk
    strategies = Strategies(found.wishes, deciders, desk.book.positions.of)
    timetable = Timetable(days(job.hours, job.instruments, panel.starts, job.interval), first)
    walk = kind(
        job,
        desk=desk,
        panel=panel,
        strategies=strategies,
        ledger=record,
        funds=funds,
        timetable=timetable,
        say=lambda k: say(k - first, len(panel) - first),
    )
    with _no_collector():
        walk.run()
    say(len(panel) - first, len(panel) - first)
    counts = desk.account.counts
    counts["signals"] += strategies.skipped
    counts["ignored"] += strategies.skipped
    bars = sum(len(s) - row for s, row in zip(panel.series, firsts, strict=True))
    counts |= {"bars": bars} | walk.counts
    faults = tuple(
        f"{fault.strategy} was switched off for {fault.symbol}: {fault.reason}"
        for fault in (*found.faults, *deciders.faults)
    )
    notes = dear(job, cut)
    if walk.ruined_at:
        when = iso(walk.ruined_at, ZoneInfo(job.zone))[:19]
        notes = (f"the account was worth nothing at {when}: everything was closed, and trading ended there", *notes)
    return _result(job, panel, record, first, cash, counts, faults, notes, tuple(desk.account.denials))


def dear(job: Job, series: Bars) -> tuple[str, ...]:
    """Return a sentence for each instrument of which the money of an order may not pay a lot."""
    found = by_symbol(series)
    priced = [
        (i, i.price(int(bars.close.min())), i.price(int(bars.close.max())))
        for i in job.instruments
        if (bars := found.get(i.symbol)) is not None and len(bars)
    ]
    return too_dear(priced, job.desk.order_notional)


def by_symbol(series: Bars) -> Mapping[str, Series]:
    """Return bars as symbol -> series."""
    return series if isinstance(series, Mapping) else {one.symbol: one for one in series}


def _result(
    job: Job,
    panel: Panel,
    record: Ledger,
    first: int,
    cash: int,
    counts: dict[str, int],
    faults: tuple[str, ...],
    notes: tuple[str, ...],
    denials: tuple[Denial, ...],
) -> Result:
    orders, (fills, ks) = record.orders(), record.fills()
    factors = books.factors_of(job.instruments, record.money_decimals)
    if len(fills):  # sums may wrap around and their differences are right all the same; one value may not
        largest = int(orders.quantity[fills.order].max()) * int(fills.price.max()) * int(factors.max())
        books.check_size({"the value of a fill": largest})
    symbols = tuple(instrument.symbol for instrument in job.instruments)
    strategies = tuple(sorted(spec.name for spec in job.strategies))
    return Result(
        job=job,
        orders_hash=hash_of(orders, fills, names=(*symbols, *strategies)),
        symbols=symbols,
        strategies=strategies,
        texts=tuple(record.texts),
        money_decimals=record.money_decimals,
        order_rows=orders,
        fill_rows=fills,
        trade_rows=books.round_trips(orders, fills, ks, factors),
        equity_at=panel.starts[first:] + panel.interval,
        equity_units=books.equity(panel, first, cash, orders, fills, ks, factors),
        counts=counts | {"orders": len(orders), "fills": len(fills)},
        faults=faults,
        denials=denials,
        truths=truths(job),
        notes=notes,
    )


@contextmanager
def _no_collector() -> Iterator[None]:
    # A walk makes no circles; looking for them again and again costs a twentieth of it.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on and not gc.get_freeze_count():
            gc.freeze()  # and back: what the walk made is not young any more, to be looked through at once
            gc.unfreeze()
        if was_on:
            gc.enable()


def _until(bars: Series, end: int | None) -> Series:
    if end is None or not len(bars) or bars.starts[-1] < end:
        return bars
    return bars.cut(slice(int(bars.starts.searchsorted(end))))


def _desk(job: Job, funds: Funds, decimals: int) -> FastDesk:
    universe, matching = Universe(job.instruments), job.matching
    # The wire that is modelled is no fault of a signal: it does not age by it. What comes late waits for another open.
    waits = matching.latency_bars + bool(matching.latency_ns)
    under_way_s = (waits * job.interval + matching.latency_ns) / SECOND
    settings = msgspec.structs.replace(job.desk, signal_max_age_s=job.desk.signal_max_age_s + under_way_s)
    at_once = job.matching.is_prompt
    gate = gate_of(job.limits, killed=lambda: "", lacking=funds.lacking)
    return FastDesk(
        Book(universe, settings, _charges_of(job, decimals), keeps_ended=not at_once),
        gate=gate,
        clearance=Clearance(job.limits, gate, lacking=funds.lacking),
        id_prefix="B",
        absent_after_s=NEVER / SECOND,
        at_once=at_once,
    )


def _charges_of(job: Job, decimals: int) -> ChargesOf:
    match job.costs.bill:
        case Bill.INDIA:
            return billing.charges_by_market(Universe(job.instruments))
        case Bill.PERCENT:
            return billing.percent(job.costs.commission_pct, decimals=decimals)
        case Bill.NONE:
            return billing.nothing
