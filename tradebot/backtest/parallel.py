"""Accounts of one symbol each, run in parallel processes and merged; their number does not change the result."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import msgspec
import numpy as np

from tradebot.backtest import pool
from tradebot.backtest.job import Job
from tradebot.backtest.result import FillColumns, OrderColumns, Result, TradeColumns, trading_hash
from tradebot.backtest.run import SeriesInput, run_backtest, series_by_symbol
from tradebot.domain.market import BarSeries, Ints
from tradebot.errors import DataError
from tradebot.indicators.expressions import Bars as Columns
from tradebot.indicators.plan import ExpressionPlan
from tradebot.trading.desk.placing.denials import Denials

MIN_PARALLEL_BARS = 200_000  # bars; below this a second process costs more than it saves
CHUNKS_PER_WORKER = 8  # per worker, so that the last one does not keep the others waiting
ResultRows = TypeVar("ResultRows", OrderColumns, FillColumns, TradeColumns)
_series: Mapping[str, BarSeries] = {}  # in a worker: the bars that it inherited by fork, or was sent


def run_parallel(
    job: Job, series: SeriesInput, *, workers: int = 1, on_progress: Callable[[int, int], None] = lambda done, of: None
) -> Result:
    """Run a backtest; with accounts of one symbol each, in `workers` processes where that pays.

    One shared account is run in this process, because its limits hold across symbols. Raises as `run_backtest` does,
    and DataError when a worker process died.
    """
    given = series_by_symbol(series)
    if job.shared or len(job.instruments) == 1:
        return run_backtest(job, given, on_progress=on_progress)
    ids = list(range(len(job.instruments)))
    bars = sum(len(given[i.symbol]) for i in job.instruments if i.symbol in given)
    if workers < 2 or bars < MIN_PARALLEL_BARS or _compares_symbols(job):
        return _each(job, given, ids, on_progress)
    size = -(-len(ids) // (workers * CHUNKS_PER_WORKER))
    shares = [ids[at : at + size] for at in range(0, len(ids), size)]
    return merge_results(job, _in_processes(job, given, shares, workers, on_progress), [ids] * len(shares))


def _compares_symbols(job: Job) -> bool:
    rules = [spec.create_strategy().rules(Columns()) for spec in job.strategies]
    return any(
        one is not None and ExpressionPlan(one.root_nodes, interval_ns=job.interval).is_cross_sectional for one in rules
    )


def _in_processes(
    job: Job,
    series: Mapping[str, BarSeries],
    shares: Sequence[list[int]],
    workers: int,
    say: Callable[[int, int], None],
) -> list[Result]:
    global _series
    forks = pool.may_fork()  # forked workers share the bars in memory; others are sent them
    context = multiprocessing.get_context("fork" if forks else "spawn")
    _series = series if forks else {}
    sent = None if forks else dict(series)
    processes = ProcessPoolExecutor(workers, mp_context=context, initializer=_keep, initargs=(sent,))
    try:
        with pool.closing_pool(processes):
            futures: list[Future[Result]] = [processes.submit(_share, job, share) for share in shares]
            left = set(futures)
            while left:
                done, left = wait(left, timeout=1.0, return_when="FIRST_COMPLETED")
                for future in done:
                    future.result(timeout=0)  # raises if it failed: the first failure ends them all
                say(len(futures) - len(left), len(futures))
            return [future.result(timeout=0) for future in futures]
    except BrokenProcessPool as fault:
        raise DataError("a worker process of the backtest died; run it again with --workers 1 to see why") from fault
    finally:
        _series = {}


def _keep(series: Mapping[str, BarSeries] | None) -> None:
    global _series
    pool.init_worker()
    gc.freeze()  # what a fork inherits is not garbage, and searching it would copy its pages
    if series is not None:
        _series = series


def _share(job: Job, ids: list[int]) -> Result:
    return _each(job, _series, ids, lambda done, of: None)


def _each(job: Job, series: Mapping[str, BarSeries], ids: Sequence[int], say: Callable[[int, int], None]) -> Result:
    found = []
    for number, id_ in enumerate(ids):
        instrument = job.instruments[id_]
        specs = tuple(spec for spec in job.strategies if not spec.symbols or instrument.symbol in spec.symbols)
        found.append(run_backtest(msgspec.structs.replace(job, instruments=(instrument,), strategies=specs), series))
        say(number + 1, len(ids))
    return merge_results(job, found, [[id_] for id_ in ids])


def merge_results(job: Job, parts: Sequence[Result], ids: Sequence[Sequence[int]]) -> Result:
    """Return the results of parts of a job as one; `ids` are the numbers of each part's instruments in the job.

    Orders and fills are sorted by time, then by instrument. The account's value is the job's cash plus what
    every part won.
    """
    decimals = max(part.money_decimals for part in parts)
    strategies = tuple(sorted({spec.name for spec in job.strategies}))
    texts: dict[str, int] = {"": 0}
    orders, fills, trades, before = [], [], [], 0
    for part, numbers in zip(parts, ids, strict=True):
        whole = np.array(numbers, dtype=np.int32)
        names = np.array([*(strategies.index(name) for name in part.strategies), -1], dtype=np.int32)
        words = np.array([texts.setdefault(text, len(texts)) for text in part.texts], dtype=np.int32)
        rows, money = part.order_rows, 10 ** (decimals - part.money_decimals)
        orders.append(_with(rows, symbol=whole[rows.symbol], strategy=names[rows.strategy], reason=words[rows.reason]))
        fills.append(_with(part.fill_rows, order=part.fill_rows.order + before, charges=part.fill_rows.charges * money))
        done = part.trade_rows
        trades.append(
            _with(
                done,
                symbol=whole[done.symbol],
                strategy=names[done.strategy],
                gross=done.gross * money,
                charges=done.charges * money,
            )
        )
        before += len(rows)
    all_orders, all_fills, all_trades = (
        _joined(OrderColumns, orders),
        _joined(FillColumns, fills),
        _joined(TradeColumns, trades),
    )
    in_order = np.lexsort((all_orders.symbol, all_orders.decided_at))
    place = np.empty(len(in_order), dtype=np.int32)
    place[in_order] = np.arange(len(in_order), dtype=np.int32)
    by_time = np.lexsort((all_orders.symbol[all_fills.order], all_fills.at))
    all_fills = _taken(_with(all_fills, order=place[all_fills.order]), by_time)
    all_orders = _taken(all_orders, in_order)
    all_trades = _taken(all_trades, np.lexsort((all_trades.symbol, all_trades.exited_at)))
    symbols = tuple(instrument.symbol for instrument in job.instruments)
    at, worth = _worth(job, parts, decimals)
    counts: dict[str, int] = {}
    for part in parts:
        counts = {name: counts.get(name, 0) + count for name, count in part.counts.items()}
    return Result(
        job=job,
        orders_hash=trading_hash(all_orders, all_fills, names=(*symbols, *strategies)),
        symbols=symbols,
        strategies=strategies,
        texts=tuple(texts),
        money_decimals=decimals,
        order_rows=all_orders,
        fill_rows=all_fills,
        trade_rows=all_trades,
        equity_at=at,
        equity_units=worth,
        counts=counts,
        faults=tuple(fault for part in parts for fault in part.faults),
        denials=tuple(Denials(one for part in parts for one in part.denials)),
        truths=parts[0].truths,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _worth(job: Job, parts: Sequence[Result], decimals: int) -> tuple[Ints, Ints]:
    times = [part.equity_at for part in parts]
    same = all(len(t) == len(times[0]) and bool((t == times[0]).all()) for t in times[1:])
    at = times[0] if same else np.unique(np.concatenate(times))
    cash = int(job.cash.scaleb(decimals))
    worth = np.full(len(at), cash, dtype=np.int64)
    for part in parts:
        won = part.equity_units * 10 ** (decimals - part.money_decimals) - cash
        if same:
            worth += won
        elif len(won):
            row = np.searchsorted(part.equity_at, at, side="right") - 1
            worth += np.where(row >= 0, won[np.maximum(row, 0)], 0)
    return at, worth


def _with(rows: ResultRows, **columns: object) -> ResultRows:
    return msgspec.structs.replace(rows, **columns)


def _taken(rows: ResultRows, order: Ints) -> ResultRows:
    return _with(rows, **{name: getattr(rows, name)[order] for name in rows.__struct_fields__})


def _joined(kind: type[ResultRows], parts: Sequence[ResultRows]) -> ResultRows:
    return kind(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in kind.__struct_fields__})
