"""The stops of a seed's day on which they rest at the venue: how they are set, and what happens to them.

A generator of their own draws them, so that a seed without `--stops` keeps its day.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

from tradebot.simulation.seeded_random import SeededRandom

STREAM = 0x5705  # of the seed's generators, the one of resting stops
ADDED_S = (6.0, 20.0)  # the time of faults is longer, so that more stops live and die in it
KINDS = (3, 7)  # kinds of faults that such a day draws beside those of the swarm
CALM_SHARE = 0.08  # share of the days without faults of stops; the swarm has its own calm ones
KILLED_SHARE = 0.5  # share of the days with one kill more, while stops rest
KILL_AFTER_EVENTS = (1, 1500)  # callbacks of the daemon from the decision to kill until the kill
NIGHT_SHARE = 0.12  # share of these days with a night
FULL_LIMITER_SHARE = 0.3  # share of the days on which the gate's limits of messages are soon reached
FULL_PER_SECOND, FULL_PER_MINUTE = (1, 3), (24, 90)  # those limits, in market time
GUARDED = (700, 1000)  # of a thousand entries, those with a stop or a trailing stop
TRAIL_EVERY_S, TRAIL_STEPS_PCT = (1.0, 1.0, 2.0, 5.0), ("0.01", "0.02", "0.1")

# A fault of stops as name and point -> the lowest and highest rate at which it strikes.
STOP_FAULTS: dict[str, tuple[float, float]] = {
    "stop-cancelled:exchange.minute": (0.2, 0.7),
    "mass-cancel:exchange.minute": (0.1, 0.4),
    "trading-halt:exchange.minute": (0.1, 0.3),
    "accepted-then-rejected:exchange.enter": (0.05, 0.3),
    "partial-fill-only:exchange.enter": (0.05, 0.2),
    "definite-reject:orders.create": (0.05, 0.3),
    "unknown-refusal-text:orders.create": (0.05, 0.2),
    "lost-timeout:orders.create": (0.05, 0.2),
    "accept-then-reset:orders.create": (0.05, 0.3),
    "accept-then-hang:orders.create": (0.03, 0.15),
    "accept-then-5xx:orders.create": (0.05, 0.2),
    "slow-reply:orders.create": (0.05, 0.3),
    "late-accept:orders.create": (0.03, 0.15),
    "429:orders.create": (0.05, 0.3),
    "lost-before:orders.modify": (0.1, 0.5),
    "accept-then-reset:orders.modify": (0.1, 0.5),
    "accept-then-hang:orders.modify": (0.05, 0.3),
    "408-after-accept:orders.modify": (0.1, 0.4),
    "error-200:orders.modify": (0.1, 0.4),
    "unknown-refusal-text:orders.modify": (0.1, 0.4),
    "slow-reply:orders.modify": (0.1, 0.4),
    "429:orders.modify": (0.1, 0.4),
    "accept-then-reset:orders.cancel": (0.1, 0.5),
    "cancel-unknown:orders.cancel": (0.1, 0.4),
    "slow-reply:orders.cancel": (0.1, 0.4),
    "ignored-cancel:exchange.cancel": (0.1, 0.4),
    "fill-after-cancel:exchange.cancel": (0.1, 0.5),
    "drop-order-frame:ticker.order": (0.05, 0.4),
    "late-order-frame:ticker.order": (0.05, 0.4),
    "reorder-order-frames:ticker.order": (0.05, 0.3),
    "half-open:ticker.frame": (0.0005, 0.003),
    "close-1006:ticker.frame": (0.0005, 0.003),
    "owner-cancels:owner": (0.05, 0.3),
    "owner-sells:owner": (0.03, 0.2),
    "owner-exits:owner": (0.03, 0.15),
    "owner-converts:owner": (0.02, 0.1),
    "owner-buys:owner": (0.02, 0.1),
    "risk-reduces:broker": (0.03, 0.15),
    "risk-squares-off:broker": (0.02, 0.1),
    "operator-kill-9:operator": (0.03, 0.12),
    "operator-restarts:operator": (0.03, 0.12),
    "operator-flattens:operator": (0.02, 0.08),
    "host-lock-held:host": (0.02, 0.06),
}


class StopDay(NamedTuple):
    """The resting stops of one day; `faults` are in the syntax of `--faults`, `guarded` of a thousand entries."""

    faults: str
    guarded: int
    on_refusal: Literal["hold", "exit"]
    trail_every_s: float
    trail_step_pct: Decimal
    order_limits: tuple[int, int] | None  # of the gate in a market second and a minute; None for the usual ones
    added_s: float
    killed_at: float  # when the daemon is killed once more, as a share of the time of faults
    kill_events: int  # callbacks of the daemon from then until the kill; 0 for no kill
    has_night: bool  # it is to have one even if the seed has none without stops


def draw_stop_day(seed: int) -> StopDay:
    """Return the resting stops of a seed."""
    rng = SeededRandom(seed, STREAM)
    added_s, guarded = rng.float_between(*ADDED_S), rng.int_between(*GUARDED)
    every_s = rng.one_of(TRAIL_EVERY_S)
    step = rng.one_of(TRAIL_STEPS_PCT)
    exits_on_refusal = rng.draw_bool(0.4)
    is_full = rng.draw_bool(FULL_LIMITER_SHARE)
    order_limits = rng.int_between(*FULL_PER_SECOND), rng.int_between(*FULL_PER_MINUTE)
    is_killed, killed_at = rng.draw_bool(KILLED_SHARE), rng.float_between(0.2, 0.95)
    kill_events = rng.int_between(*KILL_AFTER_EVENTS)
    has_night = rng.draw_bool(NIGHT_SHARE)
    return StopDay(
        faults="" if rng.draw_bool(CALM_SHARE) else _draw_faults(rng),
        guarded=guarded,
        on_refusal="exit" if exits_on_refusal else "hold",
        trail_every_s=every_s,
        trail_step_pct=Decimal(step),
        order_limits=order_limits if is_full else None,
        added_s=added_s,
        killed_at=killed_at,
        kill_events=kill_events if is_killed else 0,
        has_night=has_night,
    )


def _draw_faults(rng: SeededRandom) -> str:
    left, words = list(STOP_FAULTS), list[str]()
    for _ in range(rng.int_between(*KINDS)):
        word = left.pop(rng.int_between(0, len(left) - 1))
        words.append(f"{word}~{rng.float_between(*STOP_FAULTS[word]):.4f}")
    return ",".join(words)
