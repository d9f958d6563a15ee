"""The analysis stage: closes in, signals out; the math runs in worker processes that may hang, crash and be replaced.

Each worker owns a fixed share of the symbols (id modulo workers), gets one job per close, answers with a few columns. A
strategy that compares symbols lives whole in one worker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from tradebot.clock import Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Close, Series
from tradebot.domain.messages import Signals
from tradebot.errors import ConfigError
from tradebot.ops.events.event import Tell
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.analysis.briefing import Briefing, Holdings
from tradebot.trading.analysis.parts import parts
from tradebot.trading.analysis.roster import Roster
from tradebot.trading.analysis.share import Share
from tradebot.trading.analysis.volley import Fires, Volley


class Analysis:
    """Runs strategies over closes; see `start`, `run`, `ask`, `close` in this order.

    `recall` returns every close since the end of the warm-up, oldest first; `on_fault` hears of everything that went
    wrong, as an event name and its fields. With `workers` 0 the same code runs inline, without isolation, except that
    strategies over frames get a worker always. Raises ConfigError when two strategies have one name or one needs bars
    that cannot be made, DataError when one cannot be loaded.
    """

    def __init__(
        self,
        *,
        universe: Universe,
        strategies: Sequence[StrategySpec],
        interval: int,
        workers: int,
        deadline_s: float,
        clock: Clock,
        recall: Callable[[], Awaitable[Sequence[Close]]],
        on_fault: Tell,
    ) -> None:
        names = [spec.name for spec in strategies]
        if len(set(names)) != len(names):
            raise ConfigError(f"two strategies have the same name: {', '.join(sorted(names))}")
        self.universe, self.interval, self._clock = universe, interval, clock
        needed = int(any(spec.load().takes_frames for spec in strategies))  # pandas never runs in the loop
        count = min(max(workers, needed), len(universe))
        self._parts = parts(universe, strategies, interval, max(1, count))
        self._briefing = Briefing(universe, strategies, interval, on_fault)
        self._roster = Roster(
            self._parts[:count], self._briefing, deadline_s=deadline_s, clock=clock, recall=recall, on_fault=on_fault
        )
        self._inline: list[Share] = []

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that are ready."""
        return self._roster.pids

    async def start(self, warmup: Sequence[Series]) -> None:
        """Start all workers at once and feed them the past; nothing is signalled. Raises DataError of a strategy.

        A worker that is lost on the way is left to `run`.
        """
        self._briefing.keep_past(warmup)
        if self._roster.is_empty:
            self._start_inline()
        else:
            await self._roster.start()

    async def run(self) -> None:
        """Replace lost workers until cancelled; without it a lost worker stays lost."""
        await self._roster.run()

    async def step(self, close: Close, holdings: Holdings) -> Signals:
        """Return the signals of a close in one message; see `ask`."""
        return (await self.ask(close, holdings)).whole()

    async def ask(self, close: Close, holdings: Holdings) -> Volley:
        """Return what fired at a close, by (symbol id, strategy); at most `deadline_s` and a little later.

        `failed` names the symbols of the close that got no answer.
        """
        assert close.interval == self.interval, f"close of {close.interval} ns given to analysis of {self.interval} ns"
        self._briefing.keep_held(close, holdings)
        fires: list[Fires] = []
        failed: set[int] = set()
        if self._inline:
            piece = self._briefing.slice(close, None)
            for share in self._inline:
                answer = share.step(piece)
                if answer.faults:
                    self._briefing.switch_off(answer.faults)
                fires.extend(answer.fires)
        else:
            fires, failed = await self._roster.ask(close)
        return Volley(close, self.universe, fires, sorted(failed), self._clock.monotonic_ns())

    def rouse(self) -> None:
        """Wake the workers for a close that is about to come; waits for nothing and changes nothing.

        A worker that slept for a minute finds the caches of its core full of others' work, and takes twice as long.
        """
        self._roster.rouse()

    async def close(self) -> None:
        """End all workers within two seconds, killing what hangs."""
        await self._roster.close()

    def _start_inline(self) -> None:
        for setup in self._briefing.setups(self._parts[0]):
            share = Share(setup)
            self._inline.append(share)
            for some in self._briefing.past(np.arange(len(self.universe))):
                self._briefing.switch_off(share.warm(some).faults)
            share.settle()
