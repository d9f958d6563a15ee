"""The daemon's analysis without the stages around it, and the loading of the benchmarks' strategies."""

from __future__ import annotations

from tradebot.bench.analysis import strategies
from tradebot.clock import MINUTE, WallClock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarBatch
from tradebot.ops.events.event import Event
from tradebot.strategies.loading import StrategySpec, load_strategy
from tradebot.strategies.strategy import Strategy
from tradebot.trading.analysis.analysis import Analysis


def load_bench_strategy(kind: type[Strategy]) -> StrategySpec:
    """Load a strategy of the benchmarks from its file, as a user's strategy is loaded."""
    return load_strategy(f"{strategies.__file__}:{kind.__name__}")


def standalone_analysis(universe: Universe, spec: StrategySpec, *, workers: int) -> Analysis:
    """Return an analysis of one-minute bars, not started; any fault in it ends the benchmark."""
    return Analysis(
        universe=universe,
        strategies=[spec],
        interval_ns=MINUTE,
        workers=workers,
        deadline_s=60.0,
        clock=WallClock(),
        load_closes=_nothing,
        on_fault=_fault,
    )


async def _nothing() -> list[BarBatch]:
    return []


def _fault(event: Event) -> None:
    raise AssertionError(repr(event))
