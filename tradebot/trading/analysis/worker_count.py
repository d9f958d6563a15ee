"""How many worker processes a run needs: the meaning of `workers = "auto"`, decided once at the start.

There is always one: it keeps a strategy that hangs or crashes away from the event loop. More workers pay off only where
the work of a close is long compared with the round trip to a worker (0.2 ms). One core is left to the loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from tradebot.strategies.loading import StrategySpec
from tradebot.strategies.strategy import Strategy

# Seconds for one symbol and close, measured by `tradebot bench pool` and `bench indicators` on one core of 2.6 GHz.
# Only the order of magnitude matters here.
RULES_S, DECIDE_S, FRAME_S = 1e-6, 20e-6, 3e-3
ONE_WORKER_MAX_S = 0.005  # seconds of work that one worker does as fast as several


def choose_worker_count(strategies: Sequence[StrategySpec], symbols: int, cores: int) -> tuple[int, str]:
    """Return the number of workers for these strategies, symbols and cores, and the reason in words."""
    work_s = sum(_cost(spec) * (len(spec.symbols) or symbols) for spec in strategies)
    most = max(1, min(cores - 1, symbols))
    wanted = max(1, -int(-work_s // ONE_WORKER_MAX_S))
    chosen = min(wanted, most)
    about = f"about {work_s * 1e3:.1f} ms of work a close"
    if wanted == 1:
        return 1, f"{about}, which one worker does as fast as several"
    if chosen < wanted:
        return chosen, f"{about}; of {cores} cores one is left to the event loop"
    return chosen, f"{about}, in parts of {ONE_WORKER_MAX_S * 1e3:g} ms"


def _cost(spec: StrategySpec) -> float:
    kind = spec.load_class()
    is_deciding = kind.decide is not Strategy.decide
    return RULES_S + DECIDE_S * is_deciding + FRAME_S * kind.takes_frames
