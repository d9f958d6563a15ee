"""The analysis: turns closes into signals. Worker processes compute them, and are replaced when they hang or crash.

Each worker owns a fixed part of the symbols (id modulo workers). It gets one job for each close and answers with a few
columns. A strategy that compares symbols runs as a whole in one worker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence

import numpy as np

from tradebot.clock import Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarBatch, BarSeries
from tradebot.domain.messages import Signals
from tradebot.errors import ConfigError
from tradebot.ops.events.event import EventListener
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.analysis.held_symbols import HeldSymbols
from tradebot.trading.analysis.partition import Partition
from tradebot.trading.analysis.partitioning import partition_symbols
from tradebot.trading.analysis.signal_batch import SignalBatch, SignalColumns
from tradebot.trading.analysis.worker_inputs import Holdings, WorkerInputs
from tradebot.trading.analysis.worker_pool import WorkerPool


class Analysis:
    """Runs strategies over closes. Call `start_workers`, `replace_workers`, `compute_signals`, `stop_workers`.

    `load_closes` returns every close since the end of the warm-up, oldest first. `on_fault` takes an event for each
    strategy that raises and each worker that is lost. `interval_ns` is market ns, `deadline_s` wall seconds for the
    answers to a close. With `workers` 0 the strategies run inside the event loop, where one that hangs or crashes takes
    the daemon with it; strategies over frames get a worker even then. Raises ConfigError when two strategies have one
    name or one needs bars that cannot be built, DataError when one cannot be loaded.
    """

    def __init__(
        self,
        *,
        universe: Universe,
        strategies: Sequence[StrategySpec],
        interval_ns: int,
        workers: int,
        deadline_s: float,
        clock: Clock,
        load_closes: Callable[[], Awaitable[Sequence[BarBatch]]],
        on_fault: EventListener,
    ) -> None:
        names = [spec.name for spec in strategies]
        if len(set(names)) != len(names):
            raise ConfigError(f"two strategies have the same name: {', '.join(sorted(names))}")
        self.universe, self.interval_ns, self._clock = universe, interval_ns, clock
        self.strategies = tuple(strategies)  # with the parameters in force
        needed = int(any(spec.load_class().takes_frames for spec in strategies))  # pandas never runs in the loop
        count = min(max(workers, needed), len(universe))
        self._parts = partition_symbols(universe, strategies, interval_ns, max(1, count))
        self._inputs = WorkerInputs(universe, strategies, interval_ns, on_fault)
        self._held = HeldSymbols(universe, strategies, interval_ns)
        self._pool = WorkerPool(
            self._parts[:count],
            self._inputs,
            deadline_s=deadline_s,
            clock=clock,
            load_closes=load_closes,
            on_fault=on_fault,
        )
        self._inline: list[Partition] = []
        self._load_closes = load_closes
        self._newest_at = 0  # end of the newest close that was given, market ns

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """The process ids of the workers that are ready."""
        return self._pool.worker_pids

    async def start_workers(self, warmup: Sequence[BarSeries], waiting: Collection[str] = ()) -> None:
        """Start all workers at once and give them the warm-up bars, without signals. Raises DataError of a strategy.

        The symbols `waiting` get no signals before they join, see `join_symbols`; a symbol without bars starts cold. A
        worker that is lost meanwhile is left to `replace_workers`.
        """
        self._inputs.set_history(warmup, waiting)
        if self._pool.is_empty:
            self._start_inline()
        else:
            await self._pool.start_workers()

    async def join_symbols(self, symbols: Collection[str], warmup: Sequence[BarSeries]) -> None:
        """Let waiting symbols join, between two closes: they get their bars of `warmup`, and the closes since.

        Their strategies then have the state that they would have had from the beginning, and give signals from the next
        close on. Strategies that compare symbols begin once the last of their symbols has joined. `warmup` ends before
        the first close that this analysis was given.
        """
        ids = self._inputs.set_joined(symbols, warmup)
        await self._pool.join_symbols(ids)
        for partition in self._inline:
            for some, histories in self._inputs.join_jobs(ids):
                self._inputs.disable_strategies(partition.join_symbols(some, histories).faults)

    def hold_back(self, symbols: Collection[str]) -> None:
        """Give no signals of `symbols` from the next close on, and those of all others again.

        Strategies that compare symbols give none while one of theirs is held. The state goes on with every close.
        """
        self._held.set_symbols(symbols)

    async def rebuild_state(self) -> None:
        """Compute the state of all strategies again, between two closes: `load_closes` has bars that were repaired.

        Signals of past closes are not given again. Strategies then decide as if these bars had been there in time.
        """
        if self._pool.is_empty:
            closes = [batch for batch in await self._load_closes() if batch.ends_at <= self._newest_at]
            self._inline.clear()
            self._start_inline()
            for batch in closes:
                piece = self._inputs.rows_of_close(batch, None)
                for partition in self._inline:
                    self._inputs.disable_strategies(partition.process_close(piece).faults)
        else:
            await self._pool.rebuild_workers()

    async def change_params(self, strategies: Sequence[StrategySpec]) -> None:
        """Give the strategies other parameters, between two closes, and compute their state again.

        They then decide as if they had had these parameters from the beginning. `strategies` are all of the run, as
        `check_only_params` allows them. Signals of past closes are not given again.
        """
        changed = {now.name for before, now in zip(self.strategies, strategies, strict=True) if before != now}
        self.strategies = tuple(strategies)
        # Which symbols a strategy has and whether it compares them stays, so the workers keep their symbols.
        specs = {spec.name: spec for spec in strategies}
        self._parts = [[(ids, tuple(specs[old.name] for old in some)) for ids, some in part] for part in self._parts]
        self._inputs.enable_strategies(changed)
        self._pool.set_assignments(self._parts)
        await self.rebuild_state()

    async def replace_workers(self) -> None:
        """Replace lost workers until cancelled. Nothing else replaces them."""
        await self._pool.replace_workers()

    async def compute_message(self, batch: BarBatch, holdings: Holdings) -> Signals:
        """Return the signals of a close in one message; see `compute_signals`."""
        return (await self.compute_signals(batch, holdings)).as_message()

    async def compute_signals(self, batch: BarBatch, holdings: Holdings) -> SignalBatch:
        """Return the signals of a close, ordered by (symbol id, strategy), at most a little after `deadline_s`.

        `holdings` maps symbol to (signed quantity, average price). `failed` of the result names the symbols of the
        close that got no answer, `withheld` counts the signals of symbols that are held back.
        """
        assert batch.interval == self.interval_ns, (
            f"close of {batch.interval} ns given to analysis of {self.interval_ns} ns"
        )
        self._inputs.set_holdings(batch, holdings)
        self._newest_at = batch.ends_at
        columns: list[SignalColumns] = []
        failed: set[int] = set()
        if self._inline:
            piece = self._inputs.rows_of_close(batch, None)
            for partition in self._inline:
                answer = partition.process_close(piece)
                if answer.faults:
                    self._inputs.disable_strategies(answer.faults)
                columns.extend(answer.signals)
        else:
            columns, failed = await self._pool.compute_signals(batch)
        given, withheld = self._held.withhold(columns)
        return SignalBatch(batch, self.universe, given, sorted(failed), self._clock.monotonic_ns(), withheld=withheld)

    def prewarm_workers(self) -> None:
        """Let the workers warm their caches before a close. Waits for nothing and changes no state.

        After a minute of sleep the caches of a worker's core hold other data, and the close would take twice as long.
        """
        self._pool.prewarm_workers()

    async def stop_workers(self) -> None:
        """End all workers within two seconds; those that hang are killed."""
        await self._pool.stop_workers()

    def _start_inline(self) -> None:
        joined = np.setdiff1d(np.arange(len(self.universe)), list(self._inputs.waiting))
        for setup in self._inputs.setups_for(self._parts[0]):
            partition = Partition(setup)
            self._inline.append(partition)
            for some in self._inputs.history_jobs(joined):
                self._inputs.disable_strategies(partition.load_histories(some).faults)
            partition.finish_warmup()
